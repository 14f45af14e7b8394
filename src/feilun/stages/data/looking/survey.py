"""A first look at the data: every column with its kind, its role and the reason; the target; what to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from feilun.core.recipe import Recipe
from feilun.parts.ops.threads import in_order
from feilun.stages.data.cells import clean, dates
from feilun.stages.data.looking import kinds, language, later, leaks, measures, overrides, shapes, targets, window
from feilun.stages.data.looking.overrides import DIALOGUES, OTHERS
from feilun.stages.data.reading import raw, sources

UNLISTED = "not listed under inputs"
ASKED = ": is it known in time?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What was found in a source. rows: how many there are, as far as known; columns: as in columns.json."""

    name: str
    rows: int
    targets: tuple[str, ...]
    task: str | None
    columns: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    proposed: Mapping[str, Any] = field(default_factory=dict)  # keys for rows of a known form, where none were said
    decimal: str | None = None  # the mark by which numbers in text were read, where some were not plain

    @property
    def inputs(self) -> dict[str, str]:
        """{column: kind} of the columns a model may see."""
        return {entry["column"]: entry["kind"] for entry in self.columns if entry["role"] == "input"}

    def options(self, column: str) -> dict[str, Any]:
        """What was found out besides the kind, as options of its feature."""
        return next((dict(entry["options"]) for entry in self.columns if entry["column"] == column), {})


def take(recipe: Recipe, base: Path, frame: Any = None) -> Survey:
    """Look at a bounded sample of the rows. Raises DataError for a source or a column that is not there."""
    sample = prepared(recipe, sources.read(recipe, base, frame, sample=True))
    proposed = language.proposed(recipe, sample.table)
    if not proposed:
        return of(recipe, sample, sample.table)
    asked = Recipe.model_validate({**recipe.model_dump(mode="json", exclude_unset=True), **proposed})
    found = of(asked, sample, sample.table)
    why = f"{asked.task} reads {' and '.join(asked.inputs)}"
    columns = [
        {**entry, "override": "", "why": why if entry["why"] == UNLISTED else entry["why"]}
        if entry["role"] == "left out"
        else entry
        for entry in found.columns
    ]
    return replace(found, columns=tuple(columns), proposed=proposed)


def prepared(recipe: Recipe, whole: raw.Raw) -> raw.Raw:
    """The rows as columns that can be looked at: stripped, objects flattened, units taken off, windows added."""
    table = clean.strip(whole.table, recipe.data.missing)
    table, notes = shapes.flattened(table, whole.name, recipe.inputs, recipe.target.columns if recipe.target else ())
    if notes:
        table = clean.strip(table, recipe.data.missing)
    kinds_said = {name: column.kind for name, column in recipe.inputs.items()}
    units, lines = {}, list(whole.lines)
    for place, name in enumerate(table.column_names):
        if kinds_said.get(name, "") not in ("", "number"):
            continue
        measured = measures.stripped(table.column(name), recipe.data.decimal or whole.decimal)
        if measured is not None:
            table, units[name] = table.set_column(place, name, measured.column), measured.unit
            notes.append(
                f"{name}: numbers written with {measured.unit.name}, which was taken off; ask with or without."
            )
            lines += [measured.line(name)] if measured.unclear else []
    table = shapes.spread_target(table, recipe.target.columns if recipe.target else ())
    table = window.add(table, recipe.data.window, whole.given, whole.name)
    told = (*whole.notes, *notes)
    return replace(whole, table=table, notes=told, units=units, lines=tuple(lines), came=whole.table)


def day_first(recipe: Recipe) -> dict[str, bool | None]:
    """{column: what 01/02/2020 means there}, where the recipe says it."""
    return {name: column.options.get("day_first") for name, column in recipe.inputs.items()}


def of(recipe: Recipe, whole: raw.Raw, stripped: pa.Table) -> Survey:
    """Look at the rows that are to be dealt; given test rows decide nothing. stripped: the rows after clean.strip."""
    stripped = stripped if (whole.given == raw.DEALT).all() else stripped.filter(pa.array(whole.given == raw.DEALT))
    names = stripped.column_names
    raw.require(recipe.data.drop, names, whole.name)
    raw.require([name for name in recipe.inputs if name != OTHERS], names, whole.name)
    chosen = targets.columns(recipe, whole, [name for name in names if name not in recipe.data.drop])
    raw.require(chosen, names, whole.name)
    found = list(in_order(lambda name: _find(recipe, whole, name, stripped.column(name), chosen), names))
    task, why = targets.task(recipe, stripped, chosen, whole)
    entries = [_entry(recipe, finding, chosen, task, why) for finding in found]
    if len(chosen) == 1:
        entries = [_with_labels(recipe, entry, stripped) for entry in entries]
    entries = _with_leaks(entries, stripped, chosen, task)
    entries = [{**entry, "override": overrides.line(recipe, entry, task)} for entry in entries]
    rows = whole.rows if whole.rows is not None else stripped.num_rows
    return Survey(
        name=whole.name,
        rows=rows if recipe.data.limit is None else min(rows, recipe.data.limit),
        targets=tuple(chosen),
        task=task,
        columns=tuple(entries),
        notes=(*whole.notes, *window.said(recipe)),
        decimal=whole.decimal,
    )


