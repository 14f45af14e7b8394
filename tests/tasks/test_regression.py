"""Regression: answers in the target's unit, feedback that is no number, scores and baselines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from feilun.core.errors import DataError
from feilun.core.recipe import Recipe
from feilun.parts.bundle.answering import answer_rows
from feilun.stages.evaluation.markup import safe
from feilun.tasks.regression import TASK

DRAW = np.random.default_rng(1)


def _recipe(**keys: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "task": "regression",
            "inputs": {"x": {"kind": "number", "transform": "none"}},
            "target": "y",
            "model": "linear",
            **keys,
        }
    )


def _rows(*targets: str) -> dict[str, list[Any]]:
    x = DRAW.normal(size=200)
    made = {"x": x.tolist()}
    return {**made, **{name: (1000 + 50 * (place + 1) * x).tolist() for place, name in enumerate(targets)}}


@pytest.mark.parametrize("targets", [("y",), ("y", "z")])
def test_answers_are_in_the_targets_unit(targets: tuple[str, ...]) -> None:
    rows, recipe = _rows(*targets), _recipe(target=list(targets))
    features = {name: feature.fit(rows) for name, feature in TASK.features(recipe).items()}
    spread = np.std(rows["x"])

    def run(graph: str, /, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        right = (arrays["numbers"] - np.mean(rows["x"])) / spread  # standardised, both targets are x standardised
        return {"values": np.repeat(right, len(targets), axis=1)}

    state = TASK.settle(run, {"train": rows, "validation": rows}, features, recipe)
    assert state["typical_error"] == pytest.approx([0.0] * len(targets), abs=0.01)
    answers = answer_rows(TASK, run, features, state, {"x": rows["x"]})
    truths = [TASK.truth(dict(zip(rows, row, strict=True)), recipe) for row in zip(*rows.values(), strict=True)]
    made = TASK.scores(answers, truths, recipe)
    assert next(iter(made)) == "rmse" and {"mae", "median_error", "r2"} <= set(made)
    assert made["mae"].rows.max() < 0.01  # float32 of numbers around 1,000
    assert made["r2"].statistic(np.arange(200)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("feedback", [3.5, "3.5", {"value": 3.5}, {"value": "3.5"}])
def test_feedback_becomes_a_row(feedback: Any) -> None:
    assert TASK.correct({"x": 1.0}, feedback, _recipe()) == {"x": 1.0, "y": 3.5}


def test_feedback_of_several_numbers() -> None:
    recipe = _recipe(target=["y", "z"])
    for feedback in ({"values": {"y": 1, "z": 2}}, {"y": 1, "z": 2}):
        assert TASK.correct({}, feedback, recipe) == {"y": 1.0, "z": 2.0}
    for feedback in (1.0, {"values": {"y": 1}}, {"y": 1, "z": 2, "w": 3}):
        with pytest.raises(DataError, match="y, z"):
            TASK.correct({}, feedback, recipe)


@pytest.mark.parametrize("feedback", [None, "cheap", {}, {"value": None}, {"valeu": 3}, [3], True, float("inf")])
def test_feedback_that_is_no_number_is_refused(feedback: Any) -> None:
    with pytest.raises(DataError, match="number"):
        TASK.correct({}, feedback, _recipe())


def test_baselines_are_compared_in_the_targets_unit() -> None:
    rows = {**_rows("y"), "c": DRAW.choice(["a", "b"], 200).tolist()}
    rows["y"] = [value + 400 * (letter == "a") for value, letter in zip(rows["y"], rows["c"], strict=True)]
    recipe = _recipe(inputs={"x": "number", "c": "category"})
    index = np.arange(200)
    errors = {
        name: TASK.scores(answer({k: v for k, v in rows.items() if k != "y"}), rows["y"], recipe)["rmse"].statistic(
            index
        )
        for name, answer in TASK.baselines(rows, recipe).items()
    }
    assert list(errors) == ["gradient_boosting", "ridge_regression", "mean"]
    assert errors["ridge_regression"] < 5 and errors["gradient_boosting"] < 60 and errors["mean"] > 190


def test_a_constant_truth_has_no_r2_and_pictures_are_plain() -> None:
    answers = [{"value": 1.0}, {"value": 2.0}]
    made = TASK.scores(answers, [3.0, 3.0], _recipe(evaluate={"score": "mae"}))
    assert next(iter(made)) == "mae" and "rmse" in made and "r2" not in made
    (picture,) = TASK.pictures(answers, [1.5, 2.5], {}, _recipe())
    assert safe(picture.svg).count("<circle") == 2
    assert TASK.pictures([], [], {}, _recipe()) == []


def test_the_example_has_its_columns() -> None:
    rows = TASK.example(0)
    assert len(rows) == 442 and set(rows[0]) == {*TASK.example_recipe["inputs"], "progression"}
    assert rows != TASK.example(1)
