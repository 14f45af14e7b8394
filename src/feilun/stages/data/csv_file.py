"""CSV in all its spellings: delimiter, encoding and header found out, every cell as text, errors with line numbers.

Cells stay text here because only the recipe knows what a column is: "007" is a code in one and a number in another.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.parts.delimited import delimiter as delimiters
from feilun.parts.delimited import encoding
from feilun.stages.data import raw

BLOCK_BYTES = 1 << 24  # the longest row must fit into a block


def read(path: Path, data: Data, most: raw.Most) -> raw.Raw:
    """All rows, or the first `most.rows`. Raises DataError with a line number where a row does not fit its header."""
    with raw.opened(path):
        code, notes = encoding.of(path)
        records = _first_records(path, code)
        delimiter = delimiters.of(records)
        header = next(csv.reader(io.StringIO(records), delimiter=delimiter), [])
        names = _names(path, header, data.columns)
        _require_rows(path, records, delimiter, headless=data.columns is not None)
        table = _table(path, code, delimiter, header, data.columns is not None, most.rows)
        whole = most.rows is None or table.num_rows < most.rows
        if whole:
            _refuse_open_quote(path, table)
    return raw.of(table.rename_columns(names), str(path), notes=tuple(notes), rows=table.num_rows if whole else None)


def _first_records(path: Path, code: str) -> str:
    with path.open("r", encoding=code, errors="replace", newline="") as file:
        text = file.read(1 << 18)
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise DataError(f"{path} is empty. Give a file with a header line and rows.", where=str(path))
    return text


def _require_rows(path: Path, text: str, delimiter: str, *, headless: bool) -> None:
    try:
        records = [record for record in islice(csv.reader(io.StringIO(text), delimiter=delimiter), 1000) if record]
    except csv.Error:  # a cell longer than the csv module takes; pyarrow takes it
        return
    if len(records) < 2 and not headless:
        raise DataError(f"{path} has a header and no rows. Add rows.", where=str(path), fix="add rows")


def _names(path: Path, header: Sequence[str], given: Sequence[str] | None) -> list[str]:
    if given is not None:
        if len(given) != len(header):
            raise DataError(
                f"{path} has {len(header)} columns, and data.columns names {len(given)}. Name them all, in order.",
                where="data.columns",
                expected=str(len(header)),
                got=str(len(given)),
                fix="name every column",
            )
        raw.check_columns(given, "data.columns")
        return list(given)
    names = [name.strip() or f"column_{place}" for place, name in enumerate(header, start=1)]
    if all(_is_number(name) for name in names):
        raise DataError(
            f"{path} seems to have no header: its first line is {', '.join(names[:5])}. "
            "Add a header line, or name the columns in data.columns.",
            where=f"{path}:1",
            fix="add data.columns to the recipe",
        )
    raw.check_columns(names, f"{path}:1")
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _table(path: Path, code: str, delimiter: str, header: list[str], headless: bool, limit: int | None) -> pa.Table:
    """Every column as text. names as in the file; with a limit only as many blocks are read as needed."""
    numbers = [str(place) for place in range(len(header))]  # our own names: two may be spelled alike
    options: dict[str, Any] = {
        "parse_options": pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        "convert_options": pa.csv.ConvertOptions(column_types=dict.fromkeys(numbers, pa.string())),
        "read_options": pa.csv.ReadOptions(
            column_names=numbers, encoding=code, block_size=BLOCK_BYTES, skip_rows_after_names=0 if headless else 1
        ),
    }
    try:
        if limit is None:
            return pa.csv.read_csv(path, **options)
        batches, rows = [], 0
        with pa.csv.open_csv(path, **options) as reader:
            for batch in reader:
                batches.append(batch)
                rows += batch.num_rows
                if rows >= limit:
                    break
            return pa.Table.from_batches(batches, reader.schema).slice(0, limit)
    except pa.ArrowInvalid as error:
        raise _explained(path, code, delimiter, len(header), error) from error


def _refuse_open_quote(path: Path, table: pa.Table) -> None:
    """A quote that is never closed swallows the rest of the file into the last cell, and nothing complains."""
    last = table.column(table.num_columns - 1)[-1].as_py() or ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16))
        closed = file.read().rstrip(b"\x00 \r\n\t").endswith(b'"')
        if "\n" not in last or closed:
            return
        file.seek(0)
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    line = max(1, lines - last.count("\n") + 1)
    raise DataError(
        f"{path}:{line}: a quote opens here and is never closed: {last[:40]!r}. Close it, or take it out.",
        where=f"{path}:{line}",
        fix="close the quote",
    )


def _explained(path: Path, code: str, delimiter: str, width: int, error: Exception) -> DataError:
    """Where the file breaks: read once more, slowly, counting lines as an editor does."""
    cell = {"\t": "tab"}.get(delimiter, repr(delimiter))
    with path.open("r", encoding=code, errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        line = 1
        try:
            for record in reader:
                if record and len(record) != width:
                    start = delimiter.join(record)[:60]
                    return DataError(
                        f"{path}:{line}: this row has {len(record)} cells and the header {width} (cells end at "
                        f"{cell}): {start!r}. Correct the row, or put quotes around a cell that contains {cell}.",
                        where=f"{path}:{line}",
                        expected=f"{width} cells",
                        got=f"{len(record)} cells",
                        fix="correct the row",
                    )
                line = reader.line_num + 1
        except csv.Error as problem:
            return DataError(f"{path}:{line}: {problem}. A closing quote may be missing.", where=f"{path}:{line}")
    short = " ".join(str(error).split())[:200]
    return DataError(
        f"{path} is not a table Feilun can read: {short}. A closing quote may be missing; save it as CSV in UTF-8.",
        where=str(path),
        fix="save it as CSV in UTF-8",
    )
