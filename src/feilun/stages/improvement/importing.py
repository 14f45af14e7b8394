"""Feedback given elsewhere, by prediction id; and the way back from an answer to where it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from feilun.core.errors import DataError
from feilun.parts.ops import surrogates
from feilun.parts.store import Store, predictions
from feilun.stages.improvement import places


def add_feedback(home: Path, name: str, source: Path) -> dict[str, int]:
    """See verbs.add_feedback. Raises DataError naming the line; the lines before it are kept."""
    counts = {"added": 0, "known": 0}
    folder = home / name / places.PREDICTIONS
    with Store.open(home) as store:
        for number, line in enumerate(_lines(source), start=1):
            where = f"{source}:{number}"
            given = _parsed(line, where)
            asked = predictions.find(folder, str(given["prediction_id"]))
            if asked is None:
                raise DataError(
                    f"{where}: {name} never gave the answer {given['prediction_id']!r}. Use the prediction_id that "
                    "came with the answer.",
                    where=where,
                    got=str(given["prediction_id"]),
                    expected="the id of an answer in the prediction log",
                )
            entry = {key: asked[key] for key in ("id", "version", "row", "answer")}
            is_new = store.add_feedback(**entry, name=name, correction=given["answer"])
            counts["added" if is_new else "known"] += 1
    return counts


def trace(home: Path, thing: str) -> dict[str, Any] | None:
    """See verbs.trace."""
    for folder in sorted(home.glob(f"*/{places.PREDICTIONS}")):
        asked = predictions.find(folder, thing)
        if asked is None:
            continue
        name = folder.parent.name
        with Store.open(home) as store:
            given = next((row for row in store.feedback(name) if row["id"] == thing), None)
            version = next((row for row in store.versions(name) if row["number"] == asked["version"]), None)
        said = {key: given[key] for key in ("correction", "created", "lap", "held")} if given else None
        return {**asked, "name": name, "feedback": said, "bundle": version}
    return None


def _lines(source: Path) -> list[str]:
    try:
        return [line for line in source.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{source} cannot be read: {error}. Give a JSON lines file of {{prediction_id, answer}}.", where=str(source)
        ) from error


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON: {error}.", where=where, fix="one JSON object a line") from error
    if isinstance(given, dict) and "id" in given:  # as /v1/feedback calls it
        given.setdefault("prediction_id", given["id"])
    if not isinstance(given, dict) or not {"prediction_id", "answer"} <= set(given):
        raise DataError(
            f'{where}: expected {{"prediction_id": ..., "answer": ...}}, got {line[:80]}.',
            where=where,
            expected="prediction_id, answer",
            got=line[:80],
            fix="write both keys",
        )
    place = surrogates.place(given["answer"], "answer")
    if place is not None:
        raise DataError(
            f"{where}: {place} holds half a surrogate pair, which is no text. Correct the answer.",
            where=where,
            expected="text that UTF-8 can hold",
            got=line[:80],
            fix="correct the answer",
        )
    return given
