"""From a source to rows, splits and features: read, clean, name the rows, deal them, and write the folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from feilun.core.errors import DataError
from feilun.core.protocols import Say
from feilun.core.recipe import Recipe
from feilun.core.task import Task
from feilun.core.work import Made, Work
from feilun.parts import dataset
from feilun.stages.data import cleaning, disk, wanted
from feilun.stages.data.alike import hashing, near
from feilun.stages.data.cells import absent, clean
from feilun.stages.data.dealing import split_columns, splits
from feilun.stages.data.looking import survey
from feilun.stages.data.reading import builtin, picture_files, raw, sources
from feilun.stages.data.telling import findings, shortened, spellings

ID = raw.RESERVED
TRAIN = dataset.SPLITS.index("train")
OUTLIER = -7  # a training row that data.outliers drops


@dataclass(frozen=True, kw_only=True, slots=True)
class Assembled:
    """All but the writing. table: with ids; splits: int8 (N,), places in SPLITS; profile: as in columns.json."""

    table: pa.Table
    splits: np.ndarray
    wanted: wanted.Wanted
    profile: list[dict[str, Any]]
    facts: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows:
    """Clean rows, with ids, before they are dealt. given: the file's split or DEALT; found: what the survey saw."""

    table: pa.Table
    given: np.ndarray
    wanted: wanted.Wanted
    found: survey.Survey
    notes: tuple[str, ...]
    lines: tuple[cleaning.Line, ...]
    facts: Mapping[str, int]


def make(work: Work) -> Made:
    """Write the data stage's folder. Raises DataError with place, value and fix for whatever is wrong with the rows."""
    done = rows_of(work.recipe, work.task, work.base, work.frame, work.say)
    origin = np.zeros(len(done.splits), np.int16)
    dataset.write(
        work.folder, disk.to_dataset(done.table), done.splits, origin, dict(done.wanted.features), done.profile
    )
    cut = shortened.find(dataset.Table.open(work.folder))
    for said in shortened.said(cut):
        work.say.line(said)
    return Made(facts={**done.facts, "cleaning": [*done.facts["cleaning"], *cut]})


def rows_of(recipe: Recipe, task: Task, base: Path, frame: Any, say: Say) -> Assembled:
    """Rows, splits and what there is to say of them; nothing is encoded or written."""
    rows = _clean(recipe, task, base, frame)
    table, given, dropped = _without_copies(rows, recipe)
    keys = hashing.rows(table, rows.wanted.identity)
    looked = recipe.data.near != "ignore"
    alike = near.find(table, rows.wanted.identity, rows.wanted.kinds, keys) if looked else near.not_looked_for(keys)
    if recipe.data.near == "drop" and alike.rows:
        stays = _firsts(table, alike.keys, rows.wanted.targets, given)
        dropped["dropped_near"] = int((~stays).sum())
        table, given, keys = disk.filtered(table, stays), given[stays], keys[stays]
        alike = alike.only(stays)
    targets, kinds = rows.wanted.targets, rows.wanted.kinds
    sides = split_columns.sides(table, recipe, targets, kinds, alike)
    coded = split_columns.labels(table, targets, kinds)
    dealt = splits.deal(keys, given, recipe.data.split, recipe.seed, coded[0] if coded else None, sides)
    facts: dict[str, Any] = {**rows.facts, **dropped, **dealt.facts}
    of_rows, lines = _without_outliers(table, dealt.splits, rows.wanted, recipe, facts)
    found = findings.of(table, of_rows, given, recipe, rows.wanted, alike, facts)
    lines = [*rows.lines, *found.lines, *lines]
    notes = [*rows.found.notes, *rows.notes, *cleaning.said(facts), *found.notes]
    for note in notes:
        say.line(note)
    facts["disagreement"] = _named(found.disagreement, table)
    stays = of_rows >= 0
    table, of_rows = disk.filtered(table, stays), of_rows[stays]
    profile = rows.found.columns
    facts = {
        "rows": table.num_rows,
        "splits": count(of_rows),
        **facts,
        "left_out": {entry["column"]: entry["why"] for entry in profile if entry["role"] == "left out"},
        "warnings": {entry["column"]: entry["warning"] for entry in profile if entry["warning"]},
        "cleaning": lines,
        "drift": found.drift,
        "notes": notes,
    }
    return Assembled(table=table, splits=of_rows, wanted=rows.wanted, profile=list(profile), facts=facts)


