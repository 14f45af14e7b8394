"""Groups, classes, money and business metrics in scores.json, on answers whose scores are known."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from feilun.core.errors import RecipeError
from feilun.core.recipe import Recipe
from feilun.parts.metrics import expression
from feilun.stages.evaluation import groups, judging, money
from feilun.stages.evaluation import judged as reported
from feilun.tasks.classification import TASK

N = 600
DRAW = np.random.default_rng(40)
TRUTHS = [("no", "yes")[place % 2] for place in range(N)]
REGION = ["north" if place % 3 else "south" for place in range(N)]


def answer(label: str, sure: float = 0.8) -> dict[str, Any]:
    chances = {"no": 1 - sure, "yes": sure} if label == "yes" else {"no": sure, "yes": 1 - sure}
    return {"label": label, "score": sure, "scores": chances}


def recipe(**evaluate: Any) -> Recipe:
    keys = {"task": "classification", "inputs": {"x": "number"}, "target": "y"}
    split = evaluate.pop("split", {})
    return Recipe.model_validate({**keys, "data": {"split": split}, "evaluate": {"bootstrap": 200, **evaluate}})


def answers(wrong_in_south: float, wrong_in_north: float, seed: int = 4) -> list[dict[str, Any]]:
    found, draw = [], np.random.default_rng(seed)
    for truth, region in zip(TRUTHS, REGION, strict=True):
        wrong = draw.random() < (wrong_in_south if region == "south" else wrong_in_north)
        found.append(answer({"no": "yes", "yes": "no"}[truth] if wrong else truth))
    return found


def judged(given: list[Any], rows: dict[str, Any], **evaluate: Any) -> dict[str, Any]:
    found = judging.judge(TASK, recipe(**evaluate), TRUTHS, given, {"same": given}, rows)
    json.dumps(found, allow_nan=False)
    return found


def test_a_group_that_loses_is_named_and_equal_ones_are_not() -> None:
    rows = {"region": REGION, "coin": [("head", "tail")[int(c)] for c in DRAW.random(N) < 0.5]}
    found = judged(answers(0.4, 0.1), rows, groups=["region", "coin"])["groups"]
    by_value = {(row["column"], row["value"]): row for row in found}
    assert by_value["region", "south"]["gap"]["words"] == "clearly worse"
    assert by_value["region", "north"]["gap"]["words"] == "clearly better"
    south = by_value["region", "south"]
    assert south["n"] == 200 and south["score"]["value"] == pytest.approx(0.6, abs=0.12)
    assert south["gap"]["low"] < south["gap"]["difference"] < south["gap"]["high"] < 0
    assert {by_value["coin", side]["gap"]["words"] for side in ("head", "tail")} == {"no clear difference"}


def test_numbers_are_cut_into_quarters_and_rare_values_are_put_together() -> None:
    ages = DRAW.uniform(18, 90, N).tolist()
    ages[:20] = [None] * 20
    towns = [f"town {place % 3}" if place > 40 else f"hamlet {place}" for place in range(N)]
    found = judged(answers(0.2, 0.2), {"age": ages, "town": towns}, groups=["age", "town"])["groups"]
    of_age = [row for row in found if row["column"] == "age"]
    assert [row["n"] for row in of_age if row["value"] == "(missing)"] == [20]
    assert len(of_age) == 5 and all(" – " in row["value"] for row in of_age if row["n"] != 20)
    assert [row["n"] for row in found if row["value"] == "(others)"] == [41]


def test_a_group_of_one_class_has_no_auc_and_says_so() -> None:
    rows = {"kind": TRUTHS}
    found = judged(answers(0.2, 0.2), rows, groups=["kind"], score="auc")["groups"]
    assert {row["score"]["value"] for row in found} == {None}
    assert {row["gap"]["words"] for row in found} == {"cannot be told from these rows"}


def test_an_unknown_group_column_is_the_users_mistake() -> None:
    with pytest.raises(RecipeError, match=r"'regio'.*region"):
        judged(answers(0.2, 0.2), {"region": REGION}, groups=["regio"])


def test_many_equal_groups_are_not_called_different_by_chance() -> None:
    """20 groups of the same quality, ten times: without correction ten would be called different."""
    called = 0
    for seed in range(10):
        rows = {"shop": [f"shop {place % 20}" for place in range(N)]}
        found = judged(answers(0.3, 0.3, seed), rows, groups=["shop"])["groups"]
        called += sum(row["gap"]["words"] != "no clear difference" for row in found)
    assert called <= 2  # one run in twenty may call one


def test_business_metrics_stand_among_the_scores_also_of_baselines() -> None:
    metrics = {
        "default_rate": 'mean(actual == "yes") where predicted == "no"',
        "north": 'share(actual == predicted) where region == "north"',
        "nothing": "mean(score) where chance > 2",
    }
    found = judged(answers(0.4, 0.0), {"region": REGION}, metrics=metrics)
    rate = found["scores"]["default_rate"]
    assert rate["of"] == "business" and rate["expression"] == metrics["default_rate"] and rate["unit"] == "%"
    assert rate["low"] < rate["value"] == pytest.approx(0.13, abs=0.06) and rate["value"] < rate["high"]
    assert found["scores"]["north"]["value"] == 1.0
    assert found["scores"]["nothing"]["value"] is None and found["scores"]["nothing"]["words"] == "no such rows"
    assert found["baselines"]["same"]["default_rate"]["value"] == rate["value"]


def test_intervals_are_over_groups_where_rows_were_split_by_group() -> None:
    patients = [place // 30 for place in range(N)]
    good = DRAW.random(20) < 0.6
    given = [
        answer(truth if good[patient] else {"no": "yes", "yes": "no"}[truth])
        for truth, patient in zip(TRUTHS, patients, strict=True)
    ]
    alone = judged(given, {"patient": patients})
    together = judged(given, {"patient": patients}, split={"by": "group", "column": "patient"})
    assert (alone["resampled"], together["resampled"]) == ("rows", "groups of patient")
    for name in ("accuracy", "f1", "log_loss", "auc"):
        width = [found["scores"][name]["high"] - found["scores"][name]["low"] for found in (alone, together)]
        assert width[1] > 2 * width[0], name


def test_every_class_is_listed_with_its_scores() -> None:
    found = judged(answers(0.3, 0.3), {})["classes"]
    assert [row["label"] for row in found] == ["no", "yes"] and found[0]["n"] == N // 2
    assert all(row["recall"]["low"] < row["recall"]["value"] < row["recall"]["high"] for row in found)
    assert sum(row["said"] for row in found) == N


def test_money_of_the_test_rows_beside_answers_without_a_model() -> None:
    costs = {"false_positive": 1, "false_negative": 4}
    found = judged(answers(0.2, 0.2), {}, costs=costs, positive="yes")["money"]
    assert found["positive"] == "yes" and found["costs"]["false_negative"] == 4
    assert found["others"] == {
        "always yes": pytest.approx(-0.5),
        "always no": pytest.approx(-2.0),
        "threshold 0.5": pytest.approx(found["per_row"]["value"]),
    }
    assert found["curve"][0] == [0.0, pytest.approx(-0.5)]
    assert "always no -2" in money.line({**found, "threshold": 0.2})


def test_money_is_the_main_score_unless_another_is_named() -> None:
    costs = {"false_positive": 1, "false_negative": 4}
    assert judged(answers(0.2, 0.2), {}, costs=costs)["main"] == "profit"
    assert judged(answers(0.2, 0.2), {}, costs=costs, score="auc")["main"] == "auc"
    assert judged(answers(0.2, 0.2), {})["main"] == "accuracy"


def test_a_baseline_gets_its_threshold_by_the_same_rule() -> None:
    asked = recipe(costs={"false_positive": 1, "false_negative": 9})
    draw = np.random.default_rng(8)
    chances = draw.random(3000)
    truths = ["yes" if one else "no" for one in draw.random(3000) < chances]
    said = [{"label": "no", "score": 1 - p, "scores": {"no": 1 - p, "yes": p}} for p in chances.tolist()]
    assert money.threshold(asked, said, truths, "yes") == pytest.approx(0.1, abs=0.03)
    assert money.threshold(asked, [], [], "yes") == pytest.approx(0.1), "without validation rows: break-even"
    timid = [{**one, "scores": {"no": 1 - p**3, "yes": p**3}} for one, p in zip(said, chances.tolist(), strict=True)]
    assert money.threshold(asked, timid, truths, "yes") < 0.02, "chances that are too low get the threshold that pays"
    found = money.decided([answer("no", 0.85), answer("no", 0.95)], ["yes", "no"], "yes", 0.1)
    assert [one["label"] for one in found] == ["yes", "no"]
    assert [list(one["scores"]) for one in found] == [["yes", "no"]] * 2, "the classes in the order of the model's"
    assert [one["score"] for one in found] == pytest.approx([0.15, 0.95])


def test_the_report_says_how_the_threshold_was_found() -> None:
    from feilun.stages.evaluation import judged as drawn

    costs = {"false_positive": 1.0, "false_negative": 4.0}
    found = judged(answers(0.2, 0.2), {}, costs=costs, positive="yes")

    def words(threshold: float, **changed: float) -> str:
        told = {**found["money"], "threshold": threshold, "costs": {**costs, **changed}}
        return str(drawn.money({**found, "money": told}, recipe(costs=costs))["words"])

    assert "from a probability of 0.2 on. By your costs both answers are worth the same there" in words(0.2)
    assert "from a probability of 0.4 on. On the validation rows that made clearly more than 0.2" in words(0.4)
    assert "Always say yes. By your costs the other answer never pays." in words(0.0, false_positive=0.0)
    assert "Never say yes. On the validation rows that made clearly more than 0.2" in words(1 + 2**-52)
    assert not any("the most" in words(threshold) for threshold in (0.0, 0.2, 0.4))


def test_a_group_column_that_tells_nothing_apart_says_so() -> None:
    rows = {"one": ["x"] * N, "each": [f"v{place}" for place in range(N)], "rare": ["a"] * (N - 3) + ["b"] * 3}
    found = judged(answers(0.2, 0.2), {**rows, "region": REGION}, groups=["one", "each", "rare", "region"])
    told = {row["column"]: row["words"] for row in found["silent_groups"]}
    assert told == {"one": groups.ALL_ONE, "each": groups.TOO_FEW.format(fewest=10), "rare": told["each"]}
    assert {row["column"] for row in found["groups"]} == {"region"}
    said = judging.table(found, "linear")
    assert f"  groups of one: {groups.ALL_ONE}" in said and sum("groups of" in text for text in said) == 3
    page = reported.groups(found, recipe())
    assert len(page["silent"]) == 3 and "取值相同" in page["silent"][0].zh
    alone = judged(answers(0.2, 0.2), {"one": ["x"] * N}, groups=["one"])
    assert [phrase.en for phrase in reported.groups(alone, recipe())["silent"]] == [f"one: {groups.ALL_ONE}."]


def test_a_column_called_score_is_never_taken_for_the_score() -> None:
    rows = {"score": [3.0] * N, "actual": ["bad"] * N}
    metrics = {
        "column": 'mean(column("score"))',
        "sure": 'mean(answer("score"))',
        "bad": 'share(column("actual") == "bad")',
    }
    found = judged(answers(0.0, 0.0), rows, metrics=metrics)["scores"]
    assert (found["column"]["value"], found["sure"]["value"], found["bad"]["value"]) == (3.0, pytest.approx(0.8), 1.0)
    for text in ("mean(score)", 'share(actual == "yes")', "mean(score) where score > 0.5"):
        with pytest.raises(RecipeError, match=r"is a column here, .*write column.* answer"):
            expression.check({"m": text}, ["score", "actual", "x"])
    with pytest.raises(RecipeError, match="takes one of actual, predicted"):
        expression.check({"m": 'mean(answer("x"))'}, ["x"])
