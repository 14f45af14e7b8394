"""Rows to answer: from CSV in all its spellings, JSON, Parquet, pictures, JSON text, or as they are."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core.errors import DataError, InputError, MissingExtraError
from feilun.parts.delimited import delimiter, encoding

if TYPE_CHECKING:
    from feilun.core.task import Row

BLOCK = 1024  # rows of Parquet read at a time
SNIFFED = 1 << 18  # characters that the delimiter is found by
TABLES = (".csv", ".tsv", ".txt", ".data")  # as for training
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
FORMATS = f"{', '.join(TABLES)}, .json, .jsonl, .parquet, a picture, or a folder of pictures"


def rows_of(source: Any, signature: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """Rows with the model's columns only, from a path, JSON text, one row, or an iterable of rows."""
    columns = list(signature)
    path = _path(source)
    if path is None:
        yield from _listed(_parsed(source, "the text given") if isinstance(source, str) else source)
    elif path.is_dir() or path.suffix.lower() in PICTURES:
        yield from _pictures(path, signature)
    else:
        yield from (_taken(row, columns, signature, path, at) for at, row in enumerate(_file(path, columns), 1))


def called(source: Any) -> str:
    """The file or folder that the rows come from, or nothing."""
    return str(_path(source) or "")


def label(source: Any, number: int) -> str:
    """How people find the row again: its number in the file, from 1 on, or the picture's name."""
    path = _path(source)
    if path is not None and path.is_dir():
        return str(_found(path)[number - 1].relative_to(path))
    return f"row {number}"


def notes(source: Any) -> list[str]:
    """What was guessed when the file was read."""
    path = _path(source)
    return encoding.of(path)[1] if path is not None and path.suffix.lower() in TABLES and path.is_file() else []


def _path(source: Any) -> Path | None:
    """Where the rows lie, or None for JSON text and for rows."""
    is_text = isinstance(source, str) and source.lstrip().startswith(("{", "["))
    return Path(source) if isinstance(source, str | Path) and not is_text else None


def _file(path: Path, columns: list[str]) -> Iterator[Any]:
    if not path.is_file():
        raise InputError(f"There is no file {path}.", where=str(path), expected=FORMATS, fix="check the path")
    kind = path.suffix.lower()
    try:
        if kind in TABLES:
            yield from _table(path)
        elif kind == ".jsonl":
            with path.open(encoding="utf-8-sig") as file:
                yield from (_parsed(line, f"{path}:{at}") for at, line in enumerate(file, 1) if line.strip())
        elif kind == ".json":
            yield from _listed(_parsed(path.read_text("utf-8-sig"), str(path)))
        elif kind in (".parquet", ".pq"):
            yield from _parquet(path, columns)
        else:
            raise InputError(f"{path} is of no known kind.", where=str(path), expected=FORMATS, got=kind or "no ending")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} cannot be read as {error.encoding}: {error.reason} at byte {error.start}. Save it as UTF-8.",
            where=str(path),
            expected="UTF-8 text",
            fix="save it as UTF-8",
        ) from error
    except csv.Error as error:
        raise DataError(
            f"{path} cannot be read: {error}. A closing quote may be missing; save it as CSV in UTF-8.",
            where=str(path),
            fix="save it as CSV in UTF-8",
        ) from error
    except PermissionError as error:
        raise DataError(
            f"{path} may not be read by this user. Change its permissions, or copy it.", where=str(path)
        ) from error


def _table(path: Path) -> Iterator[dict[str, str]]:
    """Rows of delimited text; encoding, delimiter and header are found as for training."""
    code, _ = encoding.of(path)
    code = "utf-8-sig" if code == "utf-8" else code
    with path.open(encoding=code, newline="") as file:
        mark = delimiter.of(file.read(SNIFFED).removeprefix("\ufeff"))
    with path.open(encoding=code, newline="") as file:
        records = (record for record in csv.reader(file, delimiter=mark, strict=True) if record)
        header = [name.strip() or f"column_{at}" for at, name in enumerate(next(records, []), 1)]
        twice = next((name for at, name in enumerate(header) if name in header[:at]), None)
        if twice is not None:
            raise DataError(
                f"{path} has two columns called {twice!r}. Rename one of them.",
                where=str(path),
                got=twice,
                fix="rename one of the columns",
            )
        for at, record in enumerate(records, 1):
            if len(record) != len(header):
                raise _uneven(path, at, record, len(header), mark)
            yield dict(zip(header, record, strict=True))


