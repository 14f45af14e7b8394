"""Whether 01/02/2020 is in January or February, file by file: each by its own days beyond 12, contradictions told."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from feilun.core.recipe import Recipe
from feilun.stages.data import cleaning
from feilun.stages.data.cells import clean, dates
from feilun.stages.data.reading import raw

HEAD = 200  # cells that tell most columns apart from dates
WORDS = {True: "day first", False: "month first"}


def mixed(found: raw.Raw, recipe: Recipe) -> raw.Raw:
    """The file, with a line for each column in which both 31/01/2020 and 01/31/2020 stand."""
    lines = []
    for name in _dated(found.table, recipe):
        day, month = dates.shown(found.table.column(name))
        if not (day and month):
            continue
        said = _said(recipe, name)
        read = dates.read(found.table.column(name), said)
        done = "counted missing" if said is None else f"{WORDS[said]}, others missing"
        why = f"{day} and {month} stand in {found.name}, so {read.unread[0] if read.unread else day} may be two days"
        key = f'inputs: {{{name}: {{kind: time, day_first: true}}, "*": found}}'
        lines.append(cleaning.line("dates in two orders", read.lost, done, why, column=name, key=key))
    return replace(found, lines=(*found.lines, *lines)) if lines else found


def alike(train: raw.Raw, other: raw.Raw, recipe: Recipe) -> raw.Raw:
    """A given file whose days stand in another place than in the training file: its dates as ISO text, and a line."""
    table, notes, lines = other.table, [], []
    for name in _dated(other.table, recipe):
        day, month = dates.shown(other.table.column(name))
        if bool(day) == bool(month) or name not in train.table.column_names:
            continue
        own, before = bool(day), _order(train.table.column(name), _said(recipe, name))
        if before is None or before == own:
            continue
        column = other.table.column(name)
        made = dates.to_iso(dates.read(column, own).times)
        table = table.set_column(table.column_names.index(name), name, pc.coalesce(made, column))
        why = f"{day or month} stands there; {train.name} is read {WORDS[before]}"
        done = f"read {WORDS[own]}"
        lines.append(
            cleaning.line(
                f"dates of {other.name}", len(column), done, why, column=name, key="write dates as 2024-01-31"
            )
        )
        notes.append(f"{name}: {other.name} is {done}, since {why}. Write dates as 2024-01-31 to be sure.")
    return replace(other, table=table, notes=(*other.notes, *notes), lines=(*other.lines, *lines))


def _said(recipe: Recipe, name: str) -> bool | None:
    said = recipe.inputs[name].options.get("day_first") if name in recipe.inputs else None
    return None if said is None else bool(said)


def _order(column: pa.ChunkedArray, said: bool | None) -> bool | None:
    """How the training file's dates are read."""
    if said is not None or not clean.is_text(column.type):
        return said
    return dates.read(column).day_first


def _dated(table: pa.Table, recipe: Recipe) -> list[str]:
    """Columns of text that look like dates, or that the recipe calls so."""
    found = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = recipe.inputs[name].kind if name in recipe.inputs else ""
        if not clean.is_text(column.type) or kind not in ("", "time"):
            continue
        known = pc.utf8_trim_whitespace(column.drop_null())
        if kind == "time" or (dates.look_so(known.slice(0, HEAD)) and dates.look_so(known)):
            found.append(name)
    return found
