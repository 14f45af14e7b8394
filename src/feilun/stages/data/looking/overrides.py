"""Every decision on a column comes with the one line of the recipe that changes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from feilun.core.recipe import Recipe

DIALOGUES = "holds dialogues, which as text are their JSON: set kind: dialogue"
OTHERS = "*"  # under inputs: all other columns, as they are found


def line(recipe: Recipe, entry: Mapping[str, Any], task: str | None) -> str:
    """Such as `inputs: {zip: category}`; nothing where no line would help. entry: a column as columns.json has it."""
    name, role = str(entry["column"]), entry["role"]
    if role == "target":
        return _of_target(entry, task)
    if role == "left out":
        return _back(recipe, name, entry)
    if entry["kind"] == "text" and entry["warning"] == DIALOGUES:
        return _use(recipe, name, "dialogue")
    read = entry["kind"] == "time" and "day_first" in (entry.get("options") or {})
    if (entry["warning"] and not read) or entry["kind"] in ("image", "sequence"):
        return f"data.drop: [{', '.join(map(spelled, (*recipe.data.drop, name)))}]"
    return _use(recipe, name, _other_kind(entry))


def spelled(name: str) -> str:
    """A column's name as YAML wants it."""
    plain = re.fullmatch(r"[^\W\d]\w*", name) and name.lower() not in (
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "null",
    )
    return name if plain else json.dumps(name, ensure_ascii=False)


def _of_target(entry: Mapping[str, Any], task: str | None) -> str:
    if entry.get("separator"):
        return f'target: {{column: {spelled(entry["column"])}, separator: "{entry["separator"]}"}}'
    if task == "regression":
        return "task: classification"
    return "task: regression" if task == "classification" and entry.get("numeric") else ""


def _back(recipe: Recipe, name: str, entry: Mapping[str, Any]) -> str:
    """What brings back a column that was left out."""
    kind = entry["kind"]
    if kind in ("constant", "list"):
        return ""
    return _use(recipe, name, "category" if kind == "identifier" else kind)


def _other_kind(entry: Mapping[str, Any]) -> str:
    kind = entry["kind"]
    if kind == "time":
        options = entry.get("options") or {}
        if "day_first" in options:
            return f"{{kind: time, day_first: {str(not options['day_first']).lower()}}}"
        return "{kind: time, days: true}" if options.get("days") is False else "category"
    if kind == "category":
        return "number" if str(entry["why"]).startswith("whole numbers") else "text"
    return {"number": "category", "text": "category"}.get(str(kind), str(kind))


def _use(recipe: Recipe, name: str, kind: str) -> str:
    """A recipe that lists no inputs keeps all others with `"*": found`; one that does gets one more."""
    others = "" if recipe.inputs and OTHERS not in recipe.inputs else f', "{OTHERS}": found'
    return f"inputs: {{{spelled(name)}: {kind}{others}}}"
