"""Rows that do not fit into memory: read from disk in shuffled blocks, a buffer ahead of the batches they go into.

Two buffers are held, the one that batches come from and the one that a thread is filling meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from feilun.parts.engine import stored
from feilun.parts.engine.held import Held, row_bytes
from feilun.parts.engine.randomness import Buffer
from feilun.parts.ops.ragged import take

BLOCK_ROWS = 2_000  # read together: from cold disk random rows cost six times as much
BLOCKS = 32  # at least so many in a buffer, so that a batch has rows from everywhere
HELD = 2  # buffers at a time


@dataclass(frozen=True, slots=True)
class _Filled:
    """Rows of one buffer. rows: int64, rising."""

    rows: np.ndarray
    held: Held

    def places(self, numbers: np.ndarray) -> np.ndarray | None:
        """Where these rows lie in the buffer; None if one does not."""
        places = np.searchsorted(self.rows, numbers)
        found = places < len(self.rows)
        return places if found.all() and (self.rows[places] == numbers).all() else None


class Streamed:
    """A function from row numbers to batches. Rows in the order that `follow` was told come out of buffers.

    All others are read there and then: validation, and the batch in which one buffer ends and the next one begins.
    """

    lengths = None

    def __init__(self, arrays: Mapping[str, Any], memory_bytes: int) -> None:
        self.sources = {name: stored.of(array) or array for name, array in arrays.items()}
        self.buffer = buffer_of(sum(row_bytes(array) for array in arrays.values()), memory_bytes)
        self.pool = ThreadPoolExecutor(1, "rows")
        self.order = np.zeros(0, np.int64)
        self.rows = self.buffer.rows
        self.read = 0  # rows of the order that are in a buffer, or will be
        self.now: _Filled | None = None
        self.coming: Future[_Filled] | None = None

    def follow(self, order: Tensor, done: int, buffer: Buffer | None) -> None:
        """Buffers are filled in this order, from the one that its row number `done` is in.

        An order that was begun with more or less memory is gone through in the buffers that it was made of.
        """
        self.order, self.now, self.rows = order.numpy(), None, (buffer or self.buffer).rows
        self.read = done - done % self.rows
        self._fill()

    def __call__(self, index: Tensor) -> dict[str, Tensor]:
        """Of these rows, int64 (B,), in this order."""
        numbers = index.numpy()
        places = None if self.now is None else self.now.places(numbers)
        if self.now is not None and places is not None:
            return self.now.held(torch.from_numpy(places))
        if self.coming is not None:
            coming = self.coming.result()
            places = coming.places(numbers)
            if places is not None:
                self.now = coming
                self._fill()
                return coming.held(torch.from_numpy(places))
        rows, places = np.unique(numbers, return_inverse=True)
        return self._filled(rows).held(torch.from_numpy(places))

    def _fill(self) -> None:
        """Begin with the next buffer, if there is one."""
        part = self.order[self.read : self.read + self.rows]
        self.read += len(part)
        self.coming = self.pool.submit(self._filled, part) if len(part) else None

    def _filled(self, numbers: np.ndarray) -> _Filled:
        rows = np.unique(numbers)
        return _Filled(rows, Held({name: _rows(source, rows) for name, source in self.sources.items()}))


def buffer_of(size: int, memory_bytes: int) -> Buffer:
    """Blocks and buffers for rows of `size` bytes: as large a buffer as memory allows, of at least 32 blocks."""
    rows = max(1, memory_bytes // HELD // (size + 8))  # 8: the row's number
    block = max(1, min(BLOCK_ROWS, rows // BLOCKS))
    return Buffer(block, rows - rows % block)


def _rows(source: Any, rows: np.ndarray) -> Any:
    return source.take(rows) if isinstance(source, stored.Dense | stored.Uneven) else take(source, rows)
