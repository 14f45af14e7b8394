"""The recipe that `init` writes: short, only what a person would want to see or change, and what was left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.cli.words import tell
from feilun.core.errors import DataError

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe

_SAID = ("listed in data.drop", "not listed under inputs")  # the user's own words
MOST_LISTED = 4  # more plain inputs than this are counted, not written out: the file stays short
MOST_TOLD = 3  # findings that are repeated in the file; all of them are said when it is written, and by check


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A resolved recipe and the profile of its columns: {column, kind, role, missing, distinct, why, warning, rows}."""

    recipe: Recipe
    columns: Sequence[dict[str, Any]]
    source: str


def draft(data: str, *, target: Sequence[str] | None, task: str | None, name: str, base: Path) -> Draft:
    """Let the data stage look at the source. base: the folder that the recipe will lie in."""
    from feilun import lifecycle
    from feilun.core import reading

    source = data if re.match(r"[a-z][a-z0-9+]+:", data) else _from(base, Path(data))  # an address is no path
    values: dict[str, Any] = {"name": name, "data": {"source": source}}
    if task:
        values["task"] = task
    if target:
        values["target"] = list(target)
    recipe = reading.make_recipe(values)
    try:
        columns = lifecycle.call("data", "profile", recipe, base=base)
        is_text = source.lower().endswith(".txt") and len(columns) == 1 and not target
    except DataError:  # prose is no table
        if not source.lower().endswith(".txt") or target:
            raise
        is_text = True
    if is_text:
        plain = {"task": "text_generation", "data": {"source": source, "format": "text"}, "inputs": {"text": "text"}}
        recipe = reading.make_recipe({**values, **plain})
        columns = lifecycle.call("data", "profile", recipe, base=base)
    separators = {str(item["column"]): item["separator"] for item in columns if item.get("separator")}
    for column, mark in separators.items():  # several labels in one cell
        recipe = reading.make_recipe({**values, "target": {"column": column, "separator": mark}})
        columns = lifecycle.call("data", "profile", recipe, base=base)
    resolved = lifecycle.call("data", "resolve", recipe, base=base)
    return Draft(recipe=resolved, columns=columns, source=source)


def text(draft: Draft) -> str:
    """The file: keys in the recipe's order, left-out columns as comments."""
    from feilun.core import yaml12
    from feilun.core.recipe import Recipe

    recipe = draft.recipe
    left_out = [item for item in draft.columns if item["role"] == "left out"]
    values: dict[str, Any] = {"task": recipe.task, "data": {"source": draft.source}}
    if recipe.data.format:
        values["data"]["format"] = recipe.data.format
    if recipe.data.decimal:
        values["data"]["decimal"] = recipe.data.decimal
    if left_out:
        values["data"]["drop"] = [str(item["column"]) for item in left_out]
    if 0 < len(recipe.inputs) <= MOST_LISTED or _has_options(draft):
        values["inputs"] = {
            name: {"kind": item.kind, **item.options} if item.options else item.kind
            for name, item in recipe.inputs.items()
        }
    if recipe.target:
        options = {"separator": recipe.target.separator, **recipe.target.options}
        options = {key: value for key, value in options.items() if value is not None}
        columns = list(recipe.target.columns)
        named: dict[str, Any] = {"column": columns[0]} if len(columns) == 1 else {"columns": columns}
        values["target"] = {**named, **options} if options else next(iter(named.values()))
    if recipe.model.name:
        values["model"] = recipe.model.name
    values["train"] = {"epochs": recipe.train.epochs}
    values["evaluate"] = {key: value for key, value in _evaluate(recipe).items() if value is not None}
    blocks = [
        yaml12.dump({key: values[key]})
        for key in Recipe.model_fields
        if key in values and values[key] not in ({}, None)
    ]
    told = findings(draft, "en")
    more = [f"and {len(told) - MOST_TOLD} more: feilun check"] if len(told) > MOST_TOLD else []
    notes = [f"# {line}\n" for line in [*_kinds(draft, values), *told[:MOST_TOLD], *more]]
    head = "# What each key means: feilun help KEY. What is not here has a default, written into the run.\n"
    return head + "".join([*blocks, *notes])


def findings(draft: Draft, lang: str) -> list[str]:
    """What a person should know: left out and why, look at and why, each with the line that changes it."""
    lines = []
    for words, key, wanted in (("left out", "why", True), ("look at", "warning", False)):
        told = [item for item in draft.columns if item[key] and (item["role"] == "left out") is wanted]
        found = [item for item in told if item["why"] not in _SAID]
        width = max((len(str(item["column"])) for item in found), default=0)
        for item in found:
            lines.append(f"{tell(lang, words):9}  {item['column']!s:{width}}  {item[key]}{_change(item, lang)}")
    return lines


def opening(draft: Draft, lang: str) -> str:
    """`7,043 rows, 21 columns. churn: yes 26.5 %, so classification`."""
    rows = draft.columns[0]["rows"] if draft.columns else 0
    counted = tell(lang, "{rows:,} rows, {columns} columns.", rows=rows, columns=len(draft.columns))
    targets = [f"{item['column']}: {item['why']}" for item in draft.columns if item["role"] == "target"]
    return " ".join([counted, *targets[:1]])


def table(draft: Draft) -> list[str]:
    """One line a column: kind, role, missing, distinct."""
    from feilun.cli.looking import columns

    head = ["column", "kind", "role", "missing", "distinct"]
    rows = [["" if item.get(key) is None else str(item[key]) for key in head] for item in draft.columns]
    return columns([head, *rows]).splitlines()


def _kinds(draft: Draft, values: dict[str, Any]) -> list[str]:
    """`inputs, found out: 8 number, 6 category`, where they are not written out."""
    kinds = Counter(item.kind for item in draft.recipe.inputs.values())
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return [] if "inputs" in values or not kinds else [f"inputs, found out: {told}. Their names: feilun check"]


def _change(item: dict[str, Any], lang: str) -> str:
    """The line of the recipe that changes the decision."""
    line = str(item.get("override") or "")
    words = "use it" if item["role"] == "left out" else "leave it out" if line.startswith("data.drop") else "change it"
    return f"  ({tell(lang, words)}: {line})" if line else ""


def _has_options(draft: Draft) -> bool:
    """Whether an input has options that looking at the data would not find again."""
    found = {item["column"]: item.get("options") or {} for item in draft.columns}
    return any(item.options and item.options != found.get(name, {}) for name, item in draft.recipe.inputs.items())


def _evaluate(recipe: Recipe) -> dict[str, Any]:
    return {"score": recipe.evaluate.score, "positive": recipe.evaluate.positive}


def _from(base: Path, path: Path) -> str:
    """The path as written in a recipe in `base`: relative and with slashes where possible."""
    whole, base = path.resolve(), base.resolve()
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(whole)
