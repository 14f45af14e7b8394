"""Answers in money: what each yes and no brings, and the threshold that makes the most of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from feilun.core.errors import RecipeError

if TYPE_CHECKING:
    from feilun.core.recipe import Costs, Recipe

ALWAYS, NEVER = 0.0, float(np.nextafter(1.0, 2.0))  # a chance of 1 is below NEVER
CANDIDATES = 200  # thresholds tried, at most
POINTS = np.linspace(0, 1, 101)  # of the curve that is drawn


def made(costs: Costs, said: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """float64 (N,): money per answer, costs taken off.  said, truth: bool (N,), yes is True."""
    table = np.array([[costs.true_negative, costs.false_positive], [costs.false_negative, costs.true_positive]])
    return -table[truth.astype(np.int64), said.astype(np.int64)]


def break_even(costs: Costs) -> float:
    """The chance of yes from which saying yes costs less: (FP - TN) / (FP - TN + FN - TP), Elkan 2001.

    ALWAYS or NEVER where one answer is never worse.
    """
    of_no, of_yes = costs.false_positive - costs.true_negative, costs.false_negative - costs.true_positive
    if of_no <= 0 < of_yes or (of_no < 0 and of_yes == 0):
        return ALWAYS
    if of_yes <= 0:
        return NEVER
    return of_no / (of_no + of_yes)


def best_threshold(costs: Costs, chances: np.ndarray, truth: np.ndarray) -> float:
    """The threshold with the most money on these rows: the break-even chance, unless another is better beyond doubt.

    Probabilities are calibrated before, so the break-even chance is right but for what calibration misses; another
    threshold must beat it by two standard errors of the difference, that a few rows do not decide.
    chances: of yes, float (N,).  truth: bool (N,).
    """
    start = break_even(costs)
    if not len(chances):
        return start
    tried = np.unique(np.quantile(chances, np.linspace(0, 1, CANDIDATES)))
    tried = np.concatenate([[ALWAYS], (tried[1:] + tried[:-1]) / 2, [NEVER]])
    before = made(costs, chances >= start, truth)
    totals = [float(made(costs, chances >= cut, truth).mean()) for cut in tried]
    best = float(tried[int(np.argmax(totals))])
    gain = made(costs, chances >= best, truth) - before
    error = float(gain.std()) / len(gain) ** 0.5
    return best if gain.mean() > 2 * error > 0 else start


def curve(costs: Costs, chances: np.ndarray, truth: np.ndarray) -> list[list[float]]:
    """[[threshold, money per row], ...] from 0, which is always yes."""
    return [[round(float(cut), 4), float(made(costs, chances >= cut, truth).mean())] for cut in POINTS]


def check(costs: Costs) -> None:
    """Raises RecipeError for costs that leave nothing to choose, or that pay for being wrong."""
    of_no, of_yes = costs.false_positive - costs.true_negative, costs.false_negative - costs.true_positive
    if of_no <= 0 and of_yes <= 0:
        got = ", ".join(f"{name} {value:g}" for name, value in costs.model_dump().items())
        raise RecipeError(
            f"evaluate.costs is {got}: no wrong answer costs more than the right one. What is lost is positive, what "
            "is gained negative; name at least false_positive and false_negative.",
            where="evaluate.costs",
            expected="a wrong answer that costs more than the right one",
            got=got,
            fix="evaluate: {costs: {false_positive: 1, false_negative: 5}}",
        )


def refuse(recipe: Recipe, what: str) -> None:
    """Raises RecipeError if there are costs: they need a question of yes or no, and this is none."""
    if recipe.evaluate.costs is not None:
        raise RecipeError(
            f"evaluate.costs needs a target with two classes, yes and no; {what}. Take evaluate.costs out, or write "
            "what you want to know under evaluate.metrics.",
            where="evaluate.costs",
            expected="two classes",
            got=what,
            fix="take evaluate.costs out",
        )
