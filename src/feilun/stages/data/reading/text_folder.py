"""A folder of text files: one sub-folder per class, perhaps below train/, validation/ and test/."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import pyarrow as pa

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.parts.delimited import encoding
from feilun.stages.data.reading import raw

TEXT, LABEL, SUFFIX = "text", "label", ".txt"
LARGEST_BYTES = 16 << 20  # of one text


def has_texts(folder: Path) -> bool:
    """Whether a folder in this folder holds a text file."""
    return any(path.suffix.lower() == SUFFIX for path in folder.glob("*/*") if not path.name.startswith("."))


def read(path: Path, data: Data, most: raw.Most) -> raw.Raw:
    """Columns text and label (folder name). With a limit the classes take turns.

    Raises DataError if there are no class folders, or naming the file that is no text.
    """
    with raw.opened(path):
        folders = [entry for entry in sorted(path.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
        classes = {entry.name: _files(entry) for entry in folders}
    classes = {name: files for name, files in classes.items() if files}
    if not classes:
        raise DataError(
            f"{path} has no folders with .txt files in them. Put the texts of each class into a folder named after the "
            "class, such as spam/1.txt.",
            where=str(path),
            expected="a folder per class",
            fix="make a folder per class",
        )
    pairs = [(file, name) for name, files in classes.items() for file in files]
    total = len(pairs)
    if most.rows is not None and most.rows < total:
        turns = zip_longest(*([(file, name) for file in files] for name, files in classes.items()))
        pairs = [pair for turn in turns for pair in turn if pair is not None][: most.rows]
    texts = pa.array([_text(file, data) for file, _ in pairs], pa.string())
    table = pa.table({TEXT: texts, LABEL: pa.array([name for _, name in pairs])})
    return raw.of(table, str(path), kinds={TEXT: "text"}, target=LABEL, rows=total, notes=_notes(path, classes))


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() == SUFFIX and not path.name.startswith(".") and path.is_file()
    )


def _text(file: Path, data: Data) -> str:
    with raw.opened(file):
        size = file.stat().st_size
        if size > LARGEST_BYTES:
            raise DataError(
                f"{file} has {size / 1e6:.0f} MB; a text of one row has at most {LARGEST_BYTES / 1e6:.0f}. Cut it.",
                where=str(file),
                fix="cut it into texts of one row each",
            )
        return encoding.text_of(file, data.encoding)


def _notes(path: Path, classes: dict[str, list[Path]]) -> tuple[str, ...]:
    others = sum(
        1
        for name in classes
        for entry in (path / name).rglob("*")
        if entry.is_file() and entry.suffix.lower() != SUFFIX and not entry.name.startswith(".")
    )
    return (f"{path.name}: {others} files left aside, not .txt by their names.",) if others else ()
