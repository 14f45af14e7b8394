"""NPZ files of numpy: arrays become columns, uint8 (N, H, W) pictures; never unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.parts.delimited import npz
from feilun.stages.data.reading import pictures, raw

TARGETS = ("label", "labels", "y", "target", "targets", "class", "classes")


def splits(path: Path) -> tuple[dict[str, dict[str, str]], list[str]]:
    """({split: {column: array}}, notes), from the names of the arrays."""
    with raw.opened(path):
        return npz.splits(path)


def read(
    path: Path, data: Data, most: raw.Most, arrays: Mapping[str, str] | None = None, notes: tuple[str, ...] = ()
) -> raw.Raw:
    """One split's rows; arrays: {column: array}, the train ones where left out. Raises DataError."""
    with raw.opened(path):
        arrays = npz.splits(path)[0]["train"] if arrays is None else arrays
        limit = most.rows if most.pictures is None else most.pictures
        found, total = npz.columns(path, arrays, limit)
    columns = {name: _column(path, name, array) for name, array in found.items()}
    kinds = {name: "image" for name, array in found.items() if npz.is_pictures(array)}
    targets = [name for name in columns if name.lower() in TARGETS]
    target = targets[0] if len(targets) == 1 else None
    return raw.of(pa.table(columns), str(path), kinds=kinds, target=target, rows=total, notes=notes)


def _column(path: Path, name: str, array: np.ndarray) -> pa.Array:
    if npz.is_pictures(array):
        shown = array[..., 0] if array.ndim == 4 and array.shape[3] == 1 else array
        return pa.array([pictures.to_png(np.ascontiguousarray(picture)) for picture in shown], pa.binary())
    if array.dtype.kind == "c":
        raise DataError(f"{path}: array {name} holds complex numbers. Save two arrays.", where=f"{path}, {name}")
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    if array.ndim == 1:
        return pa.array(array.tolist()) if array.dtype.kind == "U" else pa.array(array)
    flat = pa.array(np.ascontiguousarray(array).reshape(-1))
    for width in reversed(array.shape[1:]):
        flat = pa.ListArray.from_arrays(pa.array(np.arange(0, len(flat) + 1, width, dtype=np.int32)), flat)
    return flat
