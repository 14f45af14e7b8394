"""Encoded arrays → batches of tensors: rows gathered by number, ragged ones padded, exactly as in serving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from feilun.parts.engine import memory
from feilun.parts.engine.held import Held, row_bytes
from feilun.parts.engine.randomness import Buffer
from feilun.parts.engine.streaming import Streamed


class Gatherer(Protocol):
    """From row numbers, int64 (B,), to the batch that `parts.ops.ragged.collate` makes of these rows."""

    @property
    def buffer(self) -> Buffer | None:
        """How the rows of an epoch must be shuffled to be read fast; None: in any way."""

    @property
    def lengths(self) -> np.ndarray | None:
        """How long each row is, where batches of rows of one length save padding."""

    def __call__(self, index: Tensor) -> dict[str, Tensor]:
        """Any rows in any order; fast in the order of `follow`."""

    def follow(self, order: Tensor, done: int, buffer: Buffer | None) -> None:
        """From now on batches come in this order, int64 (N,), of which so many rows are done; buffer: its making."""


def gatherer(arrays: Mapping[str, Any], memory_bytes: int | None = None) -> Gatherer:
    """Rows are held in memory if they take at most so many bytes (None: a quarter of what there is), else streamed."""
    most = memory.for_rows() if memory_bytes is None else memory_bytes
    return Held(arrays) if bytes_of(arrays) <= most else Streamed(arrays, most)


def bytes_of(arrays: Mapping[str, Any]) -> int:
    """What all rows take once they are held."""
    return sum(len(array) * row_bytes(array) for array in arrays.values())
