"""Every source behind one call: finds out what it is, reads it, and puts given test and validation rows beside it."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from feilun.core import reading
from feilun.core.errors import RecipeError
from feilun.core.manifest import hash_json
from feilun.core.recipe import Data, Recipe
from feilun.parts.dataset import SPLITS
from feilun.stages.data import cleaning
from feilun.stages.data.alike import hashing
from feilun.stages.data.reading import addresses, builtin, database, day_orders, formats, frames, hub, raw, remote

RECENT_S = 60.0  # a download is not asked for again within one run
_kept: dict[tuple[str, str], raw.Raw] = {}  # rows that were read to be hashed, until the run reads them
_recent: dict[str, tuple[float, Path, tuple[str, ...]]] = {}


def read(recipe: Recipe, base: Path, frame: Any = None, *, sample: bool = False) -> raw.Raw:
    """All rows of a recipe's source with its given splits; a sample is the first training rows alone.

    Raises DataError for whatever a file can be besides what it should be.
    """
    data = recipe.data
    if sample:
        _kept.clear()
    if frame is not None:
        return _cut(_limited(frames.read(frame), data.limit), data.limit)
    if data.source is None:
        raise RecipeError(
            "data.source is missing: the file, folder, database, address or builtin:<name> the rows come from.",
            where="data",
        )
    if data.source.startswith(builtin.PREFIX):
        return _cut(_limited(builtin.read(data.source, recipe.seed), data.limit), data.limit)
    parts = _parts(data.source, base, data)
    if sample:
        some = {key: min(getattr(raw.SAMPLE, key), data.limit or sys.maxsize) for key in ("rows", "pictures")}
        return parts["train"](data, raw.Most(**some))
    for split in ("test", "validation"):
        name = getattr(data, split)
        if name is not None:
            given = _parts(name, base, data)
            parts[split] = given.get(split) or next(iter(given.values()))
    most = raw.Most(rows=data.limit, pictures=data.limit)
    train = _limited(parts.pop("train")(data, most), data.limit)
    alike = data.model_copy(update={"decimal": data.decimal or train.decimal})
    others = {split: _limited(part(alike, most), data.limit) for split, part in parts.items()}
    return _beside(train, others, recipe)


def paths(recipe: Recipe, base: Path) -> list[Path]:
    """The files and folders a recipe reads, for hashing; downloads where they lie in the cache."""
    found = []
    for name in _named(recipe):
        if not (database.is_address(name) or database.is_query(name)) and _hub_name(name, base) is None:
            found.append(formats.file_of(_place(name, base)[0]))
    return found


def fingerprint(recipe: Recipe, base: Path) -> str:
    """A hash of everything that the recipe reads: files by their bytes, databases and named data sets by their rows.

    Rows that are read for it are kept for the run that follows, so that they are what was hashed, and read once.
    """
    hashes = []
    _kept.clear()
    for name in _named(recipe):
        if database.is_address(name) or database.is_query(name) or _hub_name(name, base) is not None:
            limit = raw.Most(rows=recipe.data.limit, pictures=recipe.data.limit)
            parts = _parts(name, base, recipe.data)
            rows = {split: part(recipe.data, limit) for split, part in parts.items()}
            _kept.update({(name, split): whole for split, whole in rows.items()})
            hashes += [hashing.of_table(whole.table) for whole in rows.values()]
            continue
        path = formats.file_of(_place(name, base)[0])
        with raw.opened(path):
            hashes.append(hashing.of_path(path))
    return hash_json(hashes)


def place(base: Path, name: str) -> Path:
    """Where a source lies, as a person standing here would type it: messages name it."""
    path = (base / Path(reading.expand(name)).expanduser()) if name.startswith("~") else base / reading.expand(name)
    here = Path.cwd()
    return path.relative_to(here) if path != here and path.is_relative_to(here) else path


def _named(recipe: Recipe) -> list[str]:
    data = recipe.data
    named = [name for name in (data.source, data.test, data.validation) if name is not None]
    return [name for name in named if not name.startswith(builtin.PREFIX)]


def _parts(name: str, base: Path, data: Data) -> dict[str, raw.Part]:
    """{"train": reader, and "test", "validation" where the source has them}."""
    addresses.refuse_password(name)
    if database.is_query(name) and database.is_address(data.source or ""):
        return {"train": partial(_rows_of, str(data.source), name, base)}
    if database.is_address(name):
        return {"train": partial(_rows_of, name, None, base)}
    if _hub_name(name, base) is not None:
        kept = {split: whole for (of, split), whole in _kept.items() if of == name}
        if kept:
            return {split: partial(_taken, (name, split)) for split in kept}
        return hub.named_parts(name)
    path, notes = _place(name, base)
    if not remote.is_address(name):
        return formats.parts_of(path, data)
    parts = formats.called(lambda: formats.parts_of(path, data), path, addresses.shown(name))
    return {split: partial(_with_notes, part, notes) for split, part in parts.items()}


def _rows_of(source: str, query: str | None, base: Path, data: Data, most: raw.Most) -> raw.Raw:
    """The rows of data.query, or of a query that names test rows."""
    key = (query or source, "train")
    if key in _kept and most.rows == data.limit:
        return _kept.pop(key)
    return database.read(source, base, query or data.query, most)


def _taken(key: tuple[str, str], data: Data, most: raw.Most) -> raw.Raw:
    whole = _kept[key]
    limit = most.pictures if "image" in whole.kinds.values() else most.rows
    return _cut(whole, limit)


def _with_notes(part: raw.Part, notes: tuple[str, ...], data: Data, most: raw.Most) -> raw.Raw:
    whole = part(data, most)
    return replace(whole, notes=(*notes, *whole.notes))


def _hub_name(name: str, base: Path) -> str | None:
    """The name of a data set that is not a folder here."""
    return name if hub.is_name(name) and hub.folder_of(name, base) is None else None


def _place(name: str, base: Path) -> tuple[Path, tuple[str, ...]]:
    """Where a source lies as a file or folder, and what must be said of how it came there."""
    if hub.is_name(name):
        return place(base, name.removeprefix(hub.PREFIX)), ()
    if remote.is_address(name):
        now = time.monotonic()
        if name not in _recent or now - _recent[name][0] > RECENT_S or not _recent[name][1].is_file():
            _recent[name] = (now, *remote.fetched(name))
        return _recent[name][1:]
    remote.refuse_other(name)
    return place(base, name), ()


def _limited(whole: raw.Raw, limit: int | None) -> raw.Raw:
    """With a line that says what data.limit left out, if anything. A CSV is not read to its end to count the rest."""
    if limit is None or whole.table.num_rows < limit or whole.rows == limit:
        return whole
    told = ("first rows", limit, "used alone", f"data.limit is {limit:,}; rows after them, if any, were not read")
    if whole.rows is not None:
        told = ("rows beyond the first", whole.rows - limit, "left out", f"data.limit is {limit:,}")
    what, rows, done, why = told
    line = cleaning.line(what, rows, done, why, key="data.limit: null")
    return replace(whole, lines=(*whole.lines, line))


def _cut(whole: raw.Raw, limit: int | None) -> raw.Raw:
    if limit is None or limit >= whole.table.num_rows:
        return whole
    return replace(whole, table=whole.table.slice(0, limit), given=whole.given[:limit])


def _beside(train: raw.Raw, others: dict[str, raw.Raw], recipe: Recipe) -> raw.Raw:
    """Training rows and given rows as one table."""
    train = day_orders.mixed(train, recipe)
    tables, given, notes, lines = [train.table], [train.given], list(train.notes), list(train.lines)
    there = train.table.column_names
    targets = [name for name in (recipe.target.columns if recipe.target else ()) if name in there]
    for split, given_rows in sorted(others.items()):
        other = day_orders.mixed(given_rows, recipe)
        names = other.table.column_names
        asked_for = getattr(recipe.data, split) is not None
        if not asked_for and set(targets) - set(names):
            notes.append(f"{other.name} has no column {targets[0]!r}: not used as {split} rows.")
            continue
        raw.require([name for name in (*targets, *recipe.inputs) if name in there], names, other.name)
        other = day_orders.alike(train, other, recipe)
        tables.append(other.table.select([name for name in there if name in names]))
        given.append(np.full(other.table.num_rows, SPLITS.index(split), np.int8))
        notes += [note for note in other.notes if note not in notes]
        lines += other.lines
    return replace(
        train,
        table=frames.stacked(tables),
        given=np.concatenate(given),
        notes=tuple(notes),
        lines=tuple(lines),
        rows=sum(table.num_rows for table in tables),
    )
