"""Nearly equal pictures: a 64-bit difference hash for likely pairs, and their small copies laid over each other.

dHash (Krawetz 2013): is each cell of a 9 x 8 grey copy darker than the one to its right? Scaling, recompression and
small changes of brightness leave nearly all of the 64 bits. The bits alone also join pictures that are merely alike,
so a pair must match as small grey copies too.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from feilun.stages.data.alike.near_texts import neighbours

MOST_BITS = 5  # that may differ: 6 bands of the hash leave one band equal
BANDS = (11, 11, 11, 11, 10, 10)  # bits
WINDOW = 64
LEAST_SIDE = 32  # pixels; smaller pictures, such as digits of 28 x 28, are alike without being the same
# Correlation of the grey copies. Among 3,000 photographs (cats_dogs_3k) the one true pair has 0.999, the next 0.62.
ALIKE = 0.95
FLAT = 3.0  # standard deviation of grey (0 to 255) under which a picture shows nothing to compare
MOST_PIXELS = 50_000_000
CELLS = (36, 32)  # columns, rows of the copy; 4 x 4 of them are one cell of the hash


def links(pictures: Iterable[bytes | None], rest: np.ndarray) -> np.ndarray:
    """Pairs of row numbers, int64 (M, 2), of pictures that are nearly equal. rest: uint64 (N,).

    Among more pictures than can be compared with each other, those of equal `rest` are compared first.
    """
    rows, copies = _copies(pictures)
    if len(rows) < 2:
        return np.zeros((0, 2), np.int64)
    order = np.argsort(rest[rows], kind="stable")  # of many with one hash the neighbours are compared
    rows, copies = rows[order], copies[order]
    hashes = dhash(copies)
    shifts = np.cumsum([0, *BANDS[:-1]])
    bands = [
        (hashes >> np.uint64(shift)) & np.uint64((1 << bits) - 1) for shift, bits in zip(shifts, BANDS, strict=True)
    ]
    pairs = neighbours(bands, WINDOW)
    pairs = pairs[np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]) <= MOST_BITS]
    small = _standardised(copies)
    alike = [
        (small[part[:, 0]] * small[part[:, 1]]).mean(axis=1)
        for part in (pairs[start : start + 50_000] for start in range(0, len(pairs), 50_000))
    ]
    return np.asarray(rows[pairs[np.concatenate([np.zeros(0), *alike]) >= ALIKE]])


def are_comparable(pictures: Sequence[bytes | None]) -> bool:
    """Whether the first pictures are large enough for nearly equal to mean the same picture."""
    sides = [min(size) for size in map(_size, pictures) if size is not None]
    return bool(sides) and float(np.median(sides)) >= LEAST_SIDE


def dhash(copies: np.ndarray) -> np.ndarray:
    """uint64 (N,) from grey copies, uint8 (N, 32, 36)."""
    cells = copies.reshape(len(copies), 8, 4, 9, 4).mean(axis=(2, 4))
    bits = (cells[:, :, :-1] < cells[:, :, 1:]).reshape(len(copies), 64)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def _copies(pictures: Iterable[bytes | None]) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the pictures that show something, and their grey copies, uint8 (N, 32, 36)."""
    rows, copies = [], []
    for row, content in enumerate(pictures):
        grey = _grey(content)
        if grey is not None and grey.std() >= FLAT:
            rows.append(row)
            copies.append(grey)
    return np.array(rows, np.int64), np.array(copies, np.uint8).reshape(len(copies), CELLS[1], CELLS[0])


def _size(content: bytes | None) -> tuple[int, int] | None:
    from PIL import Image

    if content is None:
        return None
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as picture:
            return picture.size
    except Exception:  # Pillow raises whatever its decoders raise; encoding the row will say what is wrong with it
        return None


def _grey(content: bytes | None) -> np.ndarray | None:
    """The picture's grey copy, uint8 (32, 36); None where it cannot be opened or is too large to be looked at."""
    from PIL import Image

    size = _size(content)
    if content is None or size is None or size[0] * size[1] > MOST_PIXELS:
        return None
    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.draft("L", (CELLS[0] * 2, CELLS[1] * 2))  # a JPEG is decoded small, several times faster
            return np.asarray(picture.convert("L").resize(CELLS, Image.Resampling.BOX))
    except Exception:  # as above
        return None


def _standardised(copies: np.ndarray) -> np.ndarray:
    """float32 (N, 288): mean 0 and standard deviation 1, so that the mean product of two is their correlation."""
    small = copies.reshape(len(copies), CELLS[1] // 2, 2, CELLS[0] // 2, 2).mean(axis=(2, 4), dtype=np.float32)
    small = small.reshape(len(copies), -1)
    small -= small.mean(axis=1, keepdims=True)
    return np.asarray(small / np.maximum(small.std(axis=1, keepdims=True), 1e-6))
