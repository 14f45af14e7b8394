"""Improvement: versions and their champion, feedback into laps, the paired decision, monitoring, keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from feilun.core import manifest
from feilun.parts.store import Store
from feilun.stages.improvement import places


def register(home: Path, name: str, number: int, deployment: Path, lap: bool | int | None = None) -> None:
    """Make a finished run's bundle a version; the first version of a name becomes its champion.

    lap: whether the run is a lap; which one is read from its record.
    """
    bundle = Path(deployment) / places.BUNDLE
    from_lap = places.lap_of(bundle.parent.parent) if lap else None
    with Store.open(home) as store:
        store.register(
            name,
            number,
            bundle=bundle.relative_to(home).as_posix(),
            sha256=manifest.hash_file(bundle / manifest.FILE),
            lap=from_lap,
        )


def champion(home: Path, name: str) -> int | None:
    """The version that serves, or None if nothing is registered."""
    with Store.open(home) as store:
        return store.champion(name)


def versions(home: Path, name: str) -> list[dict[str, Any]]:
    """[{number, champion, state, reason, lap, created, bundle, sha256}], oldest first."""
    with Store.open(home) as store:
        rows, history = store.versions(name), store.history(name)
    last = {entry["number"]: entry for entry in history}
    words = {"promote": "was champion", "first": "was champion", "rollback": "was champion", "keep": "not promoted"}
    return [
        {
            **row,
            "state": "champion" if row["champion"] else words.get(last[row["number"]]["action"], ""),
            "reason": last[row["number"]]["reason"],
        }
        for row in rows
    ]


def history(home: Path, name: str) -> list[dict[str, Any]]:
    """The audit of a name, in order, after checking that nobody changed it."""
    with Store.open(home) as store:
        store.verify_audit()
        return store.history(name)


def promote(home: Path, name: str, number: int, reason: str, actor: str = "owner") -> dict[str, Any]:
    """Make this version the champion; {champion, before, reason}."""
    with Store.open(home) as store:
        before = store.champion(name)
        store.promote(name, number, reason=reason, evidence={"before": before}, actor=actor)
    return {"champion": number, "before": before, "reason": reason}


def rollback(home: Path, name: str, number: int | None, reason: str, actor: str = "owner") -> dict[str, Any]:
    """Make an earlier version the champion again, the one before where number is None; {champion, before, reason}."""
    with Store.open(home) as store:
        before = store.champion(name)
        chosen = store.rollback(name, number, reason=reason, evidence={"before": before}, actor=actor)
    return {"champion": chosen, "before": before, "reason": reason}


def collect(home: Path, name: str, run_folder_of: Callable[[int], Path]) -> dict[str, Any]:
    """Feedback as a lap's rows: {rows: the lap's folder, lap, answers, train, held, left_out}. Resumable.

    Raises InputError if there is no feedback to learn from.
    """
    from feilun.stages.improvement import collecting

    return collecting.collect(home, name, run_folder_of)


def decide(home: Path, name: str, number: int, run_folder_of: Callable[[int], Path]) -> dict[str, Any]:
    """Champion against this challenger; promotes or keeps, with reason and evidence, in one transaction.

    Returns {decision: promote | keep, reason, evidence, wins, losses, p, champion, challenger}.
    """
    from feilun.stages.improvement import deciding

    return deciding.decide(home, name, number, run_folder_of)


def monitor(home: Path, name: str, folder: Path) -> dict[str, Any]:
    """Traffic, latency, confidence, versions and input drift against the data of this run; `lines` says it in words."""
    from feilun.stages.improvement import monitoring

    return monitoring.monitor(home, name, folder)


def feedback(home: Path, name: str) -> list[dict[str, Any]]:
    """[{id, version, answer: what the user said, given: what the model said, created, lap, held}]."""
    with Store.open(home) as store:
        rows = store.feedback(name)
    kept = ("id", "version", "created", "lap", "held")
    return [{**{key: row[key] for key in kept}, "answer": row["correction"], "given": row["answer"]} for row in rows]


def add_feedback(home: Path, name: str, source: str | Path) -> dict[str, int]:
    """Corrections from a JSON lines file of {prediction_id, answer}: {added, known}."""
    from feilun.stages.improvement import importing

    return importing.add_feedback(home, name, Path(source))


def trace(home: Path, thing: str) -> dict[str, Any] | None:
    """Where an answer came from, by its prediction id: request, answer, version, correction, lap. None if unknown."""
    from feilun.stages.improvement import importing

    return importing.trace(home, thing)


def add_key(home: Path, label: str, role: str = "user") -> str:
    """A new API key; shown once."""
    with Store.open(home) as store:
        return store.add_key(label, role)


def list_keys(home: Path) -> list[dict[str, Any]]:
    """[{id, label, role, created, revoked}]."""
    with Store.open(home) as store:
        return store.keys()


def revoke_key(home: Path, key_id: str) -> None:
    """From now on this key opens nothing."""
    with Store.open(home) as store:
        store.revoke_key(key_id)
