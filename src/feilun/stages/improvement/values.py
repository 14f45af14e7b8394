"""Values of a JSON row as a data set stores them: pictures as bytes, categories as text, numbers as numbers."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core.errors import DataError
from feilun.parts.dataset import load_rows, save_rows

if TYPE_CHECKING:
    from feilun.core.task import Row


def stored(row: Row, columns: Mapping[str, Any], spelt: Collection[str] = ()) -> Row:
    """The row with exactly these columns, each value in its column's type; absent columns become None.

    columns: `datasets.Features`.  spelt: of them those whose lists are JSON where the column is text, such as spans
    from a CoNLL file.  Raises DataError naming column and value if one does not fit.
    """
    kinds = {name: getattr(kind, "dtype", "") for name, kind in columns.items()}
    plain = {name: _spelt(row.get(name), kinds[name]) if name in spelt else row.get(name) for name in columns}
    return {name: _value(name, value, kinds[name]) for name, value in plain.items()}


def require_fit(row: Row, columns: Any) -> None:
    """Raises what pyarrow raises unless `save` can write this row with these columns (`datasets.Features`)."""
    import pyarrow as pa

    pa.table({name: [row[name]] for name in columns}, schema=columns.arrow_schema)


def save(folder: Path, rows: Sequence[Row], columns: Any) -> None:
    """Write the rows as a data set with these columns (`datasets.Features`)."""
    import pyarrow as pa
    from datasets import Dataset

    schema = columns.arrow_schema
    save_rows(Dataset(pa.table({name: [row[name] for row in rows] for name in columns}, schema=schema)), folder)


def ids(folder: Path) -> list[str]:
    """The `_id` of every row, in order."""
    return list(load_rows(folder)["_id"])


def _value(column: str, value: Any, dtype: str) -> Any:
    if value is None:
        return None
    try:
        if dtype in ("binary", "large_binary"):
            return value if isinstance(value, bytes) else _decoded(value)
        if dtype in ("string", "large_string"):
            return value if isinstance(value, str) else _text(value)
        if dtype.startswith("float"):
            return float(value)
        if dtype.startswith(("int", "uint")):
            return _whole(value)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"Column {column!r} holds {dtype}, and feedback brought {str(value)[:80]!r}. Send values like those it was "
            "trained on.",
            where=column,
            expected=dtype,
            got=str(value)[:80],
        ) from error
    return value


def _decoded(value: Any) -> bytes:
    try:
        return base64.b64decode(str(value).partition("base64,")[2] or str(value), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def _spelt(value: Any, dtype: str) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) and "string" in dtype else value


def _text(value: Any) -> str:
    if not isinstance(value, bool | int | float):
        raise TypeError("neither text nor number")
    return str(value)


def _whole(value: Any) -> int:
    whole = int(value)
    if float(value) != whole:
        raise ValueError("not a whole number")
    return whole
