"""Parquet: columns with the types they were written with."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.stages.data import disk
from feilun.stages.data.reading import raw


def read(path: Path, data: Data, most: raw.Most) -> raw.Raw:
    """All rows, or the first `most.rows`. Raises DataError if the file is damaged or has no rows."""
    limit = most.rows
    with raw.opened(path):
        try:
            with pa.parquet.ParquetFile(path, pre_buffer=False) as file:  # else it keeps the whole file in memory
                rows = file.metadata.num_rows
                table = _whole(file) if limit is None or limit >= rows else _first(file, limit)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            short = " ".join(str(error).split())[:200]
            raise DataError(
                f"{path} is no readable Parquet file: {short}. Write it again.", where=str(path), fix="write it again"
            ) from error
    if rows == 0:
        raise DataError(f"{path} has columns and no rows. Add rows.", where=str(path), fix="add rows")
    return raw.of(table.replace_schema_metadata(None), str(path), rows=rows)


def _whole(file: pa.parquet.ParquetFile) -> pa.Table:
    groups = (file.metadata.row_group(number) for number in range(file.num_row_groups))
    if disk.is_large(sum(group.total_byte_size for group in groups)):
        return disk.stream(file.schema_arrow, file.iter_batches())
    return file.read()


def _first(file: pa.parquet.ParquetFile, limit: int) -> pa.Table:
    batches, rows = [], 0
    for batch in file.iter_batches(batch_size=min(limit, 1 << 16)):
        batches.append(batch)
        rows += batch.num_rows
        if rows >= limit:
            break
    return pa.Table.from_batches(batches).slice(0, limit)
