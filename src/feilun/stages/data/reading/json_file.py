"""JSON: a list of objects, or one object per line. Nested objects are columns such as a.b, lists stay lists."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.parts.delimited import objects
from feilun.stages.data import disk
from feilun.stages.data.reading import frames, raw

BLOCK_ROWS = 50_000  # rows held as Python objects at a time


def read(path: Path, data: Data, most: raw.Most) -> raw.Raw:
    """All rows, or the first `most.rows`. Raises DataError with a line number for what is no JSON or no object."""
    with raw.opened(path):
        rows = objects.rows(path, data.encoding)
        found = [row for _, row in islice(rows, most.rows)] if most.rows is not None else None
        blocks = [found] if found is not None else _blocks(rows)
        large = most.rows is None and disk.is_large(path.stat().st_size)
        made = (_table(block, str(path)) for block in blocks if block)
        tables = [disk.table(one) if large else one for one in made]
    if not tables:
        raise DataError(f"{path} has no rows. Add rows.", where=str(path), fix="add rows")
    table = frames.stacked(tables)
    whole = most.rows is None or table.num_rows < most.rows
    return raw.of(table, str(path), rows=table.num_rows if whole else None)


def _blocks(rows: Any) -> Any:
    while block := [row for _, row in islice(rows, BLOCK_ROWS)]:
        yield block


def _table(rows: list[dict[str, Any]], where: str) -> pa.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        raise DataError(f"{where}: its objects are empty. Give each row its columns.", where=where, fix="add columns")
    return pa.table({name: frames.column(name, [row.get(name) for row in rows]) for name in names})
