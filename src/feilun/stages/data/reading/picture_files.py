"""A column of picture file names becomes a column of pictures."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from feilun.core.errors import DataError
from feilun.stages.data import disk
from feilun.stages.data.cells import clean
from feilun.stages.data.reading import pictures, raw

BLOCK_FILES = 1000  # read at a time, so that no Arrow array comes near its 2 GB
NAMES = 0.9  # share of the cells that end like a picture's name
NAME = r"(?i)\.(" + "|".join(suffix.removeprefix(".") for suffix in pictures.SUFFIXES) + ")$"


def are_names(column: pa.ChunkedArray) -> bool:
    """Whether the values of a text column without nulls, but for a few that `load` will name, are picture files' names.

    The ending shows it: one cell of a hundred that names something else must not take the pictures out of the inputs.
    """
    if not clean.is_text(column.type) or not len(column):
        return False
    return bool(pc.mean(pc.match_substring_regex(column, NAME).cast(pa.float64())).as_py() >= NAMES)


def load(table: pa.Table, columns: Sequence[str], folders: Sequence[Path]) -> pa.Table:
    """The table with the named files' bytes in these columns, where they hold text; missing stays missing.

    folders: where relative names start, in the order they are tried.
    Raises DataError for names without a file and for pictures that do not open: all counted, three named.
    """
    for name in columns:
        if name in table.column_names and clean.is_text(table.schema.field(name).type):
            table = table.set_column(table.column_names.index(name), name, _contents(table.column(name), name, folders))
    return table


def read(files: Sequence[Path | None]) -> pa.ChunkedArray:
    """The files' bytes; every picture was opened once. Raises DataError."""
    bad: list[str] = []
    schema = pa.schema([pa.field("", pa.binary())])
    batches = (pa.record_batch([block], schema=schema) for block in _blocks(files, bad))
    large = disk.is_large(sum(file.stat().st_size for file in files if file is not None and _is_file(file)))
    table = disk.stream(schema, batches) if large else pa.Table.from_batches(batches, schema)
    if bad:
        raise DataError(
            f"{len(bad)} of {len(files)} pictures do not open: {_three(bad)}. Replace or delete them.",
            where=bad[0],
            expected="a picture",
            got=f"{len(bad)} broken files",
            fix="replace or delete these files",
        )
    return table.column(0)


def _blocks(files: Sequence[Path | None], bad: list[str]) -> Iterator[pa.Array]:
    """The files' bytes, so many at a time; the names of pictures that do not open are added to `bad`."""
    for start in range(0, len(files), BLOCK_FILES):
        some = files[start : start + BLOCK_FILES]
        contents: list[bytes | None] = []
        for file in some:
            if file is None:
                contents.append(None)
                continue
            with raw.opened(file):
                contents.append(file.read_bytes())
        bad += [str(some[place]) for place in pictures.broken(contents)]
        yield pa.array(contents, pa.binary())


def _contents(column: pa.ChunkedArray, name: str, folders: Sequence[Path]) -> pa.ChunkedArray:
    files = [None if value is None else _found(value, name, folders) for value in column.to_pylist()]
    lost = [str(file) for file in files if file is not None and not _is_file(file)]
    if lost:
        hint = _with_ending(Path(lost[0]))
        raise DataError(
            f"{len(lost)} of {len(files)} pictures named in column {name} are not there: {_three(lost)}. Correct the "
            f"names; they start at {folders[0]}.{hint and f' There is {hint}: names need their ending.'}",
            where=name,
            expected=f"a picture file{hint and f', such as {hint}'}",
            got=f"{len(lost)} missing files",
            fix="correct the names",
        )
    return read(files)


def _found(value: str, name: str, folders: Sequence[Path]) -> Path:
    """The file, whichever way its name is written: with the strokes of Windows, with accents apart (macOS) or not."""
    strokes = value.replace("\\", "/")
    forms = [unicodedata.normalize(form, strokes) for form in ("NFC", "NFD")]
    for spelled in dict.fromkeys((value, strokes, *forms)):
        for place in _inside(spelled, name, folders):
            if _is_file(place):
                return place
    return folders[0] / value


def _inside(value: str, name: str, folders: Sequence[Path]) -> list[Path]:
    """Where this name may lie. Raises DataError if that is in none of the folders."""
    places = [folder / value for folder in folders]
    if ".." in Path(value).parts or Path(value).is_absolute():
        places = [place for place in places if any(_is_below(place, folder) for folder in folders)]
    if not places:
        raise DataError(
            f"Column {name} names the picture {value[:100]}, which leads out of {folders[0]}. Put the pictures "
            "beside the table, and name them from there.",
            where=name,
            expected=f"a name below {folders[0]}",
            got=value[:100],
            fix="put the pictures beside the table",
        )
    return places


def _with_ending(file: Path) -> str:
    """The name of a picture that has this one's name and an ending; empty if there is none."""
    return next((file.name + end for end in pictures.SUFFIXES if _is_file(file.with_name(file.name + end))), "")


def _is_below(place: Path, folder: Path) -> bool:
    return place.resolve().is_relative_to(folder.resolve())


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except (OSError, ValueError):  # no name for a file: too long, or with a NUL in it
        return False


def _three(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
