"""Arrow's less usual types as the usual ones that every later step knows; what has none is refused by its column."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from feilun.core.errors import DataError

VIEWS = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}


def plain(table: pa.Table, where: str) -> pa.Table:
    """The table with plain columns. Raises DataError naming the column whose type is not known."""
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        made = _column(column, name, where)
        if made is not column:
            table = table.set_column(place, name, made)
    return table


def _column(column: pa.ChunkedArray, name: str, where: str) -> pa.ChunkedArray:
    kind = column.type
    try:
        if pa.types.is_run_end_encoded(kind):
            return _column(pc.run_end_decode(column), name, where)
        if pa.types.is_dictionary(kind):
            values = _type(kind.value_type)
            return column if values == kind.value_type else column.cast(kind.value_type).cast(values)
        wanted = _type(kind)
        if pa.types.is_list_view(kind):  # its cast to lists loses values
            return pa.chunked_array([pa.array(column.to_pylist(), wanted)])
        return column if wanted == kind else column.cast(wanted)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, TypeError) as error:
        raise DataError(
            f"{where}: column {name} is of Arrow's type {str(kind)[:80]}, which is not read. Write it as text: "
            f"table[{name!r}].astype(str) in pandas, or leave the column out.",
            where=f"{where}, {name}",
            expected="text, numbers, dates, bytes or lists",
            got=str(kind)[:80],
            fix="write it as text",
        ) from error


def _type(kind: pa.DataType) -> pa.DataType:
    """The usual type of the same values. Raises TypeError for an extension whose storage would mean something else."""
    if kind in VIEWS:
        return VIEWS[kind]
    if isinstance(kind, pa.BaseExtensionType):
        if pa.types.is_string(kind.storage_type) or pa.types.is_boolean(kind.storage_type):
            return kind.storage_type
        raise TypeError(str(kind))
    if pa.types.is_list_view(kind) or pa.types.is_list(kind):
        inner = _type(kind.value_type)
        return kind if pa.types.is_list(kind) and inner == kind.value_type else pa.list_(inner)
    return kind
