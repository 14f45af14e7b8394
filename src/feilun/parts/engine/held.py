"""Rows held in memory: dense arrays as tensors, which cost a third of numpy's indexing for small rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from feilun.parts.engine import stored
from feilun.parts.engine.randomness import Buffer
from feilun.parts.ops.ragged import Ragged, collate, take


class Held:
    """A function from row numbers to batches, over arrays that are read into memory once. Any order is as good."""

    buffer = None

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.dense = {name: _tensor(array) for name, array in arrays.items() if not isinstance(array, Ragged)}
        self.ragged = {name: _in_memory(array) for name, array in arrays.items() if isinstance(array, Ragged)}

    @property
    def lengths(self) -> np.ndarray | None:
        """int64 (N,): of all that is of any length in a row; None where nothing is."""
        found = [np.diff(array.offsets) for array in self.ragged.values()]
        return np.sum(found, axis=0) if found else None

    def __call__(self, index: Tensor) -> dict[str, Tensor]:
        """Of these rows, int64 (B,), in this order."""
        batch = {}
        for name, values in self.dense.items():
            part = values.index_select(0, index)
            batch[name] = part.float().div_(255) if part.dtype == torch.uint8 else part
        if self.ragged:
            numbers = index.numpy()
            taken = collate({name: take(array, numbers) for name, array in self.ragged.items()})
            batch.update({name: torch.from_numpy(array) for name, array in taken.items()})
        return batch

    def follow(self, order: Tensor, done: int, buffer: Buffer | None) -> None:
        """Nothing to prepare."""


def row_bytes(array: Any) -> int:
    """What a row takes once it is held, in the mean."""
    if isinstance(array, Ragged):
        return 8 + array.values.nbytes // max(1, len(array))
    return int(np.prod(array.shape[1:], dtype=np.int64)) * _kind(array).itemsize


def _kind(array: np.ndarray) -> np.dtype[Any]:
    """As `collate` converts, but pictures stay uint8 until they are in a batch: a quarter of the memory."""
    if array.dtype == np.uint8:
        return array.dtype
    return np.dtype(np.int64 if array.dtype.kind in "iub" else np.float32)


def _tensor(array: np.ndarray) -> Tensor:
    """A copy of what may not be written; what is ours and of its type is taken as it is."""
    return torch.from_numpy(np.require(_read(array), _kind(array), ("C", "W")))


def _read(array: np.ndarray) -> np.ndarray:
    """What is mapped is read, or else its pages would be in memory beside the copy."""
    source = stored.of(array)
    return source.between(0, len(array)) if isinstance(source, stored.Dense) else array.view(np.ndarray)


def _in_memory(array: Ragged) -> Ragged:
    return Ragged(_read(array.values), np.array(array.offsets))
