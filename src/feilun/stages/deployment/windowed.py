"""Rows in time to answer: a model that learnt from windows gets them made of the rows of a file, as in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.errors import DataError
from feilun.core.recipe import Recipe, Window
from feilun.parts.features import number, time
from feilun.parts.ops import missing, numerals, windows

if TYPE_CHECKING:
    from feilun.core.task import Row

SHORT = "short_windows"  # in what is told: rows with fewer steps before them than a window has


def asked(signature: Mapping[str, Mapping[str, Any]], window: Window) -> dict[str, Mapping[str, Any]]:
    """The columns that a file of plain rows must have in place of the window's."""
    found = {name: facts for name, facts in signature.items() if name != window.column}
    found |= {name: {"kind": "number"} for name in window.of if name not in found}
    return found | {name: {"kind": "text"} for name in (window.by, window.group) if name and name not in found}


def rows(
    found: Sequence[tuple[str, Row]], recipe: Recipe, window: Window, path: Path, told: dict[str, int]
) -> Iterator[tuple[str, Row]]:
    """The rows with the window's column, in their order. told: gets `short_windows`.

    Raises DataError naming row and column for what is no number, or no time.
    """
    absent = missing.of(recipe.data.missing)
    columns = [[row.get(name) for _, row in found] for name in window.of]
    made = [number.numbers(name, cells, absent) for name, cells in zip(window.of, columns, strict=True)]
    matrix = np.stack(made, axis=1)
    when = _when([row.get(window.by) for _, row in found], window.by, absent, path) if window.by else None
    groups = [_group(row.get(window.group), absent) for _, row in found] if window.group else [""] * len(found)
    codes = {value: place for place, value in enumerate(dict.fromkeys(groups))}
    group = np.array([codes[value] for value in groups], np.int64)
    count = len(found)
    order, starts = windows.ordered(np.zeros(count) if when is None else when, group, np.zeros(count, np.int64))
    first, lengths = windows.spans(order, starts, window.steps)
    told[SHORT] = int((lengths < window.steps).sum())
    for (place, row), start, length in zip(found, first.tolist(), lengths.tolist(), strict=True):
        steps = matrix[order[start : start + length]]
        yield (
            place,
            {**row, window.column: [[None if cell != cell else cell for cell in step] for step in steps.tolist()]},
        )


def _group(value: Any, absent: missing.Missing) -> str | None:
    return None if value is None or absent.says(value) else str(value).strip()


def _when(cells: Sequence[Any], name: str, absent: missing.Missing, path: Path) -> np.ndarray:
    """float64 (N,): numbers, or seconds of dates and times; NaN where there is none."""
    known = [None if cell is None or absent.says(cell) or cell == "" else cell for cell in cells]
    texts = [cell for cell in known if isinstance(cell, str)]
    if all(numerals.PLAIN.fullmatch(text.strip()) for text in texts) and not any(_is_date(cell) for cell in known):
        return number.numbers(name, known, absent)
    try:
        times = time.times_of(name, known)
    except DataError as error:
        raise DataError(
            f"{path}: {error} The windows are made in the order of {name} (data.window.by).",
            where=f"{path}, {name}",
            expected=error.expected,
            got=error.got,
            fix=error.fix,
        ) from error
    return np.where(np.isnat(times), np.nan, times.astype(np.int64) / 1e6)


def _is_date(cell: Any) -> bool:
    return isinstance(cell, date | np.datetime64)