def count(of_rows: np.ndarray) -> dict[str, int]:
    """{split: rows}."""
    return {name: int((of_rows == place).sum()) for place, name in enumerate(dataset.SPLITS)}


def _clean(recipe: Recipe, task: Task, base: Path, frame: Any) -> _Rows:
    """Read, strip, look at the columns, bring them to their kinds, and leave out rows without a target."""
    splits.check(recipe.data.split)
    read = sources.read(recipe, base, frame)
    ids = hashing.ids(hashing.contents(read.table))  # as it came: no setting of inputs or cleaning renames a row
    whole = survey.prepared(recipe, read)  # stripped, with windows
    stripped = whole.table
    found = survey.of(recipe, whole, stripped)
    asked = wanted.by_task(task, recipe, whole.units, whole.written)
    raw.require(asked.columns, stripped.column_names, whole.name)
    kept = list(dict.fromkeys([*asked.columns, *wanted.beside(recipe, stripped.column_names)]))
    if builtin.is_task(recipe.data.source):
        kept = stripped.column_names
    images = [name for name, kind in asked.kinds.items() if kind == "image"]
    folder = getattr(whole, "folder", None) or Path(whole.name).parent
    loaded = picture_files.load(stripped.select(kept), images, [folder, base])
    split_columns.refuse_rounded(loaded, recipe, asked.kinds)
    others = [name for name in kept if name not in asked.kinds]
    kinds = {**_beside(recipe, loaded, found, others), **asked.kinds}
    cleaned = clean.to_kinds(loaded, kinds, asked.targets, whole.name, survey.day_first(recipe), whole.files)
    wanted.fit(recipe, cleaned.table)
    said, lines = _one_spelling(cleaned.table.append_column(ID, ids), recipe, asked)
    lines = [*whole.lines, *lines]
    table, given, without = _with_target(said, whole, asked.targets)
    words = _words_for_missing(whole, cleaned.table, asked, recipe)
    lines += cleaning.of_missing(loaded, cleaned.table, asked.kinds, asked.targets, words)
    lines += cleaning.of_targets(without, asked.targets, words)
    classes = cleaning.said_of_targets(asked.targets, words)
    return _Rows(
        table=table,
        given=given,
        wanted=asked,
        found=found,
        notes=(*cleaned.notes, *classes),
        lines=tuple(lines),
        facts={"without_target": without},
    )


def _words_for_missing(
    whole: raw.Raw, cleaned: pa.Table, asked: wanted.Wanted, recipe: Recipe
) -> dict[str, absent.Word]:
    """{category or target: the word for missing that may be one of its values}."""
    found = {
        name: absent.of(whole.came, name, recipe.data.missing)
        for name, kind in asked.kinds.items()
        if kind in ("category", "labels") and name in cleaned.column_names and cleaned.column(name).null_count
    }
    return {name: word for name, word in found.items() if word is not None}


def _beside(recipe: Recipe, table: pa.Table, found: survey.Survey, kept: Sequence[str]) -> dict[str, str]:
    """Kinds of the columns that groups and metrics are told by: numbers are compared as numbers, not as text.

    The column of the split stays as it came: what it means is decided where rows are dealt.
    """
    kinds = {entry["column"]: entry["kind"] for entry in found.columns}
    numbers = {name for name in kept if clean.number_share(table.column(name))[0] == 1}
    plain = {name: "number" if name in numbers and kinds.get(name) != "category" else kinds.get(name) for name in kept}
    return {
        name: kind
        for name, kind in plain.items()
        if kind in ("number", "category", "time") and name != recipe.data.split.column
    }