def _find(recipe: Recipe, whole: raw.Raw, name: str, column: pa.ChunkedArray, chosen: Sequence[str]) -> kinds.Finding:
    """The kind that the recipe says, that the source knows, or that the values show."""
    found = kinds.find(name, column)
    said = recipe.inputs[name].kind if name in recipe.inputs else ""
    if said and said != found.kind:
        why = f"set in the recipe; looks like {found.kind}: {found.why}"
        hint = DIALOGUES if (said, found.kind) == ("text", "dialogue") else ""
        return replace(found, kind=said, why=why, warning=hint, options={})
    if recipe.data.window is not None and name == recipe.data.window.column:
        said_of = recipe.data.window
        why = f"the last {said_of.steps} rows of {', '.join(said_of.of)}{f' by {said_of.by}' if said_of.by else ''}"
        return replace(found, why=why)
    if name in whole.kinds and name not in recipe.inputs:
        return replace(found, kind=whole.kinds[name], why=found.why)
    return found


def _entry(
    recipe: Recipe, found: kinds.Finding, chosen: Sequence[str], task: str | None, why_target: str
) -> dict[str, Any]:
    """One column as columns.json has it."""
    role, why = "input", found.why
    if found.column in chosen:
        role, why = "target", f"{why_target}" if found.column == chosen[0] and why_target else found.why
    elif found.column not in recipe.inputs and (option := _option(recipe, found.column)):
        role, why = "target", f"named by target.{option}"
    elif found.column in recipe.data.drop and found.column not in recipe.inputs:
        role, why = "left out", "listed in data.drop"
    elif found.kind not in kinds.USED and found.column not in recipe.inputs:
        role = "left out"
    elif _in_window(recipe, found.column):
        role, why = "left out", "seen through the window"
    elif recipe.inputs and found.column not in recipe.inputs and OTHERS not in recipe.inputs:
        role, why = "left out", UNLISTED
    warning = found.warning if role == "input" else ""
    if role == "target":
        found = replace(found, kind={"classification": "category", "regression": "number"}.get(task or "", found.kind))
    entry = asdict(replace(found, why=why, warning=warning))
    entry["distinct"] = entry["distinct"] or None  # of pictures and lists nobody counts them
    return {"column": entry.pop("column"), "kind": entry.pop("kind"), "role": role, **entry}


def _option(recipe: Recipe, column: str) -> str:
    """The option of the target that names this column, such as `rejected`; "" if none does."""
    options = recipe.target.options if recipe.target else {}
    return next((name for name, value in options.items() if value == column), "")


def _with_labels(recipe: Recipe, entry: dict[str, Any], table: pa.Table) -> dict[str, Any]:
    """A target whose cells hold several labels says so: `separator` is what stands between them."""
    said = recipe.target is not None and recipe.target.separator
    if entry["role"] != "target" or entry["kind"] != "category" or said:
        return entry
    mark = targets.separator(table.column(entry["column"]))
    if not mark:
        return entry
    return {**entry, "separator": mark, "warning": f"several labels in one cell, with {mark} between them"}


def _in_window(recipe: Recipe, column: str) -> bool:
    """Whether the column's last step says what the column says, and nobody asked for it by name."""
    window = recipe.data.window
    return window is not None and column in window.of and column not in recipe.inputs


def _with_leaks(
    entries: list[dict[str, Any]], table: pa.Table, chosen: Sequence[str], task: str | None
) -> list[dict[str, Any]]:
    """Entries with a warning on every column that predicts the (only) target almost alone, or is known only later."""
    if len(chosen) != 1 or task not in ("classification", "regression"):
        return entries
    table = table.take(leaks.seen(table.column(chosen[0])))
    inputs = {entry["column"]: entry["kind"] for entry in entries if entry["role"] == "input"}
    in_order = {entry["column"] for entry in entries if entry["options"].get("days") is False}
    times = {
        name: dates.read(table.column(name)).times for name, kind in inputs.items() if _is_dated(table, name, kind)
    }
    found: list[dict[str, str]] = [later.by_name(list(inputs)), later.by_date(times)]
    target = table.column(chosen[0])
    if not pa.types.is_nested(target.type) and (task == "classification" or clean.number_share(target)[0] == 1):
        plain = {name: kind for name, kind in inputs.items() if kind in ("number", "category")}
        made = clean.to_kinds(table.select(list(plain)), plain, (), "").table
        columns = dict(zip(made.column_names, made.columns, strict=True))
        beside = {name: pa.chunked_array([_seconds(one)]) for name, one in times.items() if name not in in_order}
        beside |= {name: table.column(name) for name, kind in inputs.items() if kind == "text"}
        found.insert(0, leaks.find(columns, target, classes=task == "classification", beside=beside))
    return [
        {
            **entry,
            "warning": _joined(entry["warning"], [one[entry["column"]] for one in found if entry["column"] in one]),
        }
        for entry in entries
    ]


def _joined(warning: str, more: Sequence[str]) -> str:
    """Warnings in one line, which asks only once."""
    asked = [words.removesuffix(ASKED) for words in more]
    return "; ".join([*filter(None, [warning]), *asked]) + (ASKED if asked else "")


def _is_dated(table: pa.Table, name: str, kind: str) -> bool:
    column = table.column(name)
    return kind == "time" and (clean.is_text(column.type) or pa.types.is_temporal(column.type))


def _seconds(times: np.ndarray) -> pa.Array:
    return pa.array(times.astype(np.int64) / 1e6, pa.float64(), mask=np.isnat(times))
