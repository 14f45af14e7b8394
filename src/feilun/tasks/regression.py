"""Regression: any mix of columns in, a number out, or several."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.task import Graph, Json, Picture, Row, Rows, Score, State, Task
from feilun.parts.features import mixed
from feilun.parts.metrics import drawings, expression, money
from feilun.parts.metrics import regression as metrics
from feilun.parts.ops import numerals

if TYPE_CHECKING:
    from torch import Tensor, nn

    from feilun.core.protocols import Feature, Runner
    from feilun.core.recipe import Recipe, Target
    from feilun.core.task import Features
    from feilun.parts.engine.losses import Loss

ALIASES = ("tabular_regression",)


def features(recipe: Recipe) -> dict[str, Feature]:
    """Numbers together, categories together, texts and pictures each on their own; the standardised `target`."""
    target = _target(recipe)
    money.refuse(recipe, "the answers are numbers")
    unknown = ("score", "chance") if len(target.columns) == 1 else ("score", "chance", "actual", "predicted")
    expression.refuse(recipe.evaluate.metrics, unknown, "the answers are numbers")
    numbers = discover.feature("number", columns=target.columns, **{**target.options, "target": True})
    return {**mixed.inputs(recipe), "target": numbers}


def build(recipe: Recipe, features: Features) -> dict[str, nn.Module]:
    """One encoder per input, joined, and a standardised number per target."""
    from feilun.parts.models import fused

    inputs = tuple(name for name in features if name != "target")
    return {"main": fused.build(recipe.model, features, inputs, len(_target(recipe).columns), name="values")}


def objective(
    networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str, *, loss: Loss | None = None
) -> Tensor:
    """Squared error of the standardised numbers, mean over targets; or another loss."""
    from feilun.parts.engine import losses

    said = networks[player](**{name: value for name, value in batch.items() if name != "target"})["values"]
    return losses.by_row(loss or losses.squared, said, batch["target"])


def graphs(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Graph]:
    """`main`: the whole network."""
    from feilun.parts.models import fused

    return {"main": fused.graph(networks["main"], {name: x for name, x in batch.items() if name != "target"})}


def settle(run: Runner, rows: Mapping[str, Rows], features: Features, recipe: Recipe) -> State:
    """The targets' names, and how far answers are off on validation rows (root mean square, by target)."""
    target: Any = features["target"]
    seen = rows["validation"]
    outputs = [run("main", **batch)["values"] for batch in mixed.batches(features, seen)]
    state: State = {"targets": list(target.columns)}
    if not outputs:
        return state
    gaps = target.decode(np.concatenate(outputs)) - target.decode(target.encode(seen))
    return {**state, "typical_error": np.sqrt((gaps**2).mean(0)).tolist()}


def answer(run: Runner, inputs: Mapping[str, np.ndarray], features: Features, state: State) -> list[Json]:
    """Per row `{value}`, or `{values: {target: number}}` where there are several."""
    target: Any = features["target"]
    made = target.decode(run("main", **inputs)["values"])
    names = state["targets"]
    if len(names) == 1:
        return [{"value": float(row[0])} for row in made]
    return [{"values": dict(zip(names, map(float, row), strict=True))} for row in made]


def truth(row: Row, recipe: Recipe) -> Json:
    """The number; `{target: number}` where there are several."""
    columns = _target(recipe).columns
    found = {column: _number(row[column], column) for column in columns}
    return found[columns[0]] if len(columns) == 1 else found


def correct(row: Row, feedback: Json, recipe: Recipe) -> Row:
    """Feedback is `{"value": 3.5}` or the bare number; `{"values": {target: number}}` where there are several.

    Raises DataError for anything that is no finite number, and for a target that is missing or unknown.
    """
    columns = _target(recipe).columns
    said = feedback
    if isinstance(feedback, Mapping) and len(feedback) == 1:
        said = feedback.get("value", feedback.get("values", feedback))
    if len(columns) == 1 and not isinstance(said, Mapping):
        return {**row, columns[0]: _number(said, columns[0])}
    if not isinstance(said, Mapping) or set(said) != set(columns):
        raise DataError(
            f"The correction is {feedback!r:.200}; expected a number for each of: {', '.join(columns)}.",
            where=columns[0],
            expected=", ".join(columns),
            got=f"{feedback!r:.200}",
            fix="send {'value': 3.5}" if len(columns) == 1 else "send {'values': {target: number}}",
        )
    return {**row, **{column: _number(said[column], column) for column in columns}}


