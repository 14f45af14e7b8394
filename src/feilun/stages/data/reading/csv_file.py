"""CSV in all its spellings: delimiter, encoding and header found out, every cell as text, errors with line numbers.

Cells stay text here because only the recipe knows what a column is: "007" is a code in one and a number in another.
"""

from __future__ import annotations

import csv
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.parts.delimited import delimiter as delimiters
from feilun.parts.delimited import spelling as spellings
from feilun.stages.data import disk
from feilun.stages.data.reading import raw

# Small blocks stay in a core's cache: the table of benchmarks/data_stage.py is parsed in 2.8 s of CPU, and in 4.2 s in
# the large ones, which are for files with longer rows.
BLOCK_BYTES, LARGE_BLOCK_BYTES = 1 << 22, 1 << 24


def read(path: Path, data: Data, most: raw.Most) -> raw.Raw:
    """All rows, or the first `most.rows`. Raises DataError with a line number where a row does not fit its header."""
    with raw.opened(path):
        spelling = spellings.of(path, data)
        alone = spelling.has_header and len(spelling.records) == 1 and path.stat().st_size < spellings.SNIFFED
        table = None if alone else _table(path, spelling, most.rows)
        if table is None or table.num_rows == 0:
            raise DataError(f"{path} has a header and no rows. Add rows.", where=str(path), fix="add rows")
        whole = most.rows is None or table.num_rows < most.rows
        if whole:
            _refuse_open_quote(path, table)
    return raw.of(
        table.rename_columns(list(spelling.names)),
        str(path),
        notes=spelling.notes,
        rows=table.num_rows if whole else None,
        delimiter=spelling.delimiter,
    )


def _table(path: Path, spelling: spellings.Spelling, limit: int | None) -> pa.Table:
    """Every column as text; with a limit only as many blocks are read as needed."""
    with suppress(pa.ArrowInvalid):
        return _parsed(path, spelling, limit, BLOCK_BYTES)
    try:
        return _parsed(path, spelling, limit, LARGE_BLOCK_BYTES)
    except pa.ArrowInvalid as error:
        raise _explained(path, spelling, error) from error


def _parsed(path: Path, spelling: spellings.Spelling, limit: int | None, block_bytes: int) -> pa.Table:
    """`newlines_in_values` must stay: without it Arrow silently loses cells of blocks that end inside quotes."""
    numbers = [str(place) for place in range(len(spelling.names))]  # our own names: two may be spelled alike
    options: dict[str, Any] = {
        "parse_options": pa.csv.ParseOptions(delimiter=spelling.delimiter, newlines_in_values=True),
        "convert_options": pa.csv.ConvertOptions(column_types=dict.fromkeys(numbers, pa.string())),
        "read_options": pa.csv.ReadOptions(
            column_names=numbers,
            encoding=spelling.code,
            block_size=block_bytes,
            skip_rows_after_names=int(spelling.has_header),
        ),
    }
    large = disk.is_large(path.stat().st_size)
    if limit is None and not large:
        return pa.csv.read_csv(path, **options)
    batches, rows = [], 0
    with pa.csv.open_csv(path, **options) as reader:
        if limit is None:
            return disk.stream(reader.schema, reader)
        for batch in reader:
            batches.append(batch)
            rows += batch.num_rows
            if rows >= limit:
                break
        return pa.Table.from_batches(batches, reader.schema).slice(0, limit)


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


def _explained(path: Path, spelling: spellings.Spelling, error: Exception) -> DataError:
    """Where the file breaks: read once more, slowly, counting lines as an editor does."""
    delimiters.allow_long_cells()
    width = len(spelling.names)
    with path.open("r", encoding=spelling.code, errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=spelling.delimiter)
        line = 1
        try:
            for record in reader:
                if record and len(record) != width:
                    return spellings.uneven(f"{path}:{line}", record, width, spelling.delimiter)
                line = reader.line_num + 1
        except csv.Error as problem:
            return DataError(f"{path}:{line}: {problem}. A closing quote may be missing.", where=f"{path}:{line}")
    short = " ".join(str(error).split())[:200]
    return DataError(
        f"{path} is not a table Feilun can read: {short}. A closing quote may be missing; save it as CSV in UTF-8.",
        where=str(path),
        fix="save it as CSV in UTF-8",
    )
