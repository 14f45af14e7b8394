"""Feedback becomes the rows of a lap: a small data set of its own, whose parent is the bundle that served.

A lap takes all feedback that the champion has not learnt from: what is new, and what an earlier lap brought in vain.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core import discover, manifest, progress
from feilun.core.errors import DataError, FeilunError, InputError
from feilun.core.manifest import Manifest
from feilun.parts.dataset import SPLITS, Table
from feilun.parts.ops import surrogates
from feilun.parts.store import Store
from feilun.stages.improvement import places, values

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Row, Task

DECISIONS = ("promote", "keep")
SPELT = ("spans", "answers", "boxes", "dialogue")  # kinds of lists, which files of text hold as JSON


def collect(home: Path, name: str, run_folder_of: Callable[[int], Path]) -> dict[str, Any]:
    """See verbs.collect."""
    with progress.locked(home / name), Store.open(home) as store:
        served = _served(store, name)
        begun = _unfinished(home, name, store, served)
        if begun is not None:
            return _finish(store, name, *begun)
        table = Table.open(places.stage(run_folder_of(served["number"]), "data"))
        learnt = {id for id, origin in zip(table.rows["_id"], table.origin, strict=True) if origin > 0}
        recipe = places.recipe(run_folder_of(served["number"]))
        given = _given(store, name, discover.task(str(recipe.task)))
        fresh = sorted((entry for entry in given if entry["id"] not in learnt), key=_content)
        _require_news(store, name, fresh)
        number = max((lap for lap, _ in places.laps(home, name)), default=0)
        folder = home / name / places.LAPS / str(number if _is_incomplete(home, name, number) else number + 1)
        _write(folder, recipe, table, fresh, served)
        return _finish(store, name, int(folder.name), folder)


def split_of(row: Row, hold_back: float) -> str:
    """ "held" for a share of feedback, by a hash of what makes rows the same: equal ones are on the same side."""
    digest = hashlib.sha256(manifest.hash_json(row).encode()).digest()
    return "held" if int.from_bytes(digest[:8], "big") / 2**64 < hold_back else "train"


def _given(store: Store, name: str, task: Task) -> list[dict[str, Any]]:
    """Corrections; and thumbs of what nobody corrected, where the task learns from them."""
    corrected = store.feedback(name)
    known = {entry["id"] for entry in corrected}
    thumbs = [entry for entry in store.thumbs(name) if entry["id"] not in known] if task.compare else []
    return [*corrected, *({**entry, "correction": {"thumb": entry["thumb"]}} for entry in thumbs)]


def _content(entry: dict[str, Any]) -> str:
    """What feedback is sorted by: the same answers make the same lap in whatever order they came."""
    return manifest.hash_json([entry["row"], entry["correction"]])


def _served(store: Store, name: str) -> dict[str, Any]:
    found = next((row for row in store.versions(name) if row["champion"]), None)
    if found is None:
        raise InputError(
            f"There is no version of {name} to improve. Make one with: feilun run",
            where=name,
            expected="a version that serves",
            got="none",
            fix="feilun run",
        )
    return found


def _unfinished(home: Path, name: str, store: Store, served: dict[str, Any]) -> tuple[int, Path] | None:
    """The newest lap, if its rows are complete, they came from the present champion, and nothing was decided yet."""
    newest = next(reversed(places.laps(home, name)), None)
    made = manifest.read(newest[1]) if newest else None
    if newest is None or made is None or made.parent != served["sha256"]:
        return None
    decided = [entry["evidence"].get("lap") for entry in store.history(name) if entry["action"] in DECISIONS]
    return None if newest[0] in decided else newest


def _is_incomplete(home: Path, name: str, number: int) -> bool:
    return number > 0 and manifest.read(home / name / places.LAPS / str(number)) is None


def _require_news(store: Store, name: str, fresh: Sequence[dict[str, Any]]) -> None:
    if any(entry["lap"] is None for entry in fresh):
        return
    counted = store.count_feedback(name)["total"]
    raise InputError(
        f"There is no new feedback for {name} ({counted} answers so far, all used). Correct some answers "
        f"(playground of `feilun serve {name}`, POST /v1/feedback, or `feilun feedback add`), then improve again.",
        where=name,
        expected="new feedback",
        got="none",
        fix=f"feilun serve {name}",
    )


def _write(folder: Path, recipe: Recipe, table: Table, fresh: list[dict[str, Any]], served: dict[str, Any]) -> None:
    """rows/, splits.npy, and the manifest last: only then is the lap there."""
    import numpy as np

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows, splits, left_out = _rows(recipe, table, fresh)
    if "train" not in splits:
        raise InputError(
            f"None of the {len(fresh)} answers can be learnt from: "
            + (next(iter(left_out.values())) if left_out else "all are held back for judging. Collect more."),
            where=str(recipe.name),
            got=f"{len(fresh)} answers",
            fix="collect more feedback",
        )
    values.save(folder / "rows", rows, table.rows.features)
    np.save(folder / "splits.npy", np.array([SPLITS.index(split) for split in splits], np.int8))
    facts = {
        "lap": int(folder.name),
        "parent_version": served["number"],
        "answers": len(fresh),
        "train": splits.count("train"),
        "held": splits.count("held"),
        "left_out": left_out,
    }
    key = manifest.hash_json([served["sha256"], [entry["id"] for entry in fresh], recipe.part("improve")])
    files = manifest.hash_files(folder)
    manifest.write(folder, Manifest(kind="lap", key=key, parent=served["sha256"], files=files, facts=facts))


def _rows(recipe: Recipe, table: Table, fresh: list[dict[str, Any]]) -> tuple[list[Row], list[str], dict[str, str]]:
    """Training rows as the champion's data has them, their splits, and {id: why} of what no row could be made of."""
    task = discover.task(str(recipe.task))
    identity = task.identity(recipe) if task.identity else tuple(recipe.inputs)
    rows, splits, left_out = [], [], {}
    spelt = {column for feature in table.features.values() if feature.kind in SPELT for column in feature.columns}
    for entry in fresh:
        try:
            row = _sound(_learnt(task, entry, recipe))
            stored = values.stored({**row, **_read(row, table), "_id": entry["id"]}, table.rows.features, spelt)
            values.require_fit(stored, table.rows.features)
            for feature in table.features.values():  # such as a label that the champion does not know
                feature.encode({column: [stored[column]] for column in feature.columns})
            split = split_of({column: row.get(column) for column in identity}, recipe.improve.hold_back)
        except Exception as error:  # whatever is wrong with one row, the others still make a lap
            said = str(error) if isinstance(error, FeilunError) else f"{type(error).__name__}: {error}"
            left_out[entry["id"]] = said.encode(errors="backslashreplace").decode()[:500]
        else:
            rows.append(stored)
            splits.append(split)
    return rows, splits, left_out


