"""Which variant is served, and what counts as the same answer."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from feilun.stages.optimization import measuring
from feilun.stages.optimization.verbs import choose


def scores(fp32: float, int8: float, better: str = "higher") -> dict[str, Any]:
    return {"fp32": {"value": fp32, "better": better}, "int8": {"value": int8, "better": better}}


@pytest.mark.parametrize(
    ("validation", "tolerance", "served"),
    [
        (scores(0.90, 0.90), 0.0, "fp32"),  # tolerance 0: never
        (scores(0.90, 0.895), 0.01, "int8"),
        (scores(0.90, 0.88), 0.01, "fp32"),
        (scores(0.90, 0.95), 0.01, "int8"),
        (scores(10.0, 10.5, "lower"), 0.1, "fp32"),
        (scores(10.0, 10.05, "lower"), 0.1, "int8"),
        (scores(10.0, 5.0, "lower"), 0.1, "int8"),
        (scores(0.9, float("nan")), 0.1, "fp32"),
        ({"fp32": {"value": 0.9, "better": "higher"}}, 0.1, "fp32"),
        ({}, 0.1, "fp32"),
    ],
)
def test_int8_is_served_only_within_the_tolerance(validation: Any, tolerance: float, served: str) -> None:
    chosen, why = choose(validation, tolerance)
    assert chosen == served and why.endswith(".")


def test_agreement_looks_at_labels_and_allows_close_numbers() -> None:
    reference = [{"label": "a", "p": 0.90}, {"label": "b", "p": 0.50}, [1, 2], None, 1000.0]
    same = [{"label": "a", "p": 0.93}, {"label": "b", "p": 0.50}, [1, 2], None, 1040.0]
    other = [{"label": "b", "p": 0.90}, {"label": "b", "p": 0.56}, [1, 2, 3], "x", 1100.0]
    assert measuring.agreement(same, reference) == 1.0
    assert measuring.agreement(other, reference) == 0.0


def test_latency_counts_calls_and_rows() -> None:
    sizes: list[int] = []
    found = measuring.latency(lambda rows: sizes.append(len(rows)), [{"a": 1}, {"a": 2}])
    assert sizes.count(1) == measuring.CALLS + 1 and sizes.count(measuring.BATCH) == measuring.BATCHES + 1
    assert found["calls"] == measuring.CALLS and 0 <= found["row_ms"] < sys.maxsize


def test_a_variant_is_judged_over_the_groups_that_the_main_score_is() -> None:
    from feilun.core import discover
    from feilun.core.recipe import Recipe
    from feilun.stages.evaluation import judging

    split = {"by": "group", "column": "patient"}
    recipe = Recipe.model_validate({"task": "classification", "target": "y", "data": {"split": split}})
    task = discover.task("classification")
    rows = {"patient": [f"p{place // 20}" for place in range(400)]}
    truths = ["yes" if place % 2 else "no" for place in range(400)]
    said = [one if place % 100 >= 20 else "no" for place, one in enumerate(truths)]  # wrong only in whole groups
    answers = [{"label": one, "score": 0.8, "scores": {"no": 0.5, "yes": 0.5}} for one in said]
    found = measuring.score(task, recipe, "accuracy", answers, truths, rows)
    main = judging.judge(task, recipe, truths, answers, {}, rows)["scores"]["accuracy"]
    assert found == {"name": "accuracy", **main}
    alone = measuring.score(task, recipe, "accuracy", answers, truths, {})
    assert found["high"] - found["low"] > 1.5 * (alone["high"] - alone["low"])
