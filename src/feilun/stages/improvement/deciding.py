"""Champion against challenger on the same rows: what was held back of the feedback decides, gate rows may forbid."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover, manifest
from feilun.core.errors import InputError
from feilun.parts.bundle.answering import answer_rows, by_row
from feilun.parts.bundle.loading import load
from feilun.parts.dataset import Table
from feilun.parts.metrics.paired import sign_test
from feilun.parts.store import Store
from feilun.stages.improvement import places

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Rows, Task

RECORD = "decision.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Duel:
    """The two versions on the rows of one split: one value per row and version. better: higher | lower."""

    ids: Sequence[str]
    champion: np.ndarray
    challenger: np.ndarray
    better: str

    def summary(self) -> dict[str, Any]:
        """{n, champion, challenger: means, wins, losses, p, p_worse}; wins are the challenger's, p one-sided."""
        if not self.ids:
            return {"n": 0, "champion": None, "challenger": None, "wins": 0, "losses": 0, "p": 1.0, "p_worse": 1.0}
        wins, losses, p = sign_test(self.champion, self.challenger, self.better)
        _, _, p_worse = sign_test(self.challenger, self.champion, self.better)
        means = {"champion": float(self.champion.mean()), "challenger": float(self.challenger.mean())}
        return {"n": len(self.ids), **means, "wins": int(wins), "losses": int(losses), "p": p, "p_worse": p_worse}


def decide(home: Path, name: str, number: int, run_folder_of: Callable[[int], Path]) -> dict[str, Any]:
    """See verbs.decide."""
    challenger = run_folder_of(number)
    recipe, lap = places.recipe(challenger), places.lap_of(challenger)
    with Store.open(home) as store:
        serving = store.champion(name)
        if serving is None or serving == number:
            raise InputError(
                f"{name}@{number} is no challenger: {f'{name}@{serving}' if serving else 'nothing'} serves.",
                where=f"{name}@{number}",
                fix="train a challenger with: feilun improve",
            )
        table = Table.open(places.stage(challenger, "data"))
        bundles = [
            places.stage(folder, "deployment") / places.BUNDLE for folder in (run_folder_of(serving), challenger)
        ]
        duels = {split: duel(recipe, table.columns(split), bundles) for split in ("held", "gate")}
        found = {split: each.summary() for split, each in duels.items()}
        decision, reason = verdict(found["held"], found["gate"], recipe.improve.significance)
        record = {
            "lap": lap,
            "champion": serving,
            "challenger": number,
            "decision": decision,
            "reason": reason,
            **found,
        }
        evidence = {**record, "rows": _recorded(challenger, record, duels), "significance": recipe.improve.significance}
        if decision == "promote":
            store.promote(name, number, reason=reason, evidence=evidence, actor="improve")
        else:
            store.record("keep", name, number, reason, evidence, actor="improve")
    held = {key: found["held"][key] for key in ("wins", "losses", "p")}
    return {"decision": decision, "reason": reason, "evidence": evidence, **held}


def duel(recipe: Recipe, rows: Rows, bundles: Sequence[Path]) -> Duel:
    """Both bundles (champion, challenger) answer the rows as in serving; per-row values of the task's paired score."""
    task = discover.task(str(recipe.task))
    if not task.paired:
        raise InputError(
            f"Task {recipe.task} has no score that compares two models row by row, so no lap can be decided. "
            "Compare by eye and use: feilun promote",
            where="improve",
            fix="feilun promote",
        )
    if not rows.get("_id"):
        return Duel(ids=(), champion=np.zeros(0), challenger=np.zeros(0), better="higher")
    truths = [task.truth(row, recipe) for row in by_row(rows)]
    champion, challenger = (_values(task, recipe, rows, truths, folder) for folder in bundles)
    return Duel(ids=list(rows["_id"]), champion=champion[0], challenger=challenger[0], better=champion[1])


def verdict(held: Mapping[str, Any], gate: Mapping[str, Any], significance: float) -> tuple[str, str]:
    """(promote | keep, reason in words). held, gate: Duel.summary()."""
    counted = _counted(held)
    if held["n"] == 0:
        return "keep", "no feedback was held back to judge by; collect more"
    if held["p"] >= significance:
        return "keep", f"{counted}, " + ("no better" if held["wins"] <= held["losses"] else "could be chance")
    if gate["p_worse"] < significance:
        return "keep", f"better on feedback ({counted}) but clearly worse on gate rows: {_counted(gate)}"
    return "promote", counted


def _counted(duel: Mapping[str, Any]) -> str:
    wins, losses = duel["wins"], duel["losses"]
    return f"{wins} win{'s' * (wins != 1)}, {losses} loss{'es' * (losses != 1)}"


def _values(task: Task, recipe: Recipe, rows: Rows, truths: Sequence[Any], folder: Path) -> tuple[np.ndarray, str]:
    bundle = load(folder)
    answers = answer_rows(bundle.task, bundle.run, bundle.features, bundle.state, rows, judged=True)
    score = task.scores(answers, truths, recipe)[task.paired]
    return np.asarray(score.rows, np.float64), score.better


def _recorded(folder: Path, record: Mapping[str, Any], duels: Mapping[str, Duel]) -> dict[str, Any]:
    """Write which rows were compared and how each came out; the audit keeps the file's place and hash."""
    rows = {
        split: [
            {"id": id, "champion": before, "challenger": after}
            for id, before, after in zip(each.ids, each.champion.tolist(), each.challenger.tolist(), strict=True)
        ]
        for split, each in duels.items()
    }
    manifest.write_json(folder / RECORD, {**record, "rows": rows})
    digest = hashlib.sha256((folder / RECORD).read_bytes()).hexdigest()
    return {"file": f"{folder.parent.name}/{folder.name}/{RECORD}", "sha256": digest}
