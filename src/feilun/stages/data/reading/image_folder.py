"""A folder of pictures: one sub-folder per class, perhaps below train/, validation/ and test/."""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from pathlib import Path

import pyarrow as pa

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.stages.data.reading import picture_files, pictures, raw

IMAGE, LABEL = "image", "label"


def has_pictures(folder: Path) -> bool:
    """Whether a folder or the folders in it hold a picture, two levels down at most."""
    return any(
        path.suffix.lower() in pictures.SUFFIXES for level in ("*", "*/*", "*/*/*") for path in folder.glob(level)
    )


def read(path: Path, data: Data, most: raw.Most) -> raw.Raw:
    """Columns image (bytes) and label (folder name). With a limit the classes take turns.

    Raises DataError if there are no class folders or a picture does not open: all are counted, three are named.
    """
    with raw.opened(path):
        classes = {entry.name: _files(entry) for entry in sorted(path.iterdir()) if entry.is_dir()}
    classes = {name: files for name, files in classes.items() if files}
    if not classes:
        raise DataError(
            f"{path} has no folders with pictures in them. Put the pictures of each class into a folder named after "
            "the class, such as cats/1.jpg.",
            where=str(path),
            expected="a folder per class",
            fix="make a folder per class",
        )
    total = sum(len(files) for files in classes.values())
    pairs = [(file, name) for name, files in classes.items() for file in files]
    limit = most.pictures
    if limit is not None and limit < total:
        turns = zip_longest(*([(file, name) for file in files] for name, files in classes.items()))
        pairs = [pair for turn in turns for pair in turn if pair is not None][:limit]
    contents = picture_files.read([file for file, _ in pairs])
    table = pa.table({IMAGE: contents, LABEL: pa.array([name for _, name in pairs])})
    notes = _notes(path, classes)
    return raw.of(table, str(path), kinds={IMAGE: "image"}, target=LABEL, rows=total, notes=notes)


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in pictures.SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def _notes(path: Path, classes: dict[str, list[Path]]) -> tuple[str, ...]:
    every = Counter(
        entry.suffix.lower() or "no suffix"
        for name in classes
        for entry in (path / name).rglob("*")
        if entry.is_file() and not entry.name.startswith(".")
    )
    others = {suffix: count for suffix, count in every.items() if suffix not in pictures.SUFFIXES}
    listed = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
    return (f"{path.name}: {listed} left aside, not pictures by their names.",) if others else ()
