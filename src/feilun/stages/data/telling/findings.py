"""Everything that is found out about dealt rows, as lines of the cleaning table: copies, disagreement, slips, drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from feilun.core.recipe import Recipe
from feilun.parts.dataset import SPLITS
from feilun.stages.data import cleaning
from feilun.stages.data.alike.near import Near
from feilun.stages.data.cleaning import Line, line
from feilun.stages.data.dealing import split_columns
from feilun.stages.data.telling import classes, disagreement, drift, marked, outliers, spellings, suspects
from feilun.stages.data.wanted import Wanted

TRAIN, TEST = SPLITS.index("train"), SPLITS.index("test")


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """lines: of the cleaning table.  disagreement: with row numbers.  drift: as in the manifest.  notes: to be said."""

    lines: tuple[Line, ...]
    disagreement: dict[str, Any] = field(default_factory=dict)
    drift: list[dict[str, Any]] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def of(
    table: pa.Table,
    of_rows: np.ndarray,
    given: np.ndarray,
    recipe: Recipe,
    wanted: Wanted,
    near: Near,
    facts: Mapping[str, int],
) -> Found:
    """of_rows: int8 (N,), places in SPLITS or below 0. given: int8 (N,), the file's split. facts: counts of rows."""
    lines = [*_copies(recipe, near, facts), *cleaning.of_sides(facts, recipe.data.split.by, looked=bool(near.looked))]
    unlike = _disagreement(table, near.keys, wanted) if facts["duplicates"] or near.rows else {}
    if unlike:
        lines.append(_of_disagreement(unlike, wanted))
    inputs = {name: kind for name, kind in wanted.kinds.items() if name not in wanted.targets}
    lines += suspects.find(table, inputs, of_rows == TRAIN, recipe.data.missing)
    for name in wanted.targets:
        if wanted.kinds.get(name) == "labels":
            lines += spellings.labels(name, table.column(name))
    coded = split_columns.labels(table, wanted.targets, wanted.kinds)
    if coded is not None:
        lines += classes.find(*coded, of_rows, wanted.targets[0])
    differ = []
    if (given == TEST).any():
        kinds = {**inputs, **{name: wanted.kinds.get(name, "number") for name in wanted.targets}}
        differ = drift.find(table, kinds, np.flatnonzero(given != TEST), np.flatnonzero(given == TEST))
    pieces = marked.find(table, wanted)
    lines += pieces
    notes = marked.said(pieces)
    if unlike and near.looked:  # tables of a few values say different things of equal rows all the time
        notes.append(f"{unlike['rows']:,} rows equal another row and say something else.")
    if differ:
        names = ", ".join(entry["column"] for entry in differ[:5])
        notes.append(f"Given test rows differ from the training rows in {names}.")
    return Found(lines=tuple(lines), disagreement=unlike, drift=differ, notes=tuple(notes))


def outliers_of(table: pa.Table, train: np.ndarray, wanted: Wanted, recipe: Recipe) -> outliers.Beyond:
    """Outliers of every number among the inputs. They are encoded together: what one of them says goes for all."""
    names = [name for name, kind in wanted.kinds.items() if kind == "number" and name not in wanted.targets]
    said = [column.options["outliers"] for column in recipe.inputs.values() if "outliers" in column.options]
    return outliers.find(table, names, train, str(said[0]) if said else recipe.data.outliers)


def _copies(recipe: Recipe, near: Near, facts: Mapping[str, int]) -> list[Line]:
    """Lines about equal and nearly equal rows."""
    lines = []
    kept = "kept on one side" if recipe.data.split.by != "time" else "kept where their time puts them"
    if facts.get("dropped_duplicates"):
        why = "they equal an earlier row and say the same"
        lines.append(line("duplicates", facts["dropped_duplicates"], "dropped", why, key="data.duplicates: together"))
    if facts["duplicates"]:
        why = "they equal an earlier row; a model that saw one would know the other"
        lines.append(line("duplicates", facts["duplicates"], kept, why, key="data.duplicates: drop"))
    where = ", ".join(near.looked)
    if facts.get("dropped_near"):
        why = "they nearly equal an earlier row and say the same"
        key = "data.near: together"
        lines.append(line("near-duplicates", facts["dropped_near"], "dropped", why, column=where, key=key))
    kept = "kept on one side" if recipe.data.split.by != "time" else "earlier ones of judged rows left out"
    if near.rows:
        why = "texts or pictures that nearly say the same as another row's"
        lines.append(line("near-duplicates", near.rows, kept, why, column=where, key="data.near: ignore"))
    if near.sharing:
        why = "a long text or a picture of theirs, or nearly the same, stands in another row whose values differ"
        lines.append(line("shared texts or pictures", near.sharing, kept, why, key="data.near: ignore"))
    for size in near.templates:
        why = "so many nearly equal rows are a template that is filled in, no copies"
        lines.append(line("template", size, "taken apart", why, column=where, key="data.near: ignore"))
    return lines


def _disagreement(table: pa.Table, keys: np.ndarray, wanted: Wanted) -> dict[str, Any]:
    answers = split_columns.answers(table, wanted.targets, wanted.kinds)
    return {} if answers is None else disagreement.find(keys, answers)


def _of_disagreement(found: Mapping[str, Any], wanted: Wanted) -> Line:
    share = f"{found['share']:.1%}".replace("%", " %")
    why = f"in {found['groups']:,} groups of equal or nearly equal rows, {share} of the rows in such groups"
    target = ", ".join(wanted.targets)
    return line("disagreement", found["rows"], "kept", why, column=target, key="correct the labels")
