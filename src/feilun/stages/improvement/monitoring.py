"""What the prediction log tells: traffic, latency, confidence, versions, errors, and drift of the input."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError
from feilun.parts.bundle.answering import by_column, encode, input_features
from feilun.parts.dataset import Table
from feilun.parts.ops.ragged import take
from feilun.parts.store import Store, predictions
from feilun.stages.improvement import drift, places
from feilun.stages.improvement.aspects import aspects
from feilun.stages.improvement.drift import Aspect

if TYPE_CHECKING:
    from feilun.core.task import Row

NEWEST = 5000  # requests looked at
REFERENCE = 4000  # training rows they are compared with
Records = Sequence[Mapping[str, Any]]


def monitor(home: Path, name: str, folder: Path) -> dict[str, Any]:
    """See verbs.monitor. folder: the run whose training rows the requests are compared with."""
    reading = predictions.read(home / name / places.PREDICTIONS, newest=NEWEST)
    with Store.open(home) as store:
        champion, given = store.champion(name), store.count_feedback(name)
    records, number = reading.records, int(folder.name)
    answered = [record for record in records if "error" not in record]
    own = [record for record in answered if record["version"] == number]  # others say nothing of this version
    drifted = _drift(own, folder)
    told: dict[str, Any] = {
        "name": name,
        "champion": champion,
        "requests": _traffic(records),
        "errors": len(records) - len(answered),
        "latency_ms": _latency(answered),
        "confidence": _confidence(own, places.stage(folder, "evaluation")),
        "versions": _shares(records),
        "drift": drifted,
        "feedback": given,
        "log": {"dropped": reading.dropped, "torn": reading.torn, "damaged": reading.damaged},
    }
    wanted = places.recipe(folder).improve.after
    is_due = given["waiting"] >= wanted or (drifted["noticed"] and given["waiting"] > 0)
    return {**told, "lines": _lines(told, name), "next": f"feilun improve {name}" if is_due else f"feilun serve {name}"}


def confidence(answer: Any) -> float | None:
    """How sure an answer is, in [0, 1], where the task tells."""
    if not isinstance(answer, Mapping):
        return None
    for key in ("confidence", "probability", "score"):
        if isinstance(answer.get(key), int | float):
            return float(answer[key])
    shares = answer.get("probabilities")
    if isinstance(shares, Mapping) and shares:
        return float(max(shares.values()))
    return None


def _traffic(records: Records) -> dict[str, Any]:
    """{total, last_hour, hours: [{hour, requests}]}; the last hour ends with the last request."""
    if not records:
        return {"total": 0, "last_hour": 0, "hours": []}
    at = np.array([float(record["at"]) for record in records])
    hours, counts = np.unique(at // 3600, return_counts=True)
    busy = [{"hour": int(hour) * 3600, "requests": int(count)} for hour, count in zip(hours, counts, strict=True)]
    return {"total": len(records), "last_hour": int((at > at.max() - 3600).sum()), "hours": busy[-48:]}


def _latency(records: Records) -> dict[str, float | None]:
    taken = [1000 * float(record["latency_s"]) for record in records if record.get("latency_s") is not None]
    if not taken:
        return {"p50": None, "p95": None}
    return {"p50": round(float(np.percentile(taken, 50)), 3), "p95": round(float(np.percentile(taken, 95)), 3)}


def _shares(records: Records) -> dict[str, float]:
    numbers, counts = np.unique([int(record["version"]) for record in records], return_counts=True)
    return {f"@{number}": round(int(count) / len(records), 4) for number, count in zip(numbers, counts, strict=True)}


def _confidence(records: Records, evaluation: Path) -> dict[str, float | None]:
    """{mean, test}: of the requests, and of the test rows when the version was made."""
    return {"mean": _mean(_confidences(records)), "test": _mean(_tested(evaluation))}


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def _confidences(records: Records) -> np.ndarray:
    return np.array([sure for record in records if (sure := confidence(record["answer"])) is not None])


def _tested(evaluation: Path) -> np.ndarray:
    path = evaluation / "answers.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return _confidences([json.loads(line) for line in lines])


def _drift(records: Records, folder: Path) -> dict[str, Any]:
    """drift.watch over every aspect of every input column and the confidence."""
    if not records:
        return drift.watch({})
    table = Table.open(places.stage(folder, "data"))
    features = input_features(discover.task(str(places.recipe(folder).task)), table.features)
    index = table.index("train")
    index = index[np.linspace(0, len(index) - 1, min(len(index), REFERENCE)).astype(np.int64)]
    reference = {feature: take(table.arrays[feature], index) for feature in features}
    sound = _encodable(records, features)
    if not sound:
        return drift.watch({})
    owners = {name: getattr(feature, "owners", feature.columns) for name, feature in features.items()}
    watched = aspects(reference, encode(features, by_column([record["row"] for record in sound])), owners)
    sure, tested = _confidences(sound), _tested(places.stage(folder, "evaluation"))
    if len(sure) == len(sound) and len(tested):
        watched["confidence"] = Aspect(reference=tested, requests=sure)
    return drift.watch(watched)


def _encodable(records: Records, features: Mapping[str, Any]) -> Records:
    """Records whose rows can be encoded; an old log may hold rows of columns that are no longer there."""
    needed = {column for feature in features.values() for column in feature.columns}
    whole = [{**record, "row": _filled(record["row"], needed)} for record in records]
    try:
        encode(features, by_column([record["row"] for record in whole]))
    except DataError:
        return [record for record in whole if _encodes(record["row"], features)]
    return whole


def _filled(row: Row, needed: set[str]) -> Row:
    return {column: row.get(column) for column in needed}


def _encodes(row: Row, features: Mapping[str, Any]) -> bool:
    try:
        encode(features, by_column([row]))
    except DataError:
        return False
    return True


def _lines(told: Mapping[str, Any], name: str) -> list[str]:
    requests, latency, sure, noticed = told["requests"], told["latency_ms"], told["confidence"], told["drift"]
    if not requests["total"]:
        return [f"No requests to {name} yet. Ask it something: feilun serve {name}"]
    lines = [f"{requests['total']:,} requests, {requests['last_hour']:,} in the last hour, {told['errors']:,} errors"]
    if latency["p50"] is not None:
        lines.append(f"latency {latency['p50']:.1f} ms median, {latency['p95']:.1f} ms for all but 5 %")
    if sure["mean"] is not None:
        before = f" ({sure['test']:.2f} on test rows)" if sure["test"] is not None else ""
        lines.append(f"confidence {sure['mean']:.2f}{before}")
    shares = ", ".join(f"{name}{number} {share:.0%}" for number, share in told["versions"].items())
    lines.append(f"answered by {shares}")
    lines.append(_drift_line(noticed))
    lines.append(f"{told['feedback']['total']:,} answers from users, {told['feedback']['waiting']:,} waiting")
    missing = sum(told["log"].values())
    return [*lines, f"{missing:,} records of the log are missing"] if missing else lines


def _drift_line(noticed: Mapping[str, Any]) -> str:
    if noticed["looked_at"] < drift.STEP:
        return f"too few requests to look for drift: {noticed['looked_at']} of {drift.STEP}"
    if not noticed["noticed"]:
        return f"no drift in {noticed['looked_at']:,} requests"
    return f"Drift noticed at request {noticed['request']}: " + ", ".join(
        each["aspect"].replace(": ", " ") for each in noticed["aspects"][:4]
    )
