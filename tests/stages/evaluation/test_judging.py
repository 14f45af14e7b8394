"""What the scores say, in words, and that the words follow the intervals."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from feilun.core.errors import RecipeError
from feilun.core.recipe import Recipe
from feilun.core.task import Score
from feilun.stages.evaluation import examples, judging

N = 400
TRUTHS = (np.arange(N) % 2).tolist()


def scores(answers: Any, truths: Any, recipe: Any) -> dict[str, Score]:
    right = (np.asarray(answers) == np.asarray(truths)).astype(np.float64)
    return {
        "accuracy": Score(rows=right, unit="%"),
        "error": Score(statistic=lambda index: float(1 - right[index].mean()), better="lower"),
    }


TASK: Any = SimpleNamespace(scores=scores)


def wrong_at(*places: int) -> list[int]:
    answers = list(TRUTHS)
    for place in places:
        answers[place] = 1 - answers[place]
    return answers


def judged(ours: list[int], score: str | None = None, **others: list[int]) -> dict[str, Any]:
    recipe = Recipe.model_validate({"evaluate": {"score": score, "bootstrap": 200}})
    return judging.judge(TASK, recipe, TRUTHS, ours, others)


@pytest.mark.parametrize("score", ["accuracy", "error"])
@pytest.mark.parametrize(
    ("ours", "theirs", "words", "level"),
    [(4, 100, "clearly better", "good"), (100, 4, "clearly worse", "bad"), (40, 42, "no clear difference", "even")],
)
def test_words_follow_the_paired_interval(score: str, ours: int, theirs: int, words: str, level: str) -> None:
    found = judged(wrong_at(*range(ours)), score, simple=wrong_at(*range(N - theirs, N)))
    assert found["main"] == score and found["against"]["simple"]["words"] == words
    assert found["verdict"]["level"] == level and "simple" in found["verdict"]["words"]


def test_a_baseline_that_wins_decides_the_verdict_though_another_loses() -> None:
    found = judged(wrong_at(*range(100)), poor=wrong_at(*range(200)), strong=wrong_at(1))
    assert found["verdict"]["level"] == "bad" and found["verdict"]["baseline"] == "strong"
    assert found["verdict"]["words"].startswith("Not yet")


@pytest.mark.parametrize("score", ["accuracy", "error"])
def test_the_strongest_that_wins_is_named_and_its_lead_has_the_interval_of_a_lead(score: str) -> None:
    found = judged(wrong_at(*range(100)), score, good=wrong_at(*range(50)), best=wrong_at(1))
    assert found["verdict"]["baseline"] == "best" and "interval of the difference [+" in found["verdict"]["words"]
    won = judged(wrong_at(1), score, good=wrong_at(*range(50)))
    assert "interval of the difference [+" in won["verdict"]["words"]


def test_pairing_sees_a_small_difference_on_the_same_rows() -> None:
    common = range(200)
    found = judged(wrong_at(*common), simple=wrong_at(*common, *range(390, 400)))
    assert found["against"]["simple"]["words"] == "clearly better"  # unpaired intervals overlap by far
    assert found["scores"]["accuracy"]["low"] < found["baselines"]["simple"]["accuracy"]["high"]


def test_intervals_hold_the_value_and_shrink_with_agreement() -> None:
    found = judged(wrong_at(*range(40)), simple=wrong_at())
    ours, perfect = found["scores"]["accuracy"], found["baselines"]["simple"]["accuracy"]
    assert ours["value"] == pytest.approx(0.9) and ours["low"] < 0.9 < ours["high"]
    assert ours["high"] - ours["low"] == pytest.approx(2 * 1.96 * (0.9 * 0.1 / N) ** 0.5, rel=0.25)
    assert perfect["high"] == 1.0 and 0.99 < perfect["low"] < 1.0, "400 right rows do not prove that none is wrong"


def test_an_unknown_main_score_is_named_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match=r"'auc'.*accuracy, error"):
        judged(wrong_at(), "auc")


def test_the_table_is_that_of_the_readme() -> None:
    lines = judging.table(judged(wrong_at(*range(4)), logistic_regression=wrong_at(*range(100))), "mlp")
    assert lines[0] == "accuracy, 400 untouched rows"
    assert lines[1].startswith("  this model (mlp)     99.0 % [")
    assert lines[2].startswith("  logistic regression  75.0 % [") and lines[2].endswith(
        "  this model is clearly better"
    )


def test_no_baseline_is_no_verdict() -> None:
    assert judged(wrong_at())["verdict"]["level"] == "even"


def test_examples_are_right_ones_at_random_and_the_most_confidently_wrong() -> None:
    correct = np.ones(50)
    correct[[3, 9, 30]] = 0
    loss = np.full(50, 0.1)
    loss[[3, 9, 30]] = [1.0, 5.0, 3.0]
    found = {"accuracy": Score(rows=correct), "log_loss": Score(rows=loss, better="lower")}
    chosen = examples.chosen(found, "accuracy", seed=0)
    assert chosen["wrong"].tolist() == [9, 30, 3]
    assert len(chosen["right"]) == examples.MOST and correct[chosen["right"]].all()
    assert chosen["right"].tolist() == examples.chosen(found, "accuracy", seed=0)["right"].tolist()


def test_examples_of_a_continuous_score_and_of_none() -> None:
    error = np.arange(100.0)
    chosen = examples.chosen({"error": Score(rows=error, better="lower")}, "error", seed=1)
    assert chosen["wrong"].tolist() == list(range(99, 99 - examples.MOST, -1))
    assert chosen["right"].max() < 25
    nothing = examples.chosen({"fid": Score(statistic=lambda index: 0.0)}, "fid", seed=0)
    assert [len(places) for places in nothing.values()] == [0, 0]


def test_a_broken_picture_and_a_long_text_are_shown_as_words() -> None:
    row = {"_id": "a", "image": b"not a picture", "text": "字" * 999, "x": None}
    cells = examples.shown([row], {"image": "image", "text": "text", "x": "number"}, ["是"], ["否"])[0]["columns"]
    assert [cell["text"][:3] for cell in cells] == ["a p", "字字字", "(mi"] and len(
        cells[1]["text"]
    ) == examples.TEXT + 1