def _uneven(path: Path, at: int, record: list[str], width: int, mark: str) -> DataError:
    cell = {"\t": "tab"}.get(mark, repr(mark))
    return DataError(
        f"{path}: row {at} has {len(record)} cells and the header {width} (cells end at {cell}): "
        f"{mark.join(record)[:60]!r}. Correct the row, or put quotes around a cell that contains {cell}.",
        where=f"{path} row {at}",
        expected=f"{width} cells",
        got=f"{len(record)} cells",
        fix="correct the row",
    )


def _parquet(path: Path, columns: list[str]) -> Iterator[Any]:
    try:
        import pyarrow.parquet as parquet
        from pyarrow import ArrowInvalid
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Parquet files need pyarrow. Run: pip install 'feilun[train]'", fix="pip install 'feilun[train]'"
        ) from error
    try:
        table = parquet.ParquetFile(path)
        wanted = [name for name in table.schema_arrow.names if name in columns]
        for batch in table.iter_batches(BLOCK, columns=wanted):
            yield from batch.to_pylist()
    except ArrowInvalid as error:
        raise DataError(f"{path} is no Parquet file: {error}", where=str(path)) from error


def _pictures(path: Path, signature: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """A row for each picture, for a model that looks at one picture and nothing else."""
    if len(signature) != 1 or next(iter(signature.values()))["kind"] != "image":
        raise InputError(
            f"{path}: this model needs {', '.join(signature)}, not a single picture.",
            where=str(path),
            expected=", ".join(f"{name} ({facts['kind']})" for name, facts in signature.items()),
            fix="give a .csv or .jsonl with these columns",
        )
    found = _found(path) if path.is_dir() else [path]
    missing = path if not path.exists() else None if found else path
    if missing is not None:
        raise InputError(f"There is no picture at {path}.", where=str(path), expected=", ".join(PICTURES))
    for picture in found:
        yield {next(iter(signature)): picture.read_bytes()}


def _found(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)


def _taken(row: Any, columns: list[str], signature: Mapping[str, Mapping[str, Any]], path: Path, at: int) -> Row:
    """The model's columns of a file's row; empty cells of CSV are missing values, names of pictures become pictures."""
    if not isinstance(row, Mapping):
        raise DataError(
            f"{path}: row {at} is {type(row).__name__}, not an object of columns.", where=f"{path} row {at}"
        )
    from_text = path.suffix.lower() in TABLES
    taken = {name: None if from_text and row[name] == "" else row[name] for name in columns if name in row}
    if len(taken) < len(columns):
        missing = [name for name in columns if name not in row]
        raise DataError(
            f"{path}: row {at} has no column {', '.join(map(repr, missing))}.",
            where=f"{path} row {at}",
            expected=", ".join(columns),
            got=", ".join(map(str, row))[:500],
            fix="add the column; leave cells empty where the value is not known",
        )
    for name, value in taken.items():
        if signature[name]["kind"] == "image" and isinstance(value, str) and value.lower().endswith(PICTURES):
            picture = path.parent / value
            if not picture.is_file():
                raise DataError(f"{path}: row {at} names {value}, which is not there.", where=f"{path} row {at}")
            taken[name] = picture.read_bytes()
    return taken


def _listed(value: Any) -> Iterator[Any]:
    yield from [value] if isinstance(value, Mapping) else value if isinstance(value, Iterable) else [value]


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON: {error}.", where=where, expected="a row or a list of rows") from error
