"""The language of business metrics: what it computes, what it refuses, and where it says the mistake is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.core.recipe import Recipe
from feilun.core.task import Score
from feilun.parts.metrics import computed, expression, intervals, values

GIVEN = {
    "actual": values.column(["bad", "good", "bad", None]),
    "predicted": values.column(["good", "good", "bad", "bad"]),
    "score": values.column([0.1, 0.9, 0.8, 0.3]),
    "amount": values.column([1, 2, None, 4]),
    "tags": values.column([["a"], ["a", "b"], [], ["b"]]),
    "number of": values.column([1.0, 1.0, 2.0, 3.0]),
    "code": values.column(["1", "2", "10", None]),
    "day": values.column(["2024-01-05", "2024-02-01", "2023-12-31", None]),
    "paid": values.column([True, False, True, True]),
}


def value(text: str, index: Any = (0, 1, 2, 3)) -> float:
    return computed.statistic(expression.read(text), GIVEN)(np.asarray(index))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('mean(actual == "bad") where predicted == "good"', 0.5),
        ("sum(score) / count()", 0.525),
        ('share(score > 0.5 and not actual in ["bad"])', 0.25),
        ("mean(amount) where amount < 3", 1.5),
        ("mean(amount)", 7 / 3),  # what is missing is left out
        ("count(amount >= 2) + 1 * -2", 0.0),
        ("mean(abs(score - 0.5)) where 0.2 < score < 0.85", 0.25),
        ('count() where column("number of") == 1', 2.0),
        ('max(amount) where actual == "good" or predicted == "bad"', 4.0),
        ("median(score) - min(score)", 0.45),
        ('count() where "a" in tags', 2.0),
        ("count() where code == 1", 1.0),  # labels are texts; who writes a number means the same
        ("count() where code > 1", 2.0),  # 10 is more than 2 as a number, not as a text
        ('count() where day >= "2024-01-01"', 2.0),
        ("share(paid)", 0.75),
        ('count() where actual != "bad"', 2.0),
        ('count(actual not in ("bad", "ugly"))', 2.0),
        ("sum(amount / (score - score)) where amount > 0", 0.0),  # nothing divided by 0 is known
    ],
)
def test_it_computes(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected)


def test_rows_are_chosen_before_the_condition_and_may_come_twice() -> None:
    text = 'mean(actual == "bad") where predicted == "good"'
    assert value(text, [0, 0, 1]) == pytest.approx(2 / 3)
    assert math.isnan(value(text, [2, 3]))  # no such rows
    assert value("count() where score > 5") == value("sum(score) where score > 5") == 0.0


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ('mean(actuall == "bad")', 6, "Did you mean actual"),
        ('__import__("os").system("ls")', 1, "not part of the language"),
        ("mean(actual", 5, "never closed"),
        ("mean(x for x in y)", 5, "not part"),
        ('actual == "bad"', 1, "value per row"),
        ("mean(score) where", 18, ""),
        ("mean(score) where mean(score)", 19, "condition on rows"),
        ("mean(score) where score + lambda_: 1", 34, ""),
        ("mean(mean(score))", 6, "inside another"),
        ("avg(score)", 1, "There are: mean, sum"),
        ("score.real", 1, "not part"),
        ("(" * 400, 201, "too many nested"),
        ("mean(score ** 9)", 6, "not part"),
        ('mean(f"{score}")', 6, "not part"),
        ("mean(score, 1)", 1, "takes one value"),
        ("mean(actual is None)", 6, "not part"),
        ("mean(score[0])", 6, "not part"),
        ("sum(score) where actual in [open]", 29, "texts and numbers only"),
        ("[1 for _ in (1,)]", 1, "not part"),
        ("mean(score) if 1 else 2", 1, "not part"),
        ("", 1, ""),
        ("1 +" * 500, 1, "1500 characters"),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, at: int, said: str) -> None:
    with pytest.raises(RecipeError, match=rf"character {at} of") as caught:
        expression.check({"default_rate": text}, GIVEN)
    assert said in str(caught.value) and caught.value.where == "evaluate.metrics.default_rate"


@pytest.mark.parametrize(
    "text", ["mean(actual + 1)", "mean(score) where score", "count(score)", 'mean(score) where "a" in actual']
)
def test_values_that_do_not_fit_are_named(text: str) -> None:
    with pytest.raises(RecipeError, match=r"evaluate\.metrics\.m"):
        computed.statistic(expression.read(text, "m"), GIVEN)(np.arange(4))


def test_columns_are_the_names_that_are_no_words() -> None:
    found = expression.columns('mean(收入 > 3 and actual == "x") where column("a b") < chance * debt')
    assert found == {"收入", "a b", "debt"}
    assert expression.columns("count()") == set()


def test_the_name_of_a_score_is_taken() -> None:
    with pytest.raises(RecipeError, match="already a score"):
        expression.check({"accuracy": "mean(score)"}, (), ("accuracy",))
    expression.check({"mine": "mean(score)"}, (), ("accuracy",))


@pytest.mark.parametrize(
    ("task", "inputs", "text"),
    [
        ("regression", {"x": "number"}, "mean(score)"),
        ("translation", {"x": "text"}, "mean(chance)"),
        ("recommendation", {"x": "category"}, "mean(score)"),
        ("object_detection", {"x": "image"}, "mean(score)"),
        ("image_generation", {"x": "category"}, "mean(chance)"),
    ],
)
def test_what_a_task_does_not_say_is_refused_before_training(task: str, inputs: dict[str, str], text: str) -> None:
    keys = {"task": task, "inputs": inputs, "target": "y", "evaluate": {"metrics": {"mine": text}}}
    recipe = Recipe.model_validate(keys)
    with pytest.raises(RecipeError, match=r"evaluate\.metrics\.mine, character 6"):
        discover.task(task).features(recipe)


@pytest.mark.parametrize(
    "text",
    [
        "mean(" + "-" * 980 + "a)",
        "mean(a > 1" + "0" * 400 + ")",
        "mean(predicted == 1e999)",
        "mean(a > mean)",
    ],
)
def test_what_cannot_be_computed_is_refused_before_training(text: str) -> None:
    with pytest.raises(RecipeError):
        expression.read(text, "m")


@pytest.mark.parametrize(
    "text",
    [
        "mean(region)",
        "share(income)",
        '"abc"',
        "not mean(score)",
        "mean(score) where region",
        'mean(actual in ["yes"] == True)',
        "count() where region > 5",
        'mean(actual == "a") where actual in region',
    ],
)
def test_what_does_not_fit_its_column_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match=r"evaluate\.metrics\.mine"):
        expression.fit({"mine": text}, {"region": "text", "income": "number", "actual": "text"})


def test_a_column_with_infinity_is_compared() -> None:
    given = {"inf": values.column([math.inf, 1.0, 2.0])}
    assert computed.statistic(expression.read('mean(inf == "1")'), given)(np.arange(3)) == pytest.approx(1 / 3)


def test_shares_and_counts_are_never_certain() -> None:
    given = {"score": values.column([0.1] * 114)}
    for text, high in (("share(score > 0.9)", 0.033), ("count() where score > 0.9", 3.7)):
        score = Score(statistic=computed.statistic(expression.read(text), given), better="")
        found = intervals.interval(score, 0, 100, 114)
        assert found[:2] == (0.0, 0.0) and found[2] == pytest.approx(high, abs=0.05)
