"""Any mix of input columns: numbers together, categories too, texts that join, every other text and picture alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.parts.ops.ragged import collate

if TYPE_CHECKING:
    from feilun.core.protocols import Feature
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features, Rows

TOGETHER = {"number": "numbers", "category": "categories"}  # kind -> name of the one feature of all such columns
TARGET = "target"


def inputs(recipe: Recipe) -> dict[str, Feature]:
    """{name: unfitted Feature} of the recipe's inputs, in the order in which kinds first appear.

    Raises RecipeError if there are none, or if columns that share a feature want different options.
    """
    if not recipe.inputs:
        raise RecipeError(
            "inputs is empty: there is nothing to predict from. Name at least one column with its kind.",
            where="inputs",
            expected="at least one column",
            got="none",
            fix="inputs: {COLUMN: number}",
        )
    columns: dict[str, list[str]] = {}
    options: dict[str, dict[str, Any]] = {}
    kinds: dict[str, str] = {}
    joined = ""  # name of the feature of all texts that join
    for column, given in recipe.inputs.items():
        name = TOGETHER.get(given.kind) or _free(column)
        if given.kind == "text" and given.options.get("join"):
            name = joined = joined or name
        kinds[name] = given.kind
        columns.setdefault(name, []).append(column)
        _merge(options.setdefault(name, {}), given.options, given.kind, column)
    if recipe.data.outliers in ("mark", "clip") and TOGETHER["number"] in options:
        options[TOGETHER["number"]].setdefault("outliers", recipe.data.outliers)
    return {name: discover.feature(kind, columns=tuple(columns[name]), **options[name]) for name, kind in kinds.items()}


def batches(features: Features, rows: Rows, size: int = 256) -> Iterator[dict[str, np.ndarray]]:
    """The input features of these rows, encoded and collated, a batch at a time."""
    asked = {name: feature for name, feature in features.items() if name != TARGET}
    count = len(next(iter(rows.values()), ()))
    for start in range(0, count, size):
        part = {column: values[start : start + size] for column, values in rows.items()}
        yield collate({name: feature.encode(part) for name, feature in asked.items()})


def _free(column: str) -> str:
    """The column's name, unless a feature of ours is called so."""
    return f"{column}_column" if column in (*TOGETHER.values(), TARGET) else column


def _merge(known: dict[str, Any], given: dict[str, Any], kind: str, column: str) -> None:
    for option, value in given.items():
        if known.setdefault(option, value) != value:
            raise RecipeError(
                f"inputs.{column}.{option} is {value!r}, another {kind} column has {known[option]!r}. All {kind} "
                "columns are encoded together: give them the same value.",
                where=f"inputs.{column}.{option}",
                expected=repr(known[option]),
                got=repr(value),
                fix=f"{option}: {known[option]}",
            )
