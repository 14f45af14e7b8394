"""MNIST-style IDX files: train-images-idx3-ubyte, train-labels-idx1-ubyte and their t10k twins, plain or gzipped.

Format: http://yann.lecun.com/exdb/mnist, "The IDX file format": two zero bytes, a type byte (8 = uint8), the number of
dimensions, one big-endian int32 per dimension, then the values.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.stages.data.reading import pictures, raw

PARTS = {"train": "train", "test": "t10k"}


def find(folder: Path, part: str, what: str) -> Path | None:
    """The images or labels file of a part ("train" or "t10k"), or None."""
    dimensions = {"images": 3, "labels": 1}[what]
    for dot in "-.":
        for suffix in ("", ".gz"):
            path = folder / f"{part}-{what}{dot}idx{dimensions}-ubyte{suffix}"
            if path.is_file():
                return path
    return None


def read(path: Path, data: Data, most: raw.Most, part: str = "train") -> raw.Raw:
    """Columns image (PNG bytes) and label ("0".."9") of one part of the folder."""
    files = {what: find(path, part, what) for what in ("images", "labels")}
    absent = [what for what, file in files.items() if file is None]
    if absent:
        raise DataError(
            f"{path} has no {part}-{absent[0]}-idx{3 if absent[0] == 'images' else 1}-ubyte[.gz]. Put it there.",
            where=str(path),
            fix="add the file",
        )
    images, total = _array(files["images"], 3, most.pictures)  # type: ignore[arg-type]
    labels, count = _array(files["labels"], 1, most.pictures)  # type: ignore[arg-type]
    if total != count:
        raise DataError(
            f"{path}: {total} {part} images and {count} labels. Get both files again from the same place.",
            where=str(path),
            expected=f"{total} labels",
            got=str(count),
        )
    table = pa.table(
        {
            "image": pa.array([pictures.to_png(image) for image in images], pa.binary()),
            "label": pa.array(labels).cast(pa.string()),
        }
    )
    return raw.of(table, str(path), kinds={"image": "image"}, target="label", rows=total)


def _array(path: Path, dimensions: int, limit: int | None) -> tuple[np.ndarray, int]:
    """uint8 array of at most `limit` rows, and how many rows the file has."""
    with raw.opened(path), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        try:
            head = file.read(4 + 4 * dimensions)
            if len(head) != 4 + 4 * dimensions or head[:4] != bytes([0, 0, 8, dimensions]):
                raise DataError(
                    f"{path} is no IDX file of {dimensions} dimensions: it starts with {head[:4].hex() or 'nothing'}, "
                    f"expected {bytes([0, 0, 8, dimensions]).hex()}.",
                    where=str(path),
                )
            shape = struct.unpack(f">{dimensions}i", head[4:])
            rows = shape[0] if limit is None else min(limit, shape[0])
            size = rows * math.prod(shape[1:])
            body = file.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path} is damaged: {error}. Get it again.", where=str(path)) from error
    if len(body) != size or rows == 0:
        raise DataError(f"{path} ends after {len(body)} of {size} bytes. Get it again.", where=str(path))
    return np.frombuffer(body, np.uint8).reshape(rows, *shape[1:]), shape[0]
