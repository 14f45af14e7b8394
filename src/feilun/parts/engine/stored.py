"""Rows of arrays on disk by plain reads: pages of a mapped file count as this process's memory, what was read does not.

Rows that lie near each other are read at once: from cold disk 2,000 rows in one piece cost a sixth of 2,000 pieces.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from feilun.core.errors import IntegrityError
from feilun.parts.ops.ragged import Ragged

NEAR_BYTES = 16 << 10  # a gap that is read and thrown away: less than what another read costs
PIECE_BYTES = 1 << 20  # read at a time


@dataclass(frozen=True, slots=True)
class Dense:
    """Rows of one size, from byte `offset` of a file on. shape: of all rows."""

    path: Path
    offset: int
    kind: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """What a row takes on disk."""
        return self.kind.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """These rows, int64 (M,), different and rising.  Raises IntegrityError if the file ends before them."""
        found = np.empty((len(rows), *self.shape[1:]), self.kind)
        starts = rows * self.row_bytes
        for first, last in _pieces(starts, starts + self.row_bytes):
            piece = self.between(int(rows[first]), int(rows[last - 1]) + 1)
            np.take(piece, rows[first:last] - rows[first], axis=0, out=found[first:last])
        return found

    def between(self, first: int, last: int) -> np.ndarray:
        """Rows from the first up to the last, which is not among them."""
        found = np.empty((last - first, *self.shape[1:]), self.kind)
        view = found.reshape(-1).view(np.uint8).data
        place, done = self.offset + first * self.row_bytes, 0
        with self.path.open("rb", buffering=0) as file:
            file.seek(place)
            while done < len(view):
                got = file.readinto(view[done:])
                if not got:
                    raise _short(self.path, place + len(view))
                done += got
        return found


@dataclass(frozen=True, slots=True)
class Uneven:
    """Rows of different lengths: their values are on disk, where each begins is in memory."""

    values: Dense
    offsets: np.ndarray

    @property
    def row_bytes(self) -> int:
        """What a row takes in the mean, its place included."""
        return 8 + int(self.offsets[-1] - self.offsets[0]) * self.values.row_bytes // max(1, len(self.offsets) - 1)

    def take(self, rows: np.ndarray) -> Ragged:
        """These rows, int64 (M,), different and rising."""
        starts, ends = self.offsets[rows], self.offsets[rows + 1]
        size, parts = self.values.row_bytes, [self.values.between(0, 0)]
        for first, last in _pieces(starts * size, ends * size):
            begin = int(starts[first])
            values = self.values.between(begin, int(ends[last - 1]))
            offsets = self.offsets[rows[first] : rows[last - 1] + 2] - begin
            parts.append(Ragged(values, offsets).take(rows[first:last] - rows[first]).values)
        return Ragged(np.concatenate(parts), np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64))


def of(array: Any) -> Dense | Uneven | None:
    """A mapped array, or a Ragged whose values are one, as rows to be read; None for what is in memory anyway."""
    if isinstance(array, Ragged):
        values = of(array.values)
        return Uneven(values, array.offsets) if isinstance(values, Dense) else None
    source = getattr(array, "_mmap", None)
    if source is None or not array.flags.c_contiguous or not array.size:
        return None
    begin = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY  # a part of an array has the offset of the whole
    place = array.ctypes.data - np.frombuffer(source, np.uint8).ctypes.data
    return Dense(Path(array.filename), begin + place, array.dtype, array.shape)


def _pieces(starts: np.ndarray, ends: np.ndarray) -> Iterator[tuple[int, int]]:
    """(first, last + 1) of rows that are read at once; starts, ends: int64 (M,), their places in bytes, rising."""
    if not len(starts):
        return
    far = (starts[1:] - ends[:-1] > NEAR_BYTES) | (starts[1:] // PIECE_BYTES != starts[:-1] // PIECE_BYTES)
    cuts = [0, *(np.flatnonzero(far) + 1).tolist(), len(starts)]
    yield from pairwise(cuts)


def _short(path: Path, expected: int) -> IntegrityError:
    got = path.stat().st_size
    return IntegrityError(
        f"{path} has {got:,} bytes, and its header speaks of rows up to byte {expected:,}. "
        "Delete the data stage's folder, which it lies in, and run again.",
        where=str(path),
        expected=f"at least {expected} bytes",
        got=f"{got} bytes",
        fix="delete the data stage's folder and run again",
    )
