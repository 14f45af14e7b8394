"""Business metrics of the recipe over rows and answers, with intervals; the language is parts/metrics/expression."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.task import Score
from feilun.parts.metrics import expression, values
from feilun.parts.metrics.expression import Expression
from feilun.parts.metrics.resampling import Draw

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Json, Rows

SAID = ("label", "labels", "value", "text", "items", "looks_like")  # where an answer holds what is predicted
TRUE = ("item", "label")  # where a truth that is an object holds it
NOTHING = "no such rows"


def described(
    recipe: Recipe, rows: Rows, answers: Sequence[Json], truths: Sequence[Json], draw: Draw
) -> dict[str, dict[str, Any]]:
    """{name: {value, low, high, better: "", unit, of: "business", expression, words}}; value is null of no rows.

    Raises RecipeError if a metric reads what is not there.
    """
    found = {}
    given = _given(recipe, rows, answers, truths) if recipe.evaluate.metrics else {}
    for name, text in recipe.evaluate.metrics.items():
        read = expression.read(text, name)
        score = Score(statistic=expression.statistic(read, given), better="", unit=_unit(read))
        ends = draw.ends(score)
        words = NOTHING if ends["value"] is None else ""
        about = {"better": "", "unit": score.unit, "of": "business", "expression": text, "words": words}
        found[name] = {**ends, **about}
    return found


def _given(recipe: Recipe, rows: Rows, answers: Sequence[Json], truths: Sequence[Json]) -> dict[str, np.ndarray]:
    """The language's names as far as this task's answers have them, and the columns that a metric reads."""
    wanted = {name for text in recipe.evaluate.metrics.values() for name in expression.columns(text)}
    columns = {expression.key(column): rows[column] for column in sorted(wanted & set(rows))}
    made: dict[str, Sequence[Any]] = dict(columns)
    made |= {"actual": [_true(one) for one in truths], "predicted": [_said(one) for one in answers]}
    made |= {"score": [_sure(one) for one in answers], "chance": _chances(recipe, answers)}
    said = {name: column for name, column in made.items() if name in columns or any(one is not None for one in column)}
    return {name: values.column(column) for name, column in said.items()}


def _said(answer: Json) -> Json:
    if isinstance(answer, list):
        return [str(box.get("label")) for box in answer]
    return next((answer[name] for name in SAID if name in answer), None)


def _true(truth: Json) -> Json:
    if isinstance(truth, list):
        return [str(one.get("label")) if isinstance(one, Mapping) else one for one in truth]
    return next((truth[name] for name in TRUE if name in truth), None) if isinstance(truth, Mapping) else truth


def _sure(answer: Json) -> float | None:
    if not isinstance(answer, Mapping):
        return None
    found = answer.get("score", answer.get("confidence"))
    return float(found) if isinstance(found, int | float) else None


def _chances(recipe: Recipe, answers: Sequence[Json]) -> list[float | None]:
    """The probability of the positive class: the recipe's, else the last of two; [] where there is none."""
    first = answers[0] if answers else None
    if not isinstance(first, Mapping) or not isinstance(first.get("scores"), Mapping):
        return []
    labels = list(first["scores"])
    positive = recipe.evaluate.positive or (labels[-1] if len(labels) == 2 else None)
    return [answer["scores"].get(positive) for answer in answers] if positive else []


def _unit(read: Expression) -> str:
    """A share is printed in percent."""
    match read.what:
        case ast.Call(func=ast.Name(id="share")):
            return "%"
        case ast.Call(func=ast.Name(id="mean"), args=[ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not())]):
            return "%"
    return ""
