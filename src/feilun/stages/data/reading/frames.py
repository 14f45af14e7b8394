"""A table given from Python: pandas, Arrow, polars, datasets.Dataset, a dict of columns or a list of rows."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from feilun.core.errors import DataError
from feilun.stages.data.cells import clean
from feilun.stages.data.reading import pictures, raw

FORMS = "a pandas, polars or Arrow table, a datasets.Dataset, a dict of columns or a list of rows"


def read(frame: Any) -> raw.Raw:
    """Rows of a table given from Python. Raises DataError if it is none."""
    if isinstance(frame, pa.Table):
        columns = dict(zip(frame.column_names, frame.columns, strict=True)) if _distinct(frame.column_names) else {}
    elif hasattr(frame, "features") and hasattr(frame, "with_format"):
        columns = of_dataset(frame)
    elif hasattr(frame, "iloc") and hasattr(frame, "columns"):
        _distinct([str(name) for name in frame.columns])
        columns = {str(name): column(str(name), frame[name]) for name in frame.columns}
    elif hasattr(frame, "to_arrow"):  # polars, duckdb
        return read(frame.to_arrow())
    elif hasattr(frame, "__arrow_c_stream__"):  # record batches and readers, and other libraries' tables
        return read(pa.table(frame))
    elif isinstance(frame, Mapping):
        columns = {str(name): column(str(name), values) for name, values in frame.items()}
    elif isinstance(frame, Sequence) and frame and all(isinstance(row, Mapping) for row in frame):
        names = list(dict.fromkeys(str(name) for row in frame for name in row))
        columns = {name: column(name, [row.get(name) for row in frame]) for name in names}
    else:
        raise DataError(
            f"A table was expected ({FORMS}), and {type(frame).__name__} came.",
            expected=FORMS,
            got=type(frame).__name__,
        )
    if len({len(column) for column in columns.values()}) > 1:
        raise DataError(
            "The columns of this table have different lengths: "
            + ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        )
    table = pa.table(columns)
    if table.num_rows == 0:
        raise DataError("This table has no rows.", where="table", fix="give a table with rows")
    kinds = {name: "image" for name, column in columns.items() if pa.types.is_binary(column.type)}
    return raw.of(table, "table", rows=table.num_rows, kinds=kinds)


def column(name: str, values: Any) -> pa.Array:
    """One column of Python values; uint8 arrays and Pillow images become PNG, numbers among texts become texts."""
    first = next((value for value in values if value is not None), None)
    if isinstance(first, np.ndarray) and first.ndim == 2 and first.dtype.kind == "f":  # steps; pictures are uint8
        values = [None if value is None else np.asarray(value).tolist() for value in values]
        first = None
    if (isinstance(first, np.ndarray) and first.ndim in (2, 3)) or hasattr(first, "convert"):
        return pa.array([pictures.encoded(value) for value in values], pa.binary())
    if isinstance(first, uuid.UUID):  # Arrow has a type for them that nothing else reads
        values = [None if value is None else str(value) for value in values]
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        pass  # numbers and texts in one column: as texts
    try:
        return pa.array([None if _is_missing(value) else _written(value) for value in values], pa.string())
    except (TypeError, ValueError) as error:
        raise DataError(f"Column {name!r} mixes values that do not fit together: {error}.", where=name) from error


def stacked(tables: Sequence[pa.Table]) -> pa.Table:
    """One table; where they disagree about a type, the wider one, and text where nothing else fits."""
    if len(tables) == 1:
        return tables[0]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.concat_tables([_as_text(table) for table in tables], promote_options="permissive")


def of_dataset(frame: Any) -> dict[str, Any]:
    """Columns of a datasets.Dataset: pictures as bytes, class labels by their names."""
    table = frame.with_format("arrow")[:]
    columns = {}
    for name, feature in frame.features.items():
        column = table.column(name)
        if hasattr(feature, "int2str"):
            words = pa.array([*feature.names, None])
            places = pa.compute.fill_null(column, -1)
            column = words.take(pa.compute.if_else(pa.compute.less(places, 0), len(words) - 1, places))
        elif pa.types.is_struct(column.type) and {"bytes", "path"} <= {field.name for field in column.type}:
            column = pa.array([_picture_bytes(value) for value in column.to_pylist()], pa.binary())
        columns[name] = column
    return columns


def _distinct(names: Sequence[str]) -> bool:
    raw.check_columns(names, "the table")
    return True


def _picture_bytes(value: dict[str, Any] | None) -> bytes | None:
    if value is None or value["bytes"] is not None:
        return None if value is None else value["bytes"]
    with raw.opened(Path(value["path"])):
        return Path(value["path"]).read_bytes()


def _written(value: Any) -> str:
    """As JSON writes it, where it is no text."""
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _as_text(table: pa.Table) -> pa.Table:
    plain = {
        name: column if pa.types.is_binary(column.type) or pa.types.is_nested(column.type) else _text(column)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return pa.table(plain)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole numbers are written the same, whether they were read as 1 or as 1.0."""
    return clean.texts(column, whole_numbers=clean.is_numeric(column.type))


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)
