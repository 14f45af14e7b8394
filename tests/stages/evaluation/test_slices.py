"""Weak spots: a planted weakness is found, in one column or in two, and chance is not called a weakness."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from feilun.core.recipe import Recipe
from feilun.core.task import Score
from feilun.parts.metrics.resampling import Draw
from feilun.stages.evaluation import judged, slices

COUNT = 1200
KINDS = {"age": "number", "town": "category", "plan": "category", "note": "text", "photo": "image"}
RECIPE = Recipe.model_validate({"task": "classification", "inputs": KINDS, "target": "y"})


def rows(seed: int) -> dict[str, list[Any]]:
    draw = np.random.default_rng(seed)
    return {
        "age": draw.uniform(18, 90, COUNT).tolist(),
        "town": [("Bern", "Köln", "成都")[place] for place in draw.integers(0, 3, COUNT)],
        "plan": [("free", "paid")[place] for place in draw.integers(0, 2, COUNT)],
        "note": ["x" * length for length in draw.integers(1, 100, COUNT)],
        "photo": [b""] * COUNT,
    }


def found(
    given: dict[str, list[Any]], right: Any, groups: Any = None, better: str = "higher", main: str = "accuracy"
) -> dict[str, Any]:
    values = np.asarray(right, np.float64)
    scores = {
        "auc": Score(statistic=lambda index: 0.5),
        "accuracy": Score(rows=values, unit="%" if better == "higher" else "", better=better),
    }
    task = SimpleNamespace(scores=lambda answers, truths, recipe: scores, paired="accuracy")
    model: Any = SimpleNamespace(task=task, recipe=RECIPE)
    seen: Any = SimpleNamespace(rows=given, answers=[], truths=[])
    draw = Draw(n=COUNT, seed=0, resamples=200, groups=groups)
    return slices.described(model, seen, draw, main, [{"input": name} for name in KINDS])


def wrong_where(given: dict[str, list[Any]], rare: float, often: float, **values: str) -> list[float]:
    draw = np.random.default_rng(9).random(COUNT)
    inside = [all(given[name][place] == value for name, value in values.items()) for place in range(COUNT)]
    return [float(draw[place] > (often if inside[place] else rare)) for place in range(COUNT)]


def test_a_weakness_in_one_column_comes_first_and_is_clear() -> None:
    given = rows(0)
    made = found(given, wrong_where(given, 0.1, 0.3, town="成都"))
    first = made["rows"][0]
    assert first["where"] == [["town", "成都"]] and first["clear"]
    assert first["n"] == given["town"].count("成都") and first["others"] > 0.86
    assert first["score"]["low"] < first["score"]["value"] < first["score"]["high"] < first["others"]
    assert len(made["rows"]) <= 3 and made["looked_at"] > 50, "pairs are looked at too"
    assert all(row["where"] != [["town", "成都"], ["plan", "paid"]] for row in made["rows"]), "one column says it all"


def test_a_weakness_in_two_columns_is_found_though_each_alone_looks_fair() -> None:
    given = rows(1)
    made = found(given, wrong_where(given, 0.08, 0.5, town="Bern", plan="free"))
    assert made["rows"][0]["where"] == [["town", "Bern"], ["plan", "free"]] and made["rows"][0]["clear"]


def test_of_many_slices_chance_makes_a_clear_one_in_one_of_twenty_tables() -> None:
    """If every slice were judged alone, nearly every table would hold a clear one."""
    clear = 0
    for seed in range(60):
        given = rows(seed)
        right = (np.random.default_rng(1000 + seed).random(COUNT) > 0.2).astype(float)
        clear += any(row["clear"] for row in found(given, right)["rows"])
    assert clear <= 8  # 0.05 of 60 is 3; more than 8 happens by chance in less than 1 of 200 such tests


def test_rows_of_one_group_do_not_count_as_many() -> None:
    """40 patients of 30 rows each: what one of them gets wrong says little of the town."""
    given = rows(2)
    patients = np.repeat(np.arange(40), 30)
    given["town"] = ["Bern" if patient < 3 else "Köln" for patient in patients]
    right = np.where(np.isin(patients, (0, 10, 20, 30)), 0.0, 1.0)
    alone, together = found(given, right), found(given, right, groups=patients)
    town = [["town", "Bern"]]
    assert next(row for row in alone["rows"] if row["where"] == town)["clear"]
    assert not any(row["clear"] for row in together["rows"] if row["where"] == town)


def test_errors_are_worse_where_they_are_larger_and_a_score_without_rows_is_replaced() -> None:
    given = rows(3)
    errors = np.random.default_rng(3).exponential(1.0, COUNT) + 2.0 * (np.array(given["plan"]) == "paid")
    made = found(given, errors, better="lower", main="auc")
    assert made["score"] == "accuracy" and made["rows"][0]["where"] == [["plan", "paid"]]


def test_what_cannot_be_cut_says_nothing() -> None:
    given = {"photo": [b""] * COUNT, "town": ["Bern"] * COUNT}
    assert found(given, np.ones(COUNT)) == {}


def test_the_report_says_how_many_were_looked_at_in_both_languages() -> None:
    given = rows(0)
    scores = {"slices": found(given, wrong_where(given, 0.1, 0.3, note="never", town="成都"))}
    scores["slices"]["rows"][0]["clear"] = True
    spots = judged.weak_spots(scores)
    count = f"{scores['slices']['looked_at']:,}"
    assert count in spots["head"].en and count in spots["head"].zh and spots["head"].en != spots["head"].zh
    assert "even as the worst of" in spots["rows"][0]["words"].en
    assert len(judged.weakest(scores)) == len(scores["slices"]["rows"])
