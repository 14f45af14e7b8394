"""From a source to rows, splits and features: read, clean, name the rows, deal them, and write the folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feilun.core.errors import DataError
from feilun.core.protocols import Feature
from feilun.core.recipe import Recipe
from feilun.core.task import Task
from feilun.core.work import Made, Work
from feilun.parts import dataset
from feilun.stages.data import builtin, clean, hashing, picture_files, raw, sources, splits, survey

ID = raw.RESERVED


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the task reads. kinds: {column: kind}; targets: columns that do not exist when serving."""

    kinds: Mapping[str, str]
    targets: tuple[str, ...]
    identity: tuple[str, ...]
    features: Mapping[str, Feature]


def make(work: Work) -> Made:
    """Write the data stage's folder. Raises DataError with place, value and fix for whatever is wrong with the rows."""
    recipe = work.recipe
    whole = sources.read(recipe, work.base, work.frame)
    stripped = clean.strip(whole.table, recipe.data.missing)
    found = survey.of(recipe, whole, stripped)
    wanted = wanted_by(work.task, recipe)
    columns = list(dict.fromkeys([*wanted.kinds, *wanted.targets, *wanted.identity]))
    raw.require(columns, stripped.column_names, whole.name)
    kept = stripped.column_names if builtin.is_task(recipe.data.source) else columns
    images = [name for name, kind in wanted.kinds.items() if kind == "image"]
    loaded = picture_files.load(stripped.select(kept), images, [Path(whole.name).parent, work.base])
    cleaned = clean.to_kinds(loaded, wanted.kinds, wanted.targets, whole.name)
    table, given, without = _with_target(cleaned.table, whole, wanted.targets)
    dealt = splits.deal(
        hashing.rows(table, wanted.identity), given, recipe.data.split, recipe.seed, _labels(table, wanted)
    )
    table = table.append_column(ID, hashing.ids(hashing.rows(table, table.column_names)))
    stays = np.flatnonzero(dealt.splits >= 0)
    table, of_rows = table.take(stays), dealt.splits[stays]
    notes = [*found.notes, *cleaned.notes, *_said(dealt.facts, without)]
    for note in notes:
        work.say.line(note)
    origin = np.zeros(len(of_rows), np.int16)
    dataset.write(work.folder, to_dataset(table), of_rows, origin, dict(wanted.features), list(found.columns))
    facts = {
        "rows": table.num_rows,
        "splits": count(of_rows),
        "without_target": without,
        **dealt.facts,
        "left_out": {entry["column"]: entry["why"] for entry in found.columns if entry["role"] == "left out"},
        "warnings": {entry["column"]: entry["warning"] for entry in found.columns if entry["warning"]},
        "notes": notes,
    }
    return Made(facts=facts)


def wanted_by(task: Task, recipe: Recipe) -> Wanted:
    """The columns the task's features read, with their kinds, and what makes two rows the same."""
    features = task.features(recipe)
    inputs = {name: feature for name, feature in features.items() if name not in task.targets}
    found = {column: feature.kind for feature in inputs.values() for column in feature.columns}
    found |= {name: column.kind for name, column in recipe.inputs.items() if name not in found}
    read = {
        column: features[name].kind for name in task.targets if name in features for column in features[name].columns
    }
    targets = list(dict.fromkeys([*read, *(recipe.target.columns if recipe.target else ())]))
    targets = [column for column in targets if column not in found]  # boxes also read the size of the picture
    found |= {column: kind for column, kind in read.items() if column not in found}
    identity = task.identity(recipe) if task.identity else tuple(name for name in found if name not in targets)
    return Wanted(
        kinds=found,
        targets=tuple(name for name in targets if name not in recipe.inputs),
        identity=tuple(identity),
        features=features,
    )


def to_dataset(table: pa.Table) -> Any:
    """A datasets.Dataset over this table, nothing copied."""
    from datasets import Dataset
    from datasets.table import InMemoryTable

    return Dataset(InMemoryTable(table))


def count(of_rows: np.ndarray) -> dict[str, int]:
    """{split: rows}."""
    return {name: int((of_rows == place).sum()) for place, name in enumerate(dataset.SPLITS)}


def _with_target(table: pa.Table, whole: raw.Raw, targets: Sequence[str]) -> tuple[pa.Table, np.ndarray, int]:
    """Rows that have a target, their given splits, and how many rows had none."""
    if not targets:
        return table, whole.given, 0
    there = np.stack([table.column(name).is_valid().to_numpy() for name in targets])
    numbers = all(clean.is_numeric(table.schema.field(name).type) for name in targets)
    mask = there.all(axis=0) if numbers else there.any(axis=0)  # of several labels one is enough
    if not mask.any():
        raise DataError(
            f"{whole.name}: the target {targets[0]} has no value in any of {table.num_rows:,} rows. "
            "Choose another column.",
            where=f"{whole.name}, {targets[0]}",
            fix="choose another target",
        )
    if mask.all():
        return table, whole.given, 0
    return table.filter(pa.array(mask)), whole.given[mask], int((~mask).sum())


def _labels(table: pa.Table, wanted: Wanted) -> np.ndarray | None:
    """int64 class codes where the target is one column of classes, one a row."""
    if len(wanted.targets) != 1 or wanted.kinds.get(wanted.targets[0]) != "labels":
        return None  # texts to write and items to recommend are no classes: new ones belong into the test
    if not clean.is_text(table.schema.field(wanted.targets[0]).type):
        return None
    coded = table.column(wanted.targets[0]).combine_chunks().dictionary_encode()
    return np.asarray(pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False), np.int64)


def _said(facts: Mapping[str, int], without: int) -> list[str]:
    """What happened to rows, in words."""
    notes = []
    if without:
        notes.append(f"{without:,} rows without a target were left out.")
    if facts["left_out_equal_to_given"]:
        notes.append(
            f"{facts['left_out_equal_to_given']:,} training rows equal given test or validation rows and were left out."
        )
    if facts["moved_for_rare_classes"]:
        notes.append(f"{facts['moved_for_rare_classes']:,} rows of rare classes were moved to training.")
    if facts["too_few_to_deal_by_hash"]:
        notes.append("So few rows that they were dealt in turn: rows that come later may move others.")
    return notes
