"""A score that the labels do not have is refused before training, with those they have."""

from __future__ import annotations

import pytest

from feilun.core.errors import RecipeError
from feilun.core.recipe import Recipe
from feilun.parts.metrics import classification, labels

TWO, THREE, MANY = ["no", "yes"], ["a", "b", "c"], [str(place) for place in range(5000)]


def _recipe(**evaluate):
    return Recipe.model_validate({"evaluate": evaluate})


@pytest.mark.parametrize(
    ("there", "several", "score"),
    [
        (THREE, True, "recall"),
        (THREE, True, "brier"),
        (THREE, False, "micro_f1"),
        (THREE, False, "specificity"),
        (TWO, False, "top3_accuracy"),
        (TWO, False, "recall"),
        (TWO, False, "profit"),
    ],
)
def test_a_score_these_labels_do_not_have_is_refused(there, several, score):
    with pytest.raises(RecipeError, match=f"'{score}'") as caught:
        labels.check(there, several, _recipe(score=score))
    assert "accuracy" in caught.value.expected
    assert score not in caught.value.expected.split(", ")


def test_two_classes_are_told_which_key_the_score_lacks():
    for score, key in (("recall", "evaluate.positive"), ("profit", "evaluate.costs")):
        with pytest.raises(RecipeError, match=f"Name {key}"):
            labels.check(TWO, False, _recipe(score=score))


def test_what_is_offered_is_accepted():
    for there, several in ((TWO, False), (THREE, False), (THREE, True), (MANY, False), (MANY, True)):
        refused = [score for score in classification.SCORES if _refusal(there, several, score)]
        offered = _refusal(there, several, refused[0]).split(", ")
        assert sorted([*offered, *refused]) == sorted(classification.SCORES)
        assert "auc" in offered


def test_scores_of_the_positive_class_and_of_money_are_accepted_where_they_are_named():
    labels.check(TWO, False, _recipe(score="recall", positive="yes"))
    labels.check(TWO, False, _recipe(score="profit", costs={"false_positive": 1, "false_negative": 5}))


def _refusal(there, several, score):
    try:
        labels.check(there, several, _recipe(score=score))
    except RecipeError as error:
        return error.expected
    return ""
