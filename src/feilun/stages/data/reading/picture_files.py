"""A column of picture file names becomes a column of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from feilun.core.errors import DataError
from feilun.stages.data.cells import clean
from feilun.stages.data.reading import pictures, raw

BLOCK_FILES = 1000  # read at a time, so that no Arrow array comes near its 2 GB
NAME = r"(?i)\.(" + "|".join(suffix.removeprefix(".") for suffix in pictures.SUFFIXES) + ")$"


def are_names(column: pa.ChunkedArray) -> bool:
    """Whether every value of a text column without nulls ends like the name of a picture file."""
    return clean.is_text(column.type) and bool(pc.all(pc.match_substring_regex(column, NAME)).as_py())


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
    chunks: list[pa.Array] = []
    bad: list[str] = []
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
        chunks.append(pa.array(contents, pa.binary()))
    if bad:
        raise DataError(
            f"{len(bad)} of {len(files)} pictures do not open: {_three(bad)}. Replace or delete them.",
            where=bad[0],
            expected="a picture",
            got=f"{len(bad)} broken files",
            fix="replace or delete these files",
        )
    return pa.chunked_array(chunks, pa.binary())


def _contents(column: pa.ChunkedArray, name: str, folders: Sequence[Path]) -> pa.ChunkedArray:
    files = [None if value is None else _found(value, name, folders) for value in column.to_pylist()]
    lost = [str(file) for file in files if file is not None and not _is_file(file)]
    if lost:
        raise DataError(
            f"{len(lost)} of {len(files)} pictures named in column {name} are not there: {_three(lost)}. Correct the "
            f"names; they start at {folders[0]}.",
            where=name,
            expected="a picture file",
            got=f"{len(lost)} missing files",
            fix="correct the names",
        )
    return read(files)


def _found(value: str, name: str, folders: Sequence[Path]) -> Path:
    places = [folder / value for folder in folders]
    if ".." in Path(value).parts or Path(value).is_absolute():
        inside = [place for place in places if any(_is_below(place, folder) for folder in folders)]
        if not inside:
            raise DataError(
                f"Column {name} names the picture {value[:100]}, which leads out of {folders[0]}. Put the pictures "
                "beside the table, and name them from there.",
                where=name,
                expected=f"a name below {folders[0]}",
                got=value[:100],
                fix="put the pictures beside the table",
            )
        places = inside
    return next((place for place in places if _is_file(place)), places[0])


def _is_below(place: Path, folder: Path) -> bool:
    return place.resolve().is_relative_to(folder.resolve())


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except (OSError, ValueError):  # no name for a file: too long, or with a NUL in it
        return False


def _three(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
