"""NPZ files: arrays by name become columns, and names such as x_train or test_images say which split a row is of."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from feilun.core.errors import DataError

MOST_COLUMNS = 64  # numbers of a row that become columns of their own; more are one list
LARGEST = 16 << 30
SPLITS = {"train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation"}
SPLITS |= {"dev": "validation", "test": "test", "testing": "test"}
_NAME = re.compile(rf"(?i)^(?:(?P<a>{'|'.join(SPLITS)})[_.-](?P<b>.+)|(?P<c>.+)[_.-](?P<d>{'|'.join(SPLITS)}))$")


def splits(path: Path) -> tuple[dict[str, dict[str, str]], list[str]]:
    """({split: {column: array}}, notes); arrays whose names tell no split are all train. Raises DataError."""
    with _opened(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    if not names:
        raise DataError(f"{path} holds no arrays. Write it with numpy.savez.", where=str(path), fix="numpy.savez")
    found: dict[str, dict[str, str]] = {}
    for name in names:
        split, column = _split_of(name)
        found.setdefault(split, {})[column] = name
    if "train" not in found:
        return {"train": {name: name for name in names}}, []
    other = sorted(found.pop("", {}))
    return found, [
        f"{path.name}: {', '.join(other)} left aside: train, test or val is not in the name."
    ] if other else []


def columns(path: Path, arrays: Mapping[str, str], most: int | None = None) -> tuple[dict[str, np.ndarray], int]:
    """({column: array (N, ...)}, N of the file): the first `most` rows of these arrays, which share a first axis.

    (N, k) numbers with k up to 64 become k columns name_0 ... ; (N, 1) one.  Raises DataError.
    """
    with _opened(path) as archive:
        loaded = {column: _array(path, archive, name) for column, name in arrays.items()}
    lengths = {column: array.shape[0] if array.ndim else 0 for column, array in loaded.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        told = ", ".join(f"{arrays[column]} {'x'.join(map(str, loaded[column].shape)) or '()'}" for column in loaded)
        raise DataError(
            f"{path}: arrays of one split share their first axis, the rows; here {told}. Leave out what is no column.",
            where=str(path),
            expected="arrays with as many rows",
            got=told,
            fix="save arrays with as many rows",
        )
    found: dict[str, np.ndarray] = {}
    for column, array in loaded.items():
        for name, part in _parts(path, column, array[:most]).items():
            if name in found:
                raise DataError(f"{path} has two columns called {name!r}. Rename an array.", where=str(path), got=name)
            found[name] = part
    return found, next(iter(lengths.values()))


def is_pictures(array: np.ndarray) -> bool:
    """Whether an array holds pictures: uint8 (N, H, W) or (N, H, W, 1 or 3)."""
    return array.dtype == np.uint8 and (array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3)))


def _split_of(name: str) -> tuple[str, str]:
    matched = _NAME.match(name)
    if matched is None:
        return (SPLITS[name.lower()], name) if name.lower() in SPLITS else ("", name)
    return SPLITS[(matched["a"] or matched["d"]).lower()], matched["b"] or matched["c"]


def _parts(path: Path, name: str, array: np.ndarray) -> dict[str, np.ndarray]:
    if array.ndim == 2 and array.shape[1] == 1:
        return {name: array[:, 0]}
    if array.ndim == 2 and array.shape[1] <= MOST_COLUMNS:
        return {f"{name}_{place}": array[:, place] for place in range(array.shape[1])}
    if array.ndim == 4 and not is_pictures(array):
        raise DataError(
            f"{path}: array {name} is {array.dtype} {'x'.join(map(str, array.shape))}. Pictures are uint8, (N, H, W) "
            "or (N, H, W, 3): multiply by 255, round, and save them again.",
            where=f"{path}, {name}",
            expected="uint8 (N, H, W) or (N, H, W, 3)",
            got=f"{array.dtype} {array.shape}",
            fix="save pictures as uint8",
        )
    if array.ndim > 4:
        raise DataError(f"{path}: array {name} has {array.ndim} axes; at most 4 are read.", where=f"{path}, {name}")
    return {name: array}


def _array(path: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One member, its size checked against its header before anything is allocated. Objects are never unpickled."""
    info = archive.getinfo(f"{name}.npy")
    try:
        with archive.open(info) as file:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read(file)
        size = int(np.prod([int(step) for step in shape], dtype=object)) * dtype.itemsize
        if dtype.hasobject or dtype.names is not None:
            raise _no_numbers(path, name, dtype)
        if not size <= info.file_size <= size + (1 << 20) or size > LARGEST:
            raise ValueError(f"its header says {size:,} bytes and it holds {info.file_size:,}")
        with archive.open(info) as file:
            array = np.asarray(npy.read_array(file, allow_pickle=False))
            return array.astype(array.dtype.newbyteorder("="), copy=False)
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{path}: array {name} is damaged: {error}. Write the file again.",
            where=f"{path}, {name}",
            fix="write it again",
        ) from error


def _no_numbers(path: Path, name: str, dtype: np.dtype) -> DataError:
    return DataError(
        f"{path}: array {name} holds Python objects ({dtype}), which are never read: opening them could run code. Save "
        "numbers, or texts with array.astype(str).",
        where=f"{path}, {name}",
        expected="numbers or texts",
        got=str(dtype),
        fix="array.astype(str)",
    )


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DataError(
            f"{path} is no NPZ file: {error}. Write it again.", where=str(path), fix="numpy.savez"
        ) from error