def _one_spelling(table: pa.Table, recipe: Recipe, asked: wanted.Wanted) -> tuple[pa.Table, list[cleaning.Line]]:
    """With target.spellings: join, labels that differ in case, width or spaces alone as most rows write them."""
    lines: list[cleaning.Line] = []
    for name in asked.targets if recipe.target and recipe.target.spellings == "join" else ():
        if asked.kinds.get(name) == "labels" and clean.is_text(table.schema.field(name).type):
            column, told = spellings.joined(name, table.column(name))
            table = table.set_column(table.column_names.index(name), name, column)
            lines += told
    return table, lines


def _without_copies(rows: _Rows, recipe: Recipe) -> tuple[pa.Table, np.ndarray, dict[str, int]]:
    """With data.duplicates: drop, the first of rows that are equal and say the same; how many left."""
    if recipe.data.duplicates != "drop":
        return rows.table, rows.given, {}
    stays = _firsts(rows.table, hashing.rows(rows.table, rows.wanted.identity), rows.wanted.targets, rows.given)
    return disk.filtered(rows.table, stays), rows.given[stays], {"dropped_duplicates": int((~stays).sum())}


def _firsts(table: pa.Table, keys: np.ndarray, targets: Sequence[str], given: np.ndarray) -> np.ndarray:
    """bool (N,): the first row of each key and answer; given rows stay as they are, and all their copies."""
    said = keys ^ hashing.mix(hashing.rows(table, targets)) if targets else keys
    dealt = np.flatnonzero(given == raw.DEALT)
    stays = np.ones(len(keys), bool)
    stays[dealt] = False
    stays[dealt[np.unique(said[dealt], return_index=True)[1]]] = True
    return stays


def _without_outliers(
    table: pa.Table, of_rows: np.ndarray, asked: wanted.Wanted, recipe: Recipe, facts: dict[str, Any]
) -> tuple[np.ndarray, list[cleaning.Line]]:
    """Splits in which training rows with outliers are out, where data.outliers says so; and the table's lines."""
    beyond = findings.outliers_of(table, of_rows == TRAIN, asked, recipe)
    drops = (of_rows == TRAIN) & beyond.rows
    if recipe.data.outliers != "drop" or not drops.any():
        return of_rows, list(beyond.lines)
    if drops.sum() > 0.5 * (of_rows == TRAIN).sum():
        raise DataError(
            f"data.outliers: drop would take {drops.sum():,} of {(of_rows == TRAIN).sum():,} training rows. Use clip "
            "or mark, which keep the rows.",
            where="data.outliers",
            got="drop",
            fix="data.outliers: clip",
        )
    facts["left_out_outliers"] = int(drops.sum())
    return np.where(drops, OUTLIER, of_rows).astype(np.int8), list(beyond.lines)


def _named(disagreement: dict[str, Any], table: pa.Table) -> dict[str, Any]:
    """The examples by their ids."""
    if not disagreement:
        return {}
    column = table.column(ID)
    rest = {name: value for name, value in disagreement.items() if name != "places"}
    return {**rest, "examples": [column.take(pa.array(group)).to_pylist() for group in disagreement["places"]]}


def _with_target(table: pa.Table, whole: raw.Raw, targets: Sequence[str]) -> tuple[pa.Table, np.ndarray, int]:
    """Rows that have a target, their given splits, and how many rows had none."""
    if not targets:
        return table, whole.given, 0
    there = np.stack([table.column(name).is_valid().to_numpy() for name in targets])
    numbers = all(clean.is_numeric(table.schema.field(name).type) for name in targets)
    mask = np.asarray(there.all(axis=0) if numbers else there.any(axis=0))  # of several labels one is enough
    if not mask.any():
        raise DataError(
            f"{whole.name}: the target {targets[0]} has no value in any of {table.num_rows:,} rows. "
            "Choose another column.",
            where=f"{whole.name}, {targets[0]}",
            fix="choose another target",
        )
    return disk.filtered(table, mask), whole.given[mask], int((~mask).sum())