def scores(answers: Sequence[Json], truths: Sequence[Json], recipe: Recipe) -> dict[str, Score]:
    """rmse, mae, median error, mape, r2; pinball losses if asked for. The main one is first."""
    said, true = _matrix(answers, recipe), _matrix([_as_answer(one) for one in truths], recipe)
    made = {
        "rmse": Score(statistic=metrics.rmse(said, true), better="lower"),
        "mae": Score(rows=metrics.mae(said, true), better="lower"),
        "median_error": Score(statistic=metrics.median_error(said, true), better="lower"),
    }
    main = recipe.evaluate.score or "rmse"
    if len(true) and true.all():
        made["mape"] = Score(rows=metrics.mape(said, true), better="lower", unit="%")
    if main in metrics.QUANTILES:
        made[main] = Score(rows=metrics.pinball(said, true, metrics.QUANTILES[main]), better="lower")
    if len(true) > 1 and (true.std(0) > 0).all():
        made["r2"] = Score(statistic=metrics.r2(said, true))
    return {name: made[name] for name in sorted(made, key=lambda name: name != main)}


def baselines(rows: Rows, recipe: Recipe) -> Mapping[str, Callable[[Rows], list[Json]]]:
    """The mean of the training rows; ridge regression; for tables also gradient boosting."""
    from feilun.parts.models import baselines as classical

    columns = _target(recipe).columns
    truths = np.array([[_number(value, column) for value in rows[column]] for column in columns]).T
    kinds = {name: given.kind for name, given in recipe.inputs.items()}
    found: Mapping[str, Callable[[Rows], list[Json]]] = classical.regressors(rows, truths, columns, kinds, recipe.seed)
    return found


def pictures(answers: Sequence[Json], truths: Sequence[Json], rows: Rows, recipe: Recipe) -> list[Picture]:
    """Prediction against truth, one picture per target."""
    if not truths:
        return []
    said, true = _matrix(answers, recipe), _matrix([_as_answer(one) for one in truths], recipe)
    names = _target(recipe).columns
    return [drawings.residuals(said[:, place], true[:, place], name) for place, name in enumerate(names)]


def example(seed: int) -> list[Row]:
    """442 patients and how far their diabetes went on within a year, from scikit-learn; the order follows the seed."""
    from sklearn.datasets import load_diabetes

    loaded = load_diabetes(scaled=False)
    names = [str(name) for name in loaded.feature_names]
    rows = []
    for place in np.random.default_rng(seed).permutation(len(loaded.target)):
        row: Row = {name: float(value) for name, value in zip(names, loaded.data[place], strict=True)}
        row["sex"] = str(int(row["sex"]))
        rows.append({**row, "progression": float(loaded.target[place])})
    return rows


def _target(recipe: Recipe) -> Target:
    if recipe.target is None:
        raise RecipeError(
            "target is missing: which column holds the number?", where="target", fix="add target: COLUMN to the recipe"
        )
    return recipe.target


def _number(value: Any, column: str) -> float:
    """Raises DataError for anything that is no finite number."""
    wrong = value is None or isinstance(value, bool | list | dict | bytes)
    wrong = wrong or (isinstance(value, str) and not numerals.PLAIN.fullmatch(value.strip()))
    try:
        found = math.nan if wrong else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise DataError(
            f"{column!r} must be a finite number; it is {value!r:.80}. Send a number, such as 3.5.",
            where=column,
            expected="a finite number",
            got=f"{value!r:.80}",
            fix="send a number",
        )
    return found


def _as_answer(truth: Json) -> Json:
    return {"values": truth} if isinstance(truth, Mapping) else {"value": truth}


def _matrix(answers: Sequence[Json], recipe: Recipe) -> np.ndarray:
    """float64 (N, targets)."""
    columns = _target(recipe).columns
    rows = [[a["value"]] if "value" in a else [a["values"][column] for column in columns] for a in answers]
    return np.array(rows, np.float64).reshape(len(answers), len(columns))


TASK = Task(
    summary="Predict a number, or several, from any mix of columns",
    example=example,
    example_recipe={
        "inputs": {
            **dict.fromkeys(("age", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"), "number"),
            "sex": "category",
        },
        "target": "progression",
        "model": {"name": "mlp", "width": 16, "depth": 1, "activation": "tanh"},
        "train": {"epochs": 60, "batch_size": 32, "learning_rate": 0.005, "patience": None},
    },
    features=features,
    build=build,
    objective=objective,
    losses=("squared", "absolute", "huber"),
    outputs={"values": "real"},
    graphs=graphs,
    settle=settle,
    answer=answer,
    truth=truth,
    correct=correct,
    scores=scores,
    paired="mae",
    baselines=baselines,
    pictures=pictures,
)
