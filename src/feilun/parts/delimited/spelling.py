"""How one delimited file is written: encoding, delimiter, header, names. Found once, used by every reader."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.parts.delimited import delimiter as delimiters
from feilun.parts.delimited import encoding, header

SNIFFED = 1 << 18  # characters by which delimiter and header are found
SNIFFED_RECORDS = 1000
FOR_EXCEL = re.compile(r"\"?sep=.\"?[\r\n]", re.I)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spelling:
    """What a file is like. first: the cells of its first record; records: of its beginning, the header among them.

    has_header: whether the first record holds names and is no row.
    """

    code: str
    delimiter: str
    has_header: bool
    names: tuple[str, ...]
    records: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The first rows, without the header and uneven ones."""
        rows = self.records[1:] if self.has_header else self.records
        return tuple(row for row in rows if len(row) == len(self.names))


def of(path: Path, data: Data, *, wanted: tuple[str, ...] = ()) -> Spelling:
    """How this file is written; what the recipe says is taken, the rest found out, and noted where it is not usual.

    wanted: columns that a model asks for; a first line that holds them all is a header.
    Raises DataError for a file that is empty, no text, or whose columns do not fit data.columns.
    """
    code, notes = encoding.of(path, data.encoding)
    with path.open("r", encoding=code, errors="replace", newline="") as file:
        text = file.read(SNIFFED).removeprefix("\ufeff")
    if not text.strip():
        raise DataError(f"{path} is empty. Give a file with a header line and rows.", where=str(path), fix="add rows")
    if told := FOR_EXCEL.match(text):
        raise DataError(
            f"{path}:1: the line {told.group().strip()!r} tells Excel how the cells are cut; it is no header and no "
            "row. Delete it.",
            where=f"{path}:1",
            expected="names of columns, or a row",
            got=told.group().strip(),
            fix="delete the first line",
        )
    mark = data.delimiter or delimiters.of(text)
    records = _records(text, mark)
    if not records:
        raise DataError(
            f"{path}:1: a quote opens here and is never closed: {text[:40]!r}. Close it, or take it out.",
            where=f"{path}:1",
            fix="close the quote",
        )
    has_header = _has_header(records, data, wanted)
    names, said = _names(path, records[0], data, has_header)
    if mark not in ",\t" and data.delimiter is None:
        notes.append(f"{path.name}: cells end at {delimiters.called(mark)} (data.delimiter).")
    return Spelling(
        code=code,
        delimiter=mark,
        has_header=has_header,
        names=tuple(names),
        records=tuple(tuple(record) for record in records),
        notes=(*notes, *(f"{path.name}: {note}" for note in said)),
    )


def rows(path: Path, spelling: Spelling) -> Iterator[list[str]]:
    """Every row's cells, the header not among them; blank lines are skipped. Raises csv.Error for an open quote."""
    delimiters.allow_long_cells()
    code = "utf-8-sig" if spelling.code == "utf-8" else spelling.code
    with path.open(encoding=code, newline="") as file:
        records = (record for record in csv.reader(file, delimiter=spelling.delimiter, strict=True) if record)
        yield from islice(records, int(spelling.has_header), None)


def uneven(place: str, record: list[str], width: int, mark: str) -> DataError:
    """The error for a row with more or fewer cells than there are names. place: such as my.csv:3."""
    cell = delimiters.called(mark)
    trailing = len(record) == width + 1 and not record[-1].strip()
    fix = (
        f"take the {cell} at the end of the row away, or add a name to the header"
        if trailing
        else f"correct the row, or put quotes around a cell that contains {cell}"
    )
    return DataError(
        f"{place}: this row has {len(record)} cells and the header {width} (cells end at {cell}): "
        f"{mark.join(record)[:60]!r}. {fix[0].upper()}{fix[1:]}.",
        where=place,
        expected=f"{width} cells",
        got=f"{len(record)} cells",
        fix=fix,
    )


def _records(text: str, mark: str) -> list[list[str]]:
    """The first records of a text that may end within one; if all of it is one record, that one."""
    delimiters.allow_long_cells()
    found: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=mark):
            found += [record] if record else []
            if len(found) == SNIFFED_RECORDS:
                return found
    except csv.Error:
        pass
    return found[:-1] if len(text) == SNIFFED and len(found) > 1 else found


def _has_header(records: list[list[str]], data: Data, wanted: tuple[str, ...]) -> bool:
    if wanted and {cell.strip() for cell in records[0]}.issuperset(wanted):
        return True
    if data.header is not None:
        return data.header
    if data.columns is not None:  # they are for files without a header; one that repeats them has it all the same
        return [cell.strip() for cell in records[0]] == list(data.columns)
    return header.is_first(records, data.missing)


def _names(path: Path, first: list[str], data: Data, has_header: bool) -> tuple[list[str], list[str]]:
    if data.columns is None:
        if has_header:
            return header.names(first, f"{path}:1")
        names = [f"column_{place}" for place in range(1, len(first) + 1)]
        said = "" if data.header is False else f" by its looks, which is {', '.join(first[:3])[:60]!r}"
        last = f" to {names[-1]}" if len(names) > 1 else ""
        note = f"no names in the first line{said}: columns are called {names[0]}{last}. Name them in data.columns"
        return names, [f"{note}." if data.header is False else f"{note}, or set data.header: true."]
    if len(data.columns) != len(first):
        raise DataError(
            f"{path} has {len(first)} columns, and data.columns names {len(data.columns)}. Name them all, in order.",
            where="data.columns",
            expected=str(len(first)),
            got=str(len(data.columns)),
            fix="name every column",
        )
    header.names(data.columns, "data.columns")
    return list(data.columns), []
