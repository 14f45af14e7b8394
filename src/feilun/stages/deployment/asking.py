"""Answers to many rows: where the rows come from, in blocks, and where the answers go."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core.errors import DataError, InputError, MissingExtraError

if TYPE_CHECKING:
    from feilun.core.task import Json, Row
    from feilun.parts.bundle.loading import Bundle

BLOCK = 1024  # rows read, answered and written at a time
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
FORMATS = ".csv, .tsv, .json, .jsonl, .parquet, a picture, or a folder of pictures"


def predict(bundle: Bundle, source: Any, options: Mapping[str, Any], out: Path | None) -> list[Any]:
    """Answers in order; with `out` (.jsonl or .csv) they are written there, and `[{file, rows}]` is returned."""
    blocks = _blocks(rows_of(source, bundle.signature))
    answered = ((block, bundle.predict(block, **options)) for block in blocks)
    if out is None:
        return [answer for _, answers in answered for answer in answers]
    if out.suffix.lower() not in (".jsonl", ".csv"):
        raise InputError(
            f"Answers are written as .jsonl or .csv, not {out.name!r}.", where=str(out), expected=".jsonl or .csv"
        )
    return [{"file": str(out), "rows": _write(out, (answer for _, answers in answered for answer in answers))}]


def rows_of(source: Any, signature: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """Rows with the model's columns only, from a path, JSON text, one row, or an iterable of rows."""
    columns = list(signature)
    if isinstance(source, str) and source.lstrip().startswith(("{", "[")):
        yield from _listed(_parsed(source, "the text given"))
    elif isinstance(source, str | Path):
        path = Path(source)
        if path.is_dir() or path.suffix.lower() in PICTURES:
            yield from _pictures(path, signature)
        else:
            yield from (_taken(row, columns, signature, path, at) for at, row in enumerate(_file(path, columns), 1))
    else:
        yield from _listed(source)


def _file(path: Path, columns: list[str]) -> Iterator[Any]:
    if not path.is_file():
        raise InputError(f"There is no file {path}.", where=str(path), expected=FORMATS, fix="check the path")
    kind = path.suffix.lower()
    try:
        if kind in (".csv", ".tsv"):
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield from csv.DictReader(file, delimiter="\t" if kind == ".tsv" else ",", strict=True)
        elif kind == ".jsonl":
            with path.open(encoding="utf-8-sig") as file:
                yield from (_parsed(line, f"{path}:{at}") for at, line in enumerate(file, 1) if line.strip())
        elif kind == ".json":
            yield from _listed(_parsed(path.read_text("utf-8-sig"), str(path)))
        elif kind == ".parquet":
            yield from _parquet(path, columns)
        else:
            raise InputError(f"{path} is of no known kind.", where=str(path), expected=FORMATS, got=kind or "no ending")
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read: {error}.", where=str(path), expected="UTF-8 text", fix="save it as UTF-8"
        ) from error


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
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in PICTURES) if path.is_dir() else [path]
    missing = path if not path.exists() else None if found else path
    if missing is not None:
        raise InputError(f"There is no picture at {path}.", where=str(path), expected=", ".join(PICTURES))
    for picture in found:
        yield {next(iter(signature)): picture.read_bytes()}


def _taken(row: Any, columns: list[str], signature: Mapping[str, Mapping[str, Any]], path: Path, at: int) -> Row:
    """The model's columns of a file's row; empty cells of CSV are missing values, names of pictures become pictures."""
    if not isinstance(row, Mapping):
        raise DataError(
            f"{path}: row {at} is {type(row).__name__}, not an object of columns.", where=f"{path} row {at}"
        )
    from_text = path.suffix.lower() in (".csv", ".tsv")
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


def _blocks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while block := list(islice(rows, BLOCK)):
        yield block


def _write(out: Path, answers: Iterable[Json]) -> int:
    """One answer a line. Of CSV every part of an answer is a column, nested parts as JSON."""
    written = 0
    with out.open("w", encoding="utf-8", newline="") as file:
        table: Any = None
        for answer in answers:
            written += 1
            if out.suffix.lower() == ".jsonl":
                file.write(json.dumps(answer, ensure_ascii=False) + "\n")
                continue
            cells = answer if isinstance(answer, dict) else {"answer": answer}
            if table is None:
                table = csv.DictWriter(file, list(cells), extrasaction="ignore")
                table.writeheader()
            table.writerow({name: _cell(value) for name, value in cells.items()})
    return written


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
