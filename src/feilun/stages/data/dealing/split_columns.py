"""What the split is asked to respect, read from the rows: strata of the target, groups, times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Recipe
from feilun.stages.data.alike import hashing
from feilun.stages.data.alike.near import Near
from feilun.stages.data.cells import clean, dates
from feilun.stages.data.dealing.units import Sides

MOST_BINS, ROWS_EACH = 10, 20  # quantile bins of a number to predict, and rows that a bin needs


def sides(table: pa.Table, recipe: Recipe, targets: Sequence[str], kinds: Mapping[str, str], alike: Near) -> Sides:
    """Strata, groups or times where data.split asks for them, beside what is nearly equal."""
    split = recipe.data.split
    found = Sides(near=alike.keys if alike.looked else None, shared=alike.shared if alike.sharing else None)
    if split.by == "stratified":
        return replace(found, strata=_strata(table, targets, kinds))
    if split.by == "group":
        return replace(found, groups=_groups(table, str(split.column)))
    if split.by == "time":
        return replace(found, times=times(table.column(str(split.column)), str(split.column)))
    return found


def labels(table: pa.Table, targets: Sequence[str], kinds: Mapping[str, str]) -> tuple[np.ndarray, list[str]] | None:
    """(int64 class codes, -1 for none; names) where the target is one column of classes, one a row."""
    if len(targets) != 1 or kinds.get(targets[0]) != "labels":
        return None  # texts to write and items to recommend are no classes: new ones belong into the test
    if not clean.is_text(table.schema.field(targets[0]).type):
        return None
    coded = table.column(targets[0]).combine_chunks().dictionary_encode()
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
    return np.asarray(codes, np.int64), coded.dictionary.to_pylist()


def answers(table: pa.Table, targets: Sequence[str], kinds: Mapping[str, str]) -> np.ndarray | None:
    """What the rows say, one code or number each: where two equal rows differ in it, they disagree."""
    coded = labels(table, targets, kinds)
    if coded is not None:
        return coded[0]
    if len(targets) == 1 and pa.types.is_floating(table.schema.field(targets[0]).type):
        return np.asarray(table.column(targets[0]).to_numpy(), np.float64)
    if targets and all(kinds.get(name) == "labels" for name in targets):
        return hashing.rows(table, targets)
    return None


def times(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """int64 (N,): rank of each row's time, -1 where it is missing. Raises DataError for what is no date or number."""
    if clean.is_text(column.type) and clean.number_share(column)[0] == 1:
        column = column.cast(pa.float64())
    if clean.is_numeric(column.type):
        values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
        known = np.isfinite(values)
    elif clean.is_text(column.type) or pa.types.is_temporal(column.type):
        found = dates.read(column)
        if found.lost:
            raise _no_time(name, f"{found.lost:,} cells such as {found.unread[0]!r}")
        values, known = found.times, ~np.isnat(found.times)
    else:
        raise _no_time(name, str(column.type))
    if not known.any():
        raise _no_time(name, "nothing in any row")
    ranks = np.full(len(values), -1, np.int64)
    ranks[known] = np.unique(values[known], return_inverse=True)[1]
    return ranks


def _no_time(name: str, got: str) -> DataError:
    return DataError(
        f"data.split.column is {name}, which should hold dates, times or numbers, and holds {got}. Correct these rows, "
        "list the texts in data.missing, or split by hash.",
        where=f"data.split.column: {name}",
        expected="dates, times or numbers",
        got=got,
        fix="data.split.by: hash",
    )


def _groups(table: pa.Table, name: str) -> np.ndarray:
    """uint64 (N,); a row without a group is a group of its own."""
    groups = hashing.rows(table, [name])
    empty = table.column(name).is_null().to_numpy()
    groups[empty] = hashing.mix(np.flatnonzero(empty).astype(np.uint64) + np.uint64(1) ^ groups[empty])
    return groups


def _strata(table: pa.Table, targets: Sequence[str], kinds: Mapping[str, str]) -> np.ndarray:
    """int64 (N,): classes, sets of labels, or bins of a number. Raises RecipeError where there is nothing of these."""
    found = answers(table, targets, kinds)
    if found is None:
        raise RecipeError(
            "data.split.by is stratified, and this task predicts neither classes nor one number. Split by hash.",
            where="data.split.by",
            expected="hash, group or time",
            got="stratified",
            fix="by: hash",
        )
    if found.dtype.kind == "f":
        bins = int(np.clip(len(found) // ROWS_EACH, 1, MOST_BINS))
        edges = np.unique(np.nanquantile(found, np.linspace(0, 1, bins + 1)[1:-1]))
        return np.asarray(np.searchsorted(edges, found, side="right"), np.int64)
    return np.asarray(np.unique(found, return_inverse=True)[1], np.int64)
