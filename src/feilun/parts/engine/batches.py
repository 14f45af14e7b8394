"""Encoded arrays → batches of tensors: rows gathered by number, ragged ones padded, exactly as in serving."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from feilun.parts.ops.ragged import Ragged, collate, take

Batch = dict[str, Tensor]
MEMORY_BYTES = 2 << 30  # arrays up to this size are read into memory once; larger ones stay on disk


def gatherer(arrays: Mapping[str, Any], memory_bytes: int = MEMORY_BYTES) -> Callable[[Tensor], Batch]:
    """A function from row numbers, int64 (B,), to the batch that `parts.ops.ragged.collate` makes of these rows.

    Dense arrays that fit in memory become tensors and are indexed as tensors: numpy's indexing and the way through
    numpy cost two to three times as much for small rows.
    """
    fits = sum(_size_bytes(array) for array in arrays.values()) <= memory_bytes
    dense = {name: _tensor(array) for name, array in arrays.items() if fits and not isinstance(array, Ragged)}
    rest = {name: _in_memory(array) if fits else array for name, array in arrays.items() if name not in dense}

    def gather(index: Tensor) -> Batch:
        batch = {}
        for name, values in dense.items():
            part = values.index_select(0, index)
            batch[name] = part.float().div_(255) if part.dtype == torch.uint8 else part
        if rest:
            numbers = index.numpy()
            taken = collate({name: take(array, numbers) for name, array in rest.items()})
            batch.update({name: torch.from_numpy(array) for name, array in taken.items()})
        return batch

    return gather


def rows_of(arrays: Mapping[str, Any]) -> int:
    """How many rows the arrays have."""
    return min((len(array) for array in arrays.values()), default=0)


def _tensor(array: np.ndarray) -> Tensor:
    """As `collate` converts, but pictures stay uint8 until they are in a batch: a quarter of the memory."""
    if array.dtype == np.uint8:
        return torch.from_numpy(np.array(array))
    return torch.from_numpy(np.array(array, dtype=np.int64 if array.dtype.kind in "iub" else np.float32))


def _in_memory(array: Any) -> Any:
    return Ragged(np.array(array.values), np.array(array.offsets)) if isinstance(array, Ragged) else array


def _size_bytes(array: Any) -> int:
    return int(array.values.nbytes + array.offsets.nbytes if isinstance(array, Ragged) else array.nbytes)