def _learnt(task: Task, entry: dict[str, Any], recipe: Recipe) -> Row:
    if task.compare is None:
        return task.correct(entry["row"], entry["correction"], recipe)
    return task.compare(entry["row"], entry["answer"], entry["correction"], recipe)


def _read(row: Row, table: Table) -> Row:
    """The row's numbers as they were understood when they were asked: 1e3, -999 for a missing one."""
    found: Row = {}
    for feature in table.features.values():
        for column in feature.columns if hasattr(feature, "read") and feature.kind == "number" else ():
            if column in row:
                number = float(feature.read(column, [row[column]])[0])
                found = {**found, column: None if number != number else number}
    return found


def _sound(row: Row) -> Row:
    place = surrogates.place(row, "row")
    if place is not None:
        raise DataError(f"{place} holds half a surrogate pair, which is no text.", where=place)
    return row


def _finish(store: Store, name: str, number: int, folder: Path) -> dict[str, Any]:
    """Mark the feedback as used and say what there is. Doing it again changes nothing."""
    import numpy as np

    made = manifest.read(folder)
    if made is None:
        raise InputError(f"Lap {number} of {name} is incomplete. Improve again.", where=str(folder))
    manifest.verify(folder, made.files)
    splits = np.load(folder / "splits.npy")
    ids = dict(zip(values.ids(folder / "rows"), (splits == SPLITS.index("held")).tolist(), strict=True))
    store.mark_feedback({**dict.fromkeys(made.facts["left_out"], False), **ids}, lap=number)
    return {"rows": folder, "lap": number, **{key: made.facts[key] for key in ("answers", "train", "held", "left_out")}}
