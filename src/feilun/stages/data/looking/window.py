"""Rows in time become examples: a new column in which each row has the last steps of several number columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Recipe, Window
from feilun.parts.ops import windows
from feilun.stages.data.cells import clean, dates
from feilun.stages.data.reading import raw

MOST_NUMBERS = 500_000_000  # 4 GB; windows repeat every number `steps` times


def add(table: pa.Table, window: Window | None, given: np.ndarray, where: str) -> pa.Table:
    """The table with the window's column: lists of steps, each a list of numbers; the earliest rows have fewer steps.

    given: int8 (N,): a window never crosses from one given file to another. Rows stay in their order. A row whose time
    is missing sees only itself. Raises DataError for a column that is not there, holds no numbers, or is taken.
    """
    if window is None:
        return table
    if window.column in table.column_names:
        raise RecipeError(
            f"data.window.column is {window.column!r}, and {where} has a column of that name. Choose another.",
            where="data.window.column",
            got=window.column,
            fix="column: window_of_rows",
        )
    asked = [*window.of, *filter(None, (window.by, window.group))]
    raw.require(asked, table.column_names, where)
    if table.num_rows * window.steps * len(window.of) > MOST_NUMBERS:
        raise DataError(
            f"{where}: windows of {window.steps} steps and {len(window.of)} columns over {table.num_rows:,} rows hold "
            f"more than {MOST_NUMBERS:,} numbers. Take fewer steps, or fewer rows with data.limit.",
            where="data.window.steps",
            got=str(window.steps),
            fix="take fewer steps",
        )
    values = clean.to_kinds(table.select(list(window.of)), dict.fromkeys(window.of, "number"), (), where).table
    order, starts = _ordered(table, window, given, where)
    return table.append_column(window.column, _lists(values, order, starts, window.steps))


def said(recipe: Recipe) -> list[str]:
    """What a person must know of windows and the split."""
    found, split = recipe.data.window, recipe.data.split
    if found is None:
        return []
    if split.by == "time" or (split.by == "hash" and found.by and "by" not in split.model_fields_set):
        return [f"Windows overlap, so rows are dealt by {split.column or found.by}: the latest are tested."]
    if split.by == "group":
        return []
    return [
        f"Windows overlap, and data.split.by is {split.by}: near-copies of a row may stand on both sides. Set "
        "data.split: {by: time, column: COLUMN}."
    ]


def _ordered(table: pa.Table, window: Window, given: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
    """See windows.ordered."""
    count = table.num_rows
    when = _when(table.column(window.by), window.by, where) if window.by else np.zeros(count)
    group = _codes(table.column(window.group)) if window.group else np.zeros(count, np.int64)
    return windows.ordered(when, group, given)


def _lists(values: pa.Table, order: np.ndarray, starts: np.ndarray, steps: int) -> pa.ChunkedArray:
    """list<list<double>> (N,) in the table's order."""
    width = values.num_columns
    numbers = np.stack([values.column(name).to_numpy() for name in values.column_names], axis=1)[order]
    first, lengths = windows.spans(order, starts, steps)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    source = np.repeat(first - offsets[:-1], lengths) + np.arange(offsets[-1])
    flat = numbers[source].reshape(-1)
    inner = pa.ListArray.from_arrays(
        pa.array(np.arange(0, len(flat) + 1, width, dtype=np.int32)), pa.array(flat, pa.float64(), from_pandas=True)
    )
    return pa.chunked_array([pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), inner)])


def _when(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray:
    """float64 (N,): numbers, or seconds of dates and times; NaN where there is none."""
    if clean.is_numeric(column.type) or clean.number_share(column)[0] == 1:
        numbers = pc.cast(column, pa.float64(), safe=False)
        return np.asarray(numbers.to_numpy(), np.float64)
    if pa.types.is_temporal(column.type) or (clean.is_text(column.type) and dates.look_so(column)):
        times = dates.read(column).times
        return np.where(np.isnat(times), np.nan, times.astype(np.int64) / 1e6)
    raise DataError(
        f"{where}: data.window.by is {name}, which holds neither numbers nor times. Name the column with the time.",
        where="data.window.by",
        expected="numbers or times",
        got=f"{column.type}",
        fix="name the column with the time",
    )


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    coded = column.combine_chunks().dictionary_encode()
    return np.asarray(pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False), np.int64)
