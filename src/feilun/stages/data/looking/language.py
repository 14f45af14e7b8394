"""What rows of language are for, by names and forms of their columns: dialogues, preferences, answers, spans."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from feilun.core.recipe import Recipe
from feilun.parts.delimited.objects import ANSWERS
from feilun.stages.data.cells import clean

SEEN = 200  # cells looked at, evenly spread
TURNS = ({"role", "content"}, {"from", "value"})  # keys of a message
SPANS = {"start", "end", "label"}
QUESTIONS, PASSAGES = ("question", "query", "问题"), ("context", "passage", "document", "text", "段落", "文章")
PROMPTS = ("system", "instruction", "input", "prompt", "question", "query", "指令", "输入")
WRITTEN = ("output", "response", "completion", "输出")  # what is to be written after one of these
LANGUAGES = re.compile(
    "en|de|fr|es|it|pt|nl|pl|ru|uk|cs|ro|hu|fi|sv|da|no|tr|ar|he|fa|hi|th|vi|id|ja|ko|zh|english|german|french|spanish"
    "|italian|portuguese|dutch|polish|russian|japanese|korean|chinese|英文|中文|英语|汉语|日语|日文|德语|法语"
)
Columns = dict[str, pa.ChunkedArray]


def are(column: pa.ChunkedArray, *forms: set[str]) -> bool:
    """Whether the cells are objects with the keys of one of these forms, lists of such, or that as JSON text; empty
    lists say nothing."""
    if not pa.types.is_nested(column.type) and not clean.is_text(column.type):
        return False
    known = clean.spread(column.drop_null(), SEEN).to_pylist()
    try:
        cells = [json.loads(cell) if isinstance(cell, str) and cell[:1] in ("[", "{") else cell for cell in known]
    except (ValueError, RecursionError):
        return False
    cells = [[cell] if isinstance(cell, dict) else cell for cell in cells]
    if not all(isinstance(cell, list) for cell in cells):
        return False
    inside = [one for cell in cells for one in cell]
    return bool(inside) and all(isinstance(one, dict) and any(keys <= one.keys() for keys in forms) for one in inside)


def proposed(recipe: Recipe, table: pa.Table) -> dict[str, Any]:
    """Task, inputs and target of rows whose form is known, where the recipe lists no inputs; {} of others."""
    if recipe.inputs:
        return {}
    columns = {name: table.column(name) for name in table.column_names if name not in recipe.data.drop}
    wanted = recipe.target.columns if recipe.target else ()
    for rule in RULES:
        found = rule(columns, wanted)
        if not found or recipe.task not in (None, found["task"]):
            continue
        target = found.get("target")
        if wanted and (target is None or tuple(target["columns"]) != wanted):
            continue
        inputs = {name: {"kind": kind} for name, kind in found["inputs"].items()}
        keep = {"target": target} if target and not (recipe.target and recipe.target.options) else {}
        return {"task": found["task"], "inputs": inputs, **keep}
    return {}


def pair(names: Sequence[str]) -> list[str]:
    """The two columns that are called like languages; [] where there are not just two."""
    found = [name for name in names if LANGUAGES.fullmatch(name.lower())]
    return found if len(found) == 2 else []


def _answered(columns: Columns, wanted: Sequence[str]) -> dict[str, Any]:
    """A question, a passage, and the pieces of it that answer."""
    texts = _texts(columns)
    asked, told = _called(texts, QUESTIONS), _called(texts, PASSAGES)
    others = [name for name in texts if name not in asked]
    told = told or (others if len(others) == 1 else [])
    found = [name for name, column in columns.items() if are(column, ANSWERS)]
    if len(found) != 1 or len(asked) != 1 or not told:
        return {}
    inputs = {asked[0]: "text", told[0]: "text"}
    return {"task": "question_answering", "inputs": inputs, "target": {"columns": found}}


def _marked(columns: Columns, wanted: Sequence[str]) -> dict[str, Any]:
    """A text and its spans."""
    texts = _texts(columns)
    texts = texts if len(texts) == 1 else _called(texts, ("text", "sentence", "文本"))
    found = [name for name, column in columns.items() if are(column, SPANS)]
    if len(found) != 1 or len(texts) != 1:
        return {}
    return {"task": "token_classification", "inputs": {texts[0]: "text"}, "target": {"columns": found}}


def _liked(columns: Columns, wanted: Sequence[str]) -> dict[str, Any]:
    """Questions with the answer that is liked better, and the other one."""
    texts = _texts(columns)
    both, asked = _called(texts, ("chosen", "rejected")), _called(texts, PROMPTS)
    if len(both) != 2 or not asked:
        return {}
    target = {"columns": both[:1], "rejected": both[1]}
    return {"task": "text_generation", "inputs": dict.fromkeys(asked, "text"), "target": target}


def _instructed(columns: Columns, wanted: Sequence[str]) -> dict[str, Any]:
    """What is asked, and what is to be written."""
    texts = _texts(columns)
    asked, written = _called(texts, PROMPTS), _called(texts, WRITTEN)
    if not asked or len(written) != 1:
        return {}
    return {"task": "text_generation", "inputs": dict.fromkeys(asked, "text"), "target": {"columns": written}}


def _talked(columns: Columns, wanted: Sequence[str]) -> dict[str, Any]:
    found = [name for name, column in columns.items() if are(column, *TURNS)]
    return {"task": "text_generation", "inputs": {found[0]: "dialogue"}} if len(found) == 1 else {}


def _translated(columns: Columns, wanted: Sequence[str]) -> dict[str, Any]:
    """Two languages, where it is said which one is to be written."""
    both = pair(_texts(columns))
    if len(wanted) != 1 or wanted[0] not in both:
        return {}
    asked = {name: "text" for name in both if name != wanted[0]}
    return {"task": "translation", "inputs": asked, "target": {"columns": list(wanted)}}


RULES: tuple[Callable[[Columns, Sequence[str]], dict[str, Any]], ...] = (
    _answered,
    _marked,
    _liked,
    _instructed,
    _talked,
    _translated,
)


def _texts(columns: Columns) -> list[str]:
    """Columns of text that are no lists in disguise."""
    return [
        name
        for name, column in columns.items()
        if clean.is_text(column.type) and not are(column, ANSWERS, SPANS, *TURNS)
    ]


def _called(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Those of these names, in the order in which they are known."""
    return [name for one in known for name in names if name.lower() == one]
