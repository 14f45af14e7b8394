"""Tables too large for memory, kept on disk: an Arrow file is mapped, and its pages come and go as they are looked at.

Every step goes on working with the same pa.Table. The files have no name any more once they are mapped, so that nothing
is left of them, whatever happens to the process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from feilun.parts.delimited import cache
from feilun.parts.engine import memory

SHARE = 4  # so many times a table is in memory at worst: as read, stripped, of its kinds, without what leaves
BATCH_BYTES = 1 << 23  # written at a time


def is_large(size_bytes: int) -> bool:
    """Whether a table of this size stays on disk."""
    return size_bytes * SHARE > memory.for_rows()


def kept(values: pa.ChunkedArray, came: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column that was made of another one of a large table, on disk; as it is where nothing was made anew."""
    if _place(values) == _place(came):
        return values
    return table(pa.table([values], names=[""])).column(0)


def table(whole: pa.Table) -> pa.Table:
    """The table on disk."""
    return stream(whole.schema, whole.to_batches(_rows(whole)))


def filtered(whole: pa.Table, stays: np.ndarray) -> pa.Table:
    """Rows where bool (N,) says so, on disk if the table is large."""
    mask = pa.array(stays)
    if stays.all() or not is_large(whole.nbytes):
        return whole if stays.all() else whole.filter(mask)
    size = _rows(whole)
    parts = (whole.slice(start, size).filter(mask.slice(start, size)) for start in range(0, len(mask), size))
    return stream(whole.schema, (batch for part in parts for batch in part.combine_chunks().to_batches()))


def stream(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """A table of these batches, of which one at a time is in memory."""
    with tempfile.NamedTemporaryFile(dir=cache.folder("rows"), delete=False) as named:
        path = Path(named.name)
    try:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as written:
            for batch in batches:
                written.write_batch(batch)
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_file(source).read_all()
    finally:
        with suppress(PermissionError):  # Windows keeps a mapped file until the process ends
            path.unlink()


def _rows(whole: pa.Table) -> int:
    return max(1, int(BATCH_BYTES * whole.num_rows // max(1, whole.nbytes)))


def _place(values: pa.ChunkedArray) -> int | None:
    """Where the last chunk's values lie in memory."""
    buffers = values.chunk(values.num_chunks - 1).buffers() if values.num_chunks else []
    return buffers[-1].address if buffers and buffers[-1] is not None else None


def to_dataset(table: pa.Table) -> Any:
    """A datasets.Dataset over this table, nothing copied."""
    from datasets import Dataset
    from datasets.table import InMemoryTable

    return Dataset(InMemoryTable(table), fingerprint="rows")  # without one, datasets pickles all rows to make one
