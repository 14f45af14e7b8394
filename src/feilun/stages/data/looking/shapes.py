"""Columns within columns: JSON objects become columns of their own, JSON lists become lists, list targets columns."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feilun.parts.delimited.objects import ANSWERS
from feilun.stages.data.reading import raw

SEEN = 200  # cells looked at, evenly spread, before a whole column is parsed
MOST_KEYS = 200  # an object with more keys is no record
DEPTH = 3  # objects within objects


def flattened(
    table: pa.Table, where: str, whole: Collection[str] = (), targets: Collection[str] = ()
) -> tuple[pa.Table, list[str]]:
    """Objects (JSON text or Arrow structs) as columns `column.key`; JSON lists of texts as Arrow lists; notes.

    whole: columns that the recipe names as they are.  targets: of these only lists are read.
    """
    columns: dict[str, pa.ChunkedArray] = {}
    notes = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        made = {name: column} if name in whole else _apart(name, parsed(column), DEPTH)
        made = {name: column} if name in targets and list(made) != [name] else made
        columns |= made
        if list(made) != [name]:
            shown = ", ".join(list(made)[:5]) + (", ..." if len(made) > 5 else "")
            notes.append(f"{name} holds objects: its keys are the columns {shown}.")
    if notes:
        raw.check_columns(columns, where)
        return pa.table(columns), notes
    changed = any(columns[name] is not table.column(name) for name in columns)
    return (pa.table(columns) if changed else table), notes


def spread_target(table: pa.Table, targets: Sequence[str]) -> pa.Table:
    """A target whose cells are all lists of k numbers as the columns `name_0` to `name_{k-1}`, in its place.

    Also where `targets` are already these columns, as in a resolved recipe.
    """
    for name in table.column_names:
        if name not in targets and (f"{name}_0" not in targets or f"{name}_0" in table.column_names):
            continue
        rows = _matrix(table.column(name))
        if rows is None:
            continue
        parts = {
            f"{name}_{place}": pa.chunked_array([pa.array(part, from_pandas=True)]) for place, part in enumerate(rows.T)
        }
        columns: dict[str, pa.ChunkedArray] = {}
        for other in table.column_names:
            columns |= parts if other == name else {other: table.column(other)}
        table = pa.table(columns)
    return table


def numbered(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """`y` as y_0, y_1, ... (or y0, y1, ...) where there is no column y but those; empty otherwise."""
    for mark in ("_", ""):
        found: list[str] = []
        while f"{name}{mark}{len(found)}" in names:
            found.append(f"{name}{mark}{len(found)}")
        if found and name not in names:
            return tuple(found)
    return ()


def parsed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """JSON text as what it says, if every cell is an object, or every cell a list of texts; else as it came."""
    if not pa.types.is_string(column.type):
        return column
    known = column.drop_null()
    seen = known.take(np.linspace(0, len(known) - 1, min(len(known), SEEN)).astype(np.int64)) if len(known) else known
    if len(known) == 0 or not pc.all(pc.match_substring_regex(seen, r"(?s)^(\{.*\}|\[.*\])$")).as_py():
        return column
    cells = _loaded(column)
    if cells is None:
        return column
    there = [cell for cell in cells if cell is not None]
    if all(isinstance(cell, dict) for cell in there):
        return pa.chunked_array([pa.array(cells)]) if _regular(there) else _by_key(cells)
    if all(isinstance(cell, list) and all(isinstance(one, str) for one in cell) for cell in there) and any(there):
        return pa.chunked_array([pa.array(cells, pa.list_(pa.string()))])
    return column


def _loaded(column: pa.ChunkedArray) -> list[Any] | None:
    try:
        return [None if cell is None else json.loads(cell) for chunk in column.chunks for cell in chunk.to_pylist()]
    except (ValueError, RecursionError):
        return None


def _regular(cells: Sequence[dict[str, Any]]) -> bool:
    try:
        pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return False
    return True


def _by_key(cells: Sequence[dict[str, Any] | None]) -> pa.ChunkedArray:
    """Objects whose values differ in type: each value as text."""
    keys = list(dict.fromkeys(key for cell in cells for key in cell or ()))
    rows = [None if cell is None else {key: _text(cell.get(key)) for key in keys} for cell in cells]
    kind = pa.struct([(key, pa.string()) for key in keys])
    return pa.chunked_array([pa.array(rows, kind)])


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _apart(name: str, column: pa.ChunkedArray, depth: int) -> dict[str, pa.ChunkedArray]:
    """{column.key: values} of a struct, {name: column} of anything else.

    Pictures ({bytes, path}) stay whole, and answers as hubs write them."""
    kind = column.type
    if not pa.types.is_struct(kind) or depth == 0 or not 0 < kind.num_fields <= MOST_KEYS:
        return {name: column}
    keys = [kind.field(place).name for place in range(kind.num_fields)]
    if {"bytes", "path"} <= set(keys) or set(keys) == ANSWERS:
        return {name: column}
    found: dict[str, pa.ChunkedArray] = {}
    for place, key in enumerate(keys):
        part = pa.chunked_array([pc.struct_field(chunk, place) for chunk in column.chunks], kind.field(place).type)
        found |= _apart(f"{name}.{key}", part, depth - 1)
    return found


def _matrix(column: pa.ChunkedArray) -> np.ndarray | None:
    """float64 (N, k) of equally long lists of numbers (Arrow's, or JSON text), NaN where null; else None."""
    if not pa.types.is_string(column.type) and not pa.types.is_nested(column.type):
        return None
    cells = _loaded(column) if pa.types.is_string(column.type) else column.to_pylist()
    there = [cell for cell in cells or () if cell is not None]
    if not there or not all(isinstance(cell, list) for cell in there):
        return None
    width = len(there[0])
    numbers = all(
        len(cell) == width and all(value is None or isinstance(value, int | float) for value in cell) for cell in there
    )
    if not numbers or width == 0:
        return None
    gap = [np.nan] * width
    return np.array([gap if cell is None else cell for cell in cells or ()], np.float64)
