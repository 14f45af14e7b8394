"""Answers in money: the table of costs, the threshold, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from feilun.core.errors import RecipeError
from feilun.core.recipe import Costs, Recipe
from feilun.parts.metrics import money

COSTS = Costs(false_positive=1, false_negative=4, true_positive=-2)


def test_each_kind_of_answer_has_its_price() -> None:
    said, truth = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert money.made(COSTS, said, truth).tolist() == [2, -1, -4, 0]


def test_the_break_even_chance_costs_the_same_either_way() -> None:
    even = money.break_even(COSTS)
    of_yes = even * COSTS.true_positive + (1 - even) * COSTS.false_positive
    of_no = even * COSTS.false_negative + (1 - even) * COSTS.true_negative
    assert 0 < even < 1 and of_yes == pytest.approx(of_no)
    assert money.break_even(Costs(false_positive=0, false_negative=3)) == money.ALWAYS
    assert money.break_even(Costs(false_positive=3, false_negative=0)) == money.NEVER


def test_calibrated_chances_keep_the_break_even_threshold() -> None:
    draw = np.random.default_rng(0)
    chances = draw.random(3000)
    truth = draw.random(3000) < chances
    cut = money.best_threshold(COSTS, chances, truth)
    assert cut == pytest.approx(money.break_even(COSTS), abs=0.05)


def test_miscalibrated_chances_get_the_threshold_that_pays_on_the_rows() -> None:
    draw = np.random.default_rng(0)
    real = draw.random(3000)
    truth = draw.random(3000) < real
    chances = real**3  # far too low
    cut = money.best_threshold(COSTS, chances, truth)
    assert cut == pytest.approx(money.break_even(COSTS) ** 3, abs=0.01)
    earned = money.made(COSTS, chances >= cut, truth).mean()
    assert earned > money.made(COSTS, chances >= money.break_even(COSTS), truth).mean() + 0.05


def test_a_few_rows_decide_nothing() -> None:
    chances, truth = np.array([0.1, 0.2, 0.9]), np.array([True, False, True])
    assert money.best_threshold(COSTS, chances, truth) == money.break_even(COSTS)
    assert money.best_threshold(COSTS, np.zeros(0), np.zeros(0, bool)) == money.break_even(COSTS)


def test_the_curve_starts_with_always_yes() -> None:
    chances, truth = np.array([0.1, 0.6, 0.9]), np.array([False, False, True])
    curve = money.curve(COSTS, chances, truth)
    assert curve[0] == [0.0, pytest.approx(money.made(COSTS, np.ones(3, bool), truth).mean())]
    assert dict(map(tuple, curve))[0.5] == pytest.approx((0 - 1 + 2) / 3)


@pytest.mark.parametrize("costs", [Costs(), Costs(true_positive=3), Costs(false_positive=-1, false_negative=-1)])
def test_costs_that_leave_nothing_to_choose_are_refused(costs: Costs) -> None:
    with pytest.raises(RecipeError, match="no wrong answer costs more"):
        money.check(costs)


@pytest.mark.parametrize(
    ("task", "target"), [("regression", "y"), ("translation", "y"), ("recommendation", "y"), ("object_detection", "y")]
)
def test_costs_without_yes_and_no_are_refused_before_training(task: str, target: str) -> None:
    from feilun.core import discover

    kind = {"regression": "number", "translation": "text", "recommendation": "category", "object_detection": "image"}
    recipe = Recipe.model_validate(
        {"task": task, "inputs": {"x": kind[task]}, "target": target, "evaluate": {"costs": {"false_positive": 1}}}
    )
    with pytest.raises(RecipeError, match="two classes"):
        discover.task(task).features(recipe)
