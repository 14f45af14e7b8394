"""Ragged arrays, and turning encoded arrays into one padded batch. numpy only: training and serving share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of different lengths: row i is values[offsets[i]:offsets[i + 1]].

    values: (total, ...), offsets: int64 (N + 1,).
    """

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    @staticmethod
    def of(rows: list[np.ndarray]) -> Ragged:
        """From a list of arrays (length, ...); at least one row, so that the dtype is known."""
        lengths = [len(row) for row in rows]
        return Ragged(np.concatenate(rows), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    def take(self, index: np.ndarray) -> Ragged:
        """These rows, in this order."""
        lengths = self.offsets[index + 1] - self.offsets[index]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        source = np.repeat(self.offsets[index] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Ragged(self.values[source], offsets)

    def padded(self) -> tuple[np.ndarray, np.ndarray]:
        """(B, longest, ...) filled up with 0, and lengths int64 (B,). At least one column wide."""
        lengths = np.diff(self.offsets)
        out = np.zeros((len(self), max(1, int(lengths.max(initial=0))), *self.values.shape[1:]), self.values.dtype)
        mask = np.arange(out.shape[1])[None, :] < lengths[:, None]
        out[mask] = self.values[self.offsets[0] : self.offsets[-1]]
        return out, lengths.astype(np.int64)


def take(array: Any, index: np.ndarray) -> Any:
    """Rows of a dense array or a Ragged."""
    return array.take(index) if isinstance(array, Ragged) else array[index]


def stacked(first: Any, second: Any) -> Any:
    """The rows of two dense arrays or two Ragged, one after the other, in memory."""
    if not isinstance(first, Ragged):
        return np.concatenate([first, second])
    return Ragged(
        np.concatenate([first.values, second.values]),
        np.concatenate([first.offsets, second.offsets[1:] + first.offsets[-1]]),
    )


def together(lengths: np.ndarray, most: int) -> Iterator[slice]:
    """Neighbours that fit into so many places once they are padded to the longest of them; at least one.

    lengths: int64 (N,), at best in order.
    """
    start = 0
    while start < len(lengths):
        widest = np.maximum.accumulate(np.maximum(1, lengths[start : start + most]))
        rows = max(1, int((widest * np.arange(1, len(widest) + 1) <= most).sum()))
        yield slice(start, start + rows)
        start += rows


def collate(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Encoded rows as the networks take them.

    Ragged is padded with 0 and gets `<name>_length`; uint8 (pictures) becomes float32 in [0, 1]; other integers
    become int64; floats float32.
    """
    batch: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if isinstance(array, Ragged):
            array, batch[f"{name}_length"] = array.padded()
        if array.dtype == np.uint8:
            array = array.astype(np.float32) / np.float32(255)
        elif array.dtype.kind in "iub":
            array = array.astype(np.int64)
        else:
            array = array.astype(np.float32, copy=False)
        batch[name] = array
    return batch
