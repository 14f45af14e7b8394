"""A first look at the data: every column with its kind, its role and the reason; the target; what to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from feilun.core.recipe import Recipe
from feilun.stages.data import clean, kinds, leaks, raw, sources, targets


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What was found in a source. rows: how many there are, as far as known; columns: as in columns.json."""

    name: str
    rows: int
    targets: tuple[str, ...]
    task: str | None
    columns: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]

    @property
    def inputs(self) -> dict[str, str]:
        """{column: kind} of the columns a model may see."""
        return {entry["column"]: entry["kind"] for entry in self.columns if entry["role"] == "input"}


def take(recipe: Recipe, base: Path, frame: Any = None) -> Survey:
    """Look at a bounded sample of the rows. Raises DataError for a source or a column that is not there."""
    sample = sources.read(recipe, base, frame, sample=True)
    return of(recipe, sample, clean.strip(sample.table, recipe.data.missing))


def of(recipe: Recipe, whole: raw.Raw, stripped: pa.Table) -> Survey:
    """Look at the rows that are to be dealt; given test rows decide nothing. stripped: the rows after clean.strip."""
    stripped = stripped if (whole.given == raw.DEALT).all() else stripped.filter(pa.array(whole.given == raw.DEALT))
    names = stripped.column_names
    raw.require(recipe.data.drop, names, whole.name)
    raw.require(recipe.inputs, names, whole.name)
    chosen = targets.columns(recipe, whole, [name for name in names if name not in recipe.data.drop])
    raw.require(chosen, names, whole.name)
    found = [_find(recipe, whole, name, stripped.column(name), chosen) for name in names]
    task, why = targets.task(recipe, stripped, chosen, whole)
    entries = [_entry(recipe, finding, chosen, task, why) for finding in found]
    entries = _with_leaks(entries, stripped, chosen, task)
    rows = whole.rows if whole.rows is not None else stripped.num_rows
    return Survey(
        name=whole.name,
        rows=rows if recipe.data.limit is None else min(rows, recipe.data.limit),
        targets=tuple(chosen),
        task=task,
        columns=tuple(entries),
        notes=whole.notes,
    )


def _find(recipe: Recipe, whole: raw.Raw, name: str, column: pa.ChunkedArray, chosen: Sequence[str]) -> kinds.Finding:
    """The kind that the recipe says, that the source knows, or that the values show."""
    found = kinds.find(name, column)
    said = recipe.inputs[name].kind if name in recipe.inputs else ""
    if said and said != found.kind:
        return replace(found, kind=said, why=f"set in the recipe; looks like {found.kind}: {found.why}", warning="")
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
    elif found.column in recipe.data.drop:
        role, why = "left out", "listed in data.drop"
    elif found.kind not in kinds.USED and found.column not in recipe.inputs:
        role = "left out"
    elif recipe.inputs and found.column not in recipe.inputs:
        role, why = "left out", "not listed under inputs"
    warning = found.warning if role == "input" else ""
    if role == "target":
        found = replace(found, kind={"classification": "category", "regression": "number"}.get(task or "", found.kind))
    entry = asdict(replace(found, why=why, warning=warning))
    return {"column": entry.pop("column"), "kind": entry.pop("kind"), "role": role, **entry}


def _with_leaks(
    entries: list[dict[str, Any]], table: pa.Table, chosen: Sequence[str], task: str | None
) -> list[dict[str, Any]]:
    """Entries with a warning on every column that predicts the (only) target almost alone."""
    if len(chosen) != 1 or task not in ("classification", "regression"):
        return entries
    target = table.column(chosen[0])
    if pa.types.is_nested(target.type) or (task == "regression" and clean.number_share(target)[0] < 1):
        return entries
    columns = {}
    for entry in entries:
        if entry["role"] == "input" and entry["kind"] in ("number", "category"):
            column = table.select([entry["column"]])
            columns[entry["column"]] = clean.to_kinds(column, {entry["column"]: entry["kind"]}, (), "").table.column(0)
    warnings = leaks.find(columns, target, classes=task == "classification")
    return [
        {**entry, "warning": "; ".join(filter(None, (entry["warning"], warnings.get(entry["column"], ""))))}
        for entry in entries
    ]
