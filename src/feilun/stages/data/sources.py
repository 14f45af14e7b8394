"""Every source behind one call: finds out the format, reads it, and puts given test and validation rows beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from feilun.core import reading
from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Data, Recipe
from feilun.parts.dataset import SPLITS
from feilun.stages.data import builtin, csv_file, frames, idx_folder, image_folder, parquet_file, raw

READERS: dict[str, Callable[[Path, Data, raw.Most], raw.Raw]] = {
    "csv": csv_file.read,
    "parquet": parquet_file.read,
    "image_folder": image_folder.read,
    "idx": idx_folder.read,
}
TABLES = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".data": "csv", ".parquet": "parquet", ".pq": "parquet"}
GIVEN = {"train": ("train",), "validation": ("validation", "val", "valid", "dev"), "test": ("test",)}
LATER = {".xlsx": "Excel", ".xls": "Excel", ".json": "JSON", ".jsonl": "JSON lines", ".db": "a database"}


def read(recipe: Recipe, base: Path, frame: Any = None, *, sample: bool = False) -> raw.Raw:
    """All rows of a recipe's source with its given splits; a sample is the first training rows alone.

    Raises DataError for whatever a file can be besides what it should be.
    """
    data = recipe.data
    if frame is not None:
        return _cut(frames.read(frame), data.limit)
    if data.source is None:
        raise RecipeError(
            "data.source is missing: the file, folder or builtin:<name> the rows come from.", where="data"
        )
    if data.source.startswith(builtin.PREFIX):
        return _cut(builtin.read(data.source, recipe.seed), data.limit)
    parts = parts_of(place(base, data.source), data)
    if sample:
        some = {key: min(getattr(raw.SAMPLE, key), data.limit or sys.maxsize) for key in ("rows", "pictures")}
        return parts["train"](raw.Most(**some))
    for split in ("test", "validation"):
        path = getattr(data, split)
        if path is not None:
            parts[split] = _reader(place(base, path), data, split)
    most = raw.Most(rows=data.limit, pictures=data.limit)
    train = parts.pop("train")(most)
    return _beside(train, {split: part(most) for split, part in parts.items()}, recipe)


def parts_of(path: Path, data: Data) -> dict[str, Callable[[raw.Most], raw.Raw]]:
    """{"train": reader, and "test", "validation" where the source has them}."""
    if not path.exists():
        raise raw.missing(path)
    if not path.is_dir():
        return {"train": _reader(path, data)}
    with raw.opened(path):
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    if data.format == "idx" or idx_folder.find(path, "train", "images"):
        there = {split: part for split, part in idx_folder.PARTS.items() if idx_folder.find(path, part, "images")}
        return {split: partial(_idx, path, data, part) for split, part in (there or {"train": "train"}).items()}
    named = _named(entries)
    if "train" in named:
        return {split: _reader(entry, data, split) for split, entry in named.items()}
    if image_folder.has_pictures(path):
        return {"train": _reader(path, data)}
    tables = [entry for entry in entries if entry.suffix.lower() in TABLES and entry.stem.lower() != "readme"]
    if len(tables) == 1:
        return {"train": _reader(tables[0], data)}
    raise _nothing_in(path, entries, tables)


def paths(recipe: Recipe, base: Path) -> list[Path]:
    """The files and folders a recipe reads, for hashing."""
    named = (recipe.data.source, recipe.data.test, recipe.data.validation)
    return [place(base, name) for name in named if name is not None and not name.startswith(builtin.PREFIX)]


def place(base: Path, name: str) -> Path:
    """Where a source lies, as a person standing here would type it: messages name it."""
    path = base / reading.expand(name)
    here = Path.cwd()
    return path.relative_to(here) if path != here and path.is_relative_to(here) else path


def _reader(path: Path, data: Data, split: str = "train") -> Callable[[raw.Most], raw.Raw]:
    if not path.exists():
        raise raw.missing(path)
    if path.is_dir() and idx_folder.find(path, idx_folder.PARTS.get(split, "train"), "images"):
        return partial(_idx, path, data, idx_folder.PARTS[split])
    reader = READERS[_format(path, data)]
    return lambda most: reader(path, data, most)


def _idx(path: Path, data: Data, part: str, most: raw.Most) -> raw.Raw:
    return idx_folder.read(path, data, most, part)


def _format(path: Path, data: Data) -> str:
    if data.format is not None:
        if data.format not in READERS:
            raw.require([data.format], READERS, "data.format", "format")
        return data.format
    if path.is_dir():
        return "image_folder"
    with raw.opened(path), path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return "parquet"
    suffix = path.suffix.lower()
    if suffix in LATER:
        raise DataError(
            f"{path} is {LATER[suffix]}, which is not read yet. Save it as CSV in UTF-8, or as Parquet.",
            where=str(path),
            expected="csv or parquet",
            got=suffix,
            fix="save it as CSV in UTF-8",
        )
    return TABLES.get(suffix, "csv")


def _named(entries: Iterable[Path]) -> dict[str, Path]:
    """{split: entry} of files or folders called train, validation (val, valid, dev) and test."""
    found: dict[str, Path] = {}
    for entry in entries:
        usable = entry.is_dir() or entry.suffix.lower() in TABLES
        for split, words in GIVEN.items():
            if usable and entry.stem.lower() in words:
                found.setdefault(split, entry)
    return found


def _nothing_in(path: Path, entries: list[Path], tables: list[Path]) -> DataError:
    names = ", ".join(entry.name for entry in (tables or entries)[:10]) or "nothing"
    if tables:
        fix = f"name one of them in data.source, such as {tables[0]}, or call them train and test"
    else:
        fix = "give a CSV or Parquet file, or a folder with a folder of pictures per class"
    return DataError(f"{path} holds {names}: it is not clear what to read. Please {fix}.", where=str(path), fix=fix)


def _cut(whole: raw.Raw, limit: int | None) -> raw.Raw:
    if limit is None or limit >= whole.table.num_rows:
        return whole
    return raw.Raw(
        table=whole.table.slice(0, limit),
        name=whole.name,
        given=whole.given[:limit],
        notes=whole.notes,
        kinds=whole.kinds,
        target=whole.target,
        rows=whole.rows,
    )


def _beside(train: raw.Raw, others: dict[str, raw.Raw], recipe: Recipe) -> raw.Raw:
    """Training rows and given rows as one table."""
    tables, given, notes = [train.table], [train.given], list(train.notes)
    there = train.table.column_names
    targets = [name for name in (recipe.target.columns if recipe.target else ()) if name in there]
    for split, other in sorted(others.items()):
        names = other.table.column_names
        asked_for = getattr(recipe.data, split) is not None
        if not asked_for and set(targets) - set(names):
            notes.append(f"{other.name} has no column {targets[0]!r}: not used as {split} rows.")
            continue
        raw.require([name for name in (*targets, *recipe.inputs) if name in there], names, other.name)
        tables.append(other.table.select([name for name in there if name in names]))
        given.append(np.full(other.table.num_rows, SPLITS.index(split), np.int8))
        notes += other.notes
    return raw.Raw(
        table=_stacked(tables),
        name=train.name,
        given=np.concatenate(given),
        notes=tuple(notes),
        kinds=train.kinds,
        target=train.target,
        rows=sum(table.num_rows for table in tables),
    )


def _stacked(tables: list[pa.Table]) -> pa.Table:
    """One table; where files disagree about a type, the wider one, and text where nothing else fits."""
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.concat_tables([_as_text(table) for table in tables], promote_options="permissive")


def _as_text(table: pa.Table) -> pa.Table:
    plain = {
        name: column if pa.types.is_binary(column.type) or pa.types.is_nested(column.type) else column.cast(pa.string())
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return pa.table(plain)
