"""Classification: what the labels are, how answers read, what feedback is taken, how scores and baselines come out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as known

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Recipe
from feilun.parts.bundle.answering import answer_rows
from feilun.parts.metrics import classification as scores_of
from feilun.stages.evaluation.markup import safe
from feilun.tasks.classification import TASK

DRAW = np.random.default_rng(1)


def _recipe(**keys: Any) -> Recipe:
    return Recipe.model_validate(
        {"task": "classification", "inputs": {"x": "number"}, "target": "y", "model": "linear", **keys}
    )


class _Given:
    """A network that says what the test wants: logits are the inputs."""

    def __call__(self, graph: str, /, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        return {"logits": np.stack([-arrays["numbers"][:, 0], arrays["numbers"][:, 0]], axis=1)}


def _settled(rows: dict[str, list[Any]], **keys: Any) -> tuple[Any, Any, Recipe]:
    recipe = _recipe(inputs={"x": {"kind": "number", "transform": "none"}}, **keys)
    features = {name: feature.fit(rows) for name, feature in TASK.features(recipe).items()}
    return features, TASK.settle(_Given(), {"train": rows, "validation": rows}, features, recipe), recipe


def test_any_mix_of_columns_becomes_one_feature_per_kind_and_one_per_text_and_picture() -> None:
    recipe = _recipe(
        inputs={"a": "number", "城市": "category", "text": {"kind": "text", "tokens": "words"}, "b": "number"}
        | {"target": "image", "numbers": "text"}
    )
    features = TASK.features(recipe)
    assert list(features) == ["numbers", "categories", "text", "target_column", "numbers_column", "target"]
    assert features["numbers"].columns == ("a", "b") and features["text"].tokens == "words"


def test_columns_that_share_a_feature_must_agree() -> None:
    with pytest.raises(RecipeError, match="same value"):
        TASK.features(
            _recipe(inputs={n: {"kind": "number", "transform": t} for n, t in (("a", "none"), ("b", "auto"))})
        )
    with pytest.raises(RecipeError, match="inputs is empty"):
        TASK.features(_recipe(inputs={}))
    with pytest.raises(RecipeError, match="target is missing"):
        TASK.features(_recipe(target=None))


def test_answers_of_two_classes_use_the_settled_threshold() -> None:
    x = DRAW.normal(size=400)
    rows = {"x": x.tolist(), "y": ["yes" if value > 0.8 else "no" for value in x]}
    features, state, _ = _settled(rows, evaluate={"positive": "yes"})
    assert state["labels"] == ["no", "yes"] and state["thresholds"][0] > 0.6
    answers = answer_rows(TASK, _Given(), features, state, {"x": [-2.0, 0.3, 3.0]})
    assert [one["label"] for one in answers] == ["no", "no", "yes"]  # 0.3 is likelier yes, but under the threshold
    assert all(one["score"] == one["scores"][one["label"]] for one in answers)
    assert all(sum(one["scores"].values()) == pytest.approx(1) for one in answers)
    (short,) = answer_rows(TASK, _Given(), features, state, {"x": [3.0]}, top_k=1)
    assert list(short["scores"]) == ["yes"]
    with pytest.raises(DataError, match="top_k"):
        answer_rows(TASK, _Given(), features, state, {"x": [3.0]}, top_k=0)


def test_settling_without_validation_rows_changes_nothing() -> None:
    rows = {"x": [1.0, -1.0], "y": ["a", "b"]}
    recipe = _recipe()
    features = {name: feature.fit(rows) for name, feature in TASK.features(recipe).items()}
    state = TASK.settle(_Given(), {"train": rows, "validation": {"x": [], "y": []}}, features, recipe)
    assert state["temperature"] == 1.0 and state["thresholds"] == [0.5]


def test_several_labels_from_columns_lists_and_separated_text() -> None:
    columns = _recipe(target=["news", "sport"])
    cell, cells = _recipe(target={"column": "y", "separator": "|"}), _recipe()
    assert TASK.truth({"news": 1, "sport": "0"}, columns) == ["news"]
    assert TASK.truth({"y": "a| b"}, cell) == ["a", "b"] and TASK.truth({"y": None}, cell) == []
    assert TASK.truth({"y": ["b", "a"]}, cells) == ["b", "a"]
    assert TASK.truth({"y": 3.0}, cells) == "3" and TASK.truth({"y": True}, cells) == "true"


def test_several_labels_are_answered_each_on_its_own() -> None:
    rows = {"x": DRAW.normal(size=300).tolist()}
    rows["y"] = [[name for name, cut in (("low", -1), ("high", 1)) if value * cut > 0.2] for value in rows["x"]]
    features, state, recipe = _settled(rows)
    assert state["several"] and state["labels"] == ["high", "low"]

    def run(graph: str, /, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        return {"marks": np.stack([arrays["numbers"][:, 0] - 0.2, -arrays["numbers"][:, 0] - 0.2], axis=1) * 9}

    state = TASK.settle(run, {"train": rows, "validation": rows}, features, recipe)
    answers = answer_rows(TASK, run, features, state, {"x": [2.0, 0.0, -2.0]})
    assert [one["labels"] for one in answers] == [["high"], [], ["low"]]
    made = TASK.scores(answers, [["high"], [], ["high"]], recipe)
    assert made["accuracy"].rows.tolist() == [1, 1, 0] and next(iter(made)) == "accuracy"
    assert {"f1", "micro_f1", "hamming", "log_loss", "average_precision"} <= set(made)


@pytest.mark.parametrize(
    ("recipe", "feedback", "row"),
    [
        ({}, {"label": "yes"}, {"y": "yes"}),
        ({}, "yes", {"y": "yes"}),
        ({}, 3, {"y": 3}),
        ({}, {"label": False}, {"y": False}),
        ({}, ["a"], {"y": ["a"]}),
        ({"target": {"column": "y", "separator": "|"}}, {"labels": ["a", "b"]}, {"y": "a|b"}),
        ({"target": ["p", "q"]}, {"labels": ["q"]}, {"p": 0, "q": 1}),
        ({"target": ["p", "q"]}, [], {"p": 0, "q": 0}),
    ],
)
def test_feedback_becomes_a_row(recipe: dict[str, Any], feedback: Any, row: dict[str, Any]) -> None:
    assert TASK.correct({"x": 1.0}, feedback, _recipe(**recipe)) == {"x": 1.0, **row}


@pytest.mark.parametrize("feedback", [None, {}, {"lable": "yes"}, "", float("nan"), [["a"]], {"label": {"a": 1}}])
def test_feedback_of_another_form_is_refused(feedback: Any) -> None:
    with pytest.raises(DataError, match=r"expected the right label"):
        TASK.correct({}, feedback, _recipe())


def test_an_unknown_label_names_the_known_ones() -> None:
    for recipe in (_recipe(target={"column": "y", "labels": ["yes", "no"]}), _recipe(target=["yes", "no"])):
        wrong = "perhaps" if len(recipe.target.columns) == 1 else ["perhaps"]
        with pytest.raises(DataError, match="yes, no"):
            TASK.correct({}, wrong, recipe)
    target = TASK.features(_recipe())["target"].fit({"y": ["yes", "no"]})
    with pytest.raises(DataError, match="no, yes"):  # what serving does next
        target.encode({"y": [TASK.correct({}, "perhaps", _recipe())["y"]]})


def _answers(chances: np.ndarray, labels: list[str]) -> list[Any]:
    return [
        {"label": labels[int(row.argmax())], "score": row.max(), "scores": dict(zip(labels, row.tolist(), strict=True))}
        for row in chances
    ]


def test_scores_equal_scikit_learn_and_the_main_one_comes_first() -> None:
    chances, labels = DRAW.dirichlet([1, 1], 100), ["no", "yes"]
    truths = [labels[int(p)] for p in DRAW.random(100) < 0.3]
    recipe = _recipe(evaluate={"positive": "yes", "score": "auc"})
    answers = _answers(chances, labels)
    made = TASK.scores(answers, truths, recipe)
    assert next(iter(made)) == "auc"
    said, index = [one["label"] for one in answers], np.arange(100)
    expected = {
        "auc": known.roc_auc_score([one == "yes" for one in truths], chances[:, 1]),
        "f1": known.f1_score(truths, said, average="macro"),
        "precision": known.precision_score(truths, said, pos_label="yes"),
        "recall": known.recall_score(truths, said, pos_label="yes"),
    }
    for name, value in expected.items():
        assert made[name].statistic(index) == pytest.approx(value), name
    assert made["accuracy"].rows.mean() == pytest.approx(known.accuracy_score(truths, said))
    assert made["log_loss"].rows.mean() == pytest.approx(known.log_loss(truths, chances, labels=labels))
    assert "auc" not in TASK.scores(answers, ["no"] * 100, recipe)  # one class: there is none
    assert set(scores_of.SCORES) >= set(made)


def test_an_unknown_positive_class_is_told_before_training() -> None:
    rows = {"x": [1.0, 2.0], "y": ["a", "b"]}
    recipe = _recipe(evaluate={"positive": "c"})
    features = {name: feature.fit(rows) for name, feature in TASK.features(recipe).items()}
    with pytest.raises(RecipeError, match=r"evaluate.positive is 'c'; the labels are: a, b"):
        TASK.build(recipe, features)


def test_baselines_learn_what_is_there_in_every_kind_of_column() -> None:
    labels = DRAW.choice(["bad", "good"], 200).tolist()
    rows: dict[str, list[Any]] = {
        "y": labels,
        "x": [None if place % 9 == 0 else float(label == "good") for place, label in enumerate(labels)],
        "c": [None if place % 9 == 0 else label[:1] for place, label in enumerate(labels)],
        "t": ["很好" if label == "good" else "很差" for label in labels],
    }
    for inputs in ({"x": "number", "c": "category"}, {"t": "text"}, {"x": "number", "t": "text"}):
        recipe = _recipe(inputs=inputs)
        made = TASK.baselines(rows, recipe)
        assert len(made) >= 2
        for name, answer in made.items():
            scores = TASK.scores(answer({c: v for c, v in rows.items() if c != "y"}), labels, recipe)
            best = scores["accuracy"].rows.mean()
            assert (best > 0.85) == (name != "most_frequent"), (inputs, name, best)


def test_baselines_of_several_labels() -> None:
    x = DRAW.normal(size=200)
    rows = {"x": x.tolist(), "y": [["up"] * bool(v > 0) + ["far"] * bool(v > 1) + ["always"] for v in x]}
    made = TASK.baselines(rows, _recipe())
    answers = made["logistic_regression"]({"x": rows["x"]})
    assert TASK.scores(answers, rows["y"], _recipe())["accuracy"].rows.mean() > 0.9
    assert answers[0]["scores"]["always"] == 1.0


def test_pictures_are_plain_drawings() -> None:
    chances, labels = DRAW.dirichlet([1, 1], 60), ["<no>", "yes"]
    truths = [labels[int(p)] for p in DRAW.random(60) < 0.4]
    drawn = TASK.pictures(_answers(chances, labels), truths, {}, _recipe())
    assert [picture.title for picture in drawn][:2] == ["Confusion", "Calibration"] and len(drawn) == 4
    for picture in drawn:
        assert safe(picture.svg).count("<text") >= 4 and "<no>" not in picture.svg
    assert TASK.pictures([], [], {}, _recipe()) == []


def test_the_example_is_the_digits_in_an_order_of_the_seed() -> None:
    rows = TASK.example(0)
    assert len(rows) == 1797 and rows[0]["image"][:4] == b"\x89PNG" and rows != TASK.example(1)
    assert {row["label"] for row in rows} == {str(digit) for digit in range(10)}
    assert discover.aliases("tasks")["image_classification"] == "classification"


def _asked(rows: dict[str, list[Any]], **evaluate: Any) -> dict[str, Any]:
    state: dict[str, Any] = _settled(rows, evaluate=evaluate)[1]
    return state


def test_money_decides_the_threshold_whatever_the_main_score_is() -> None:
    x = DRAW.normal(size=2000)
    chance = 1 / (1 + np.exp(-2 * x))  # what the network says, so that it is calibrated
    rows = {"x": x.tolist(), "y": ["yes" if said else "no" for said in DRAW.random(2000) < chance]}
    costs = {"false_positive": 1, "false_negative": 9}
    for score in (None, "f1", "auc"):
        state = _asked(rows, costs=costs, positive="yes", score=score)
        assert state["thresholds"][0] == pytest.approx(0.1, abs=0.05)  # 1 / (1 + 9): Elkan 2001
        other = _asked(rows, costs={"false_positive": 9, "false_negative": 1}, positive="yes", score=score)
        assert other["thresholds"][0] == pytest.approx(0.9, abs=0.05)
    assert 0.25 < _asked(rows, positive="yes", score="f1")["thresholds"][0] < 0.75


@pytest.mark.parametrize("labels", [["a", "b", "c"], [["a"], ["b"], ["a", "b"]]])
def test_costs_of_more_than_two_classes_are_refused_before_training(labels: list[Any]) -> None:
    rows = {"x": [1.0, 2.0, 3.0], "y": labels}
    recipe = _recipe(evaluate={"costs": {"false_positive": 1, "false_negative": 4}})
    features = {name: feature.fit(rows) for name, feature in TASK.features(recipe).items()}
    with pytest.raises(RecipeError, match="two classes"):
        TASK.build(recipe, features)
    with pytest.raises(RecipeError, match="no wrong answer costs more"):
        TASK.features(_recipe(evaluate={"costs": {}}))


def test_auc_may_be_the_main_score_of_several_labels_and_of_several_classes() -> None:
    labels = ["a", "b", "c"]
    chances = DRAW.dirichlet([1, 1, 1], 200)
    truths = [labels[int(place)] for place in DRAW.integers(0, 3, 200)]
    recipe, index = _recipe(evaluate={"score": "auc"}), np.arange(200)
    made = TASK.scores(_answers(chances, labels), truths, recipe)
    expected = known.roc_auc_score(truths, chances, multi_class="ovr", labels=labels)
    assert next(iter(made)) == "auc" and made["auc"].statistic(index) == pytest.approx(expected)
    marks = DRAW.random((200, 3)) < 0.4
    several = [{"labels": [], "scores": dict(zip(labels, row.tolist(), strict=True))} for row in chances]
    made = TASK.scores(several, [[labels[i] for i in np.flatnonzero(row)] for row in marks], recipe)
    assert made["auc"].statistic(index) == pytest.approx(known.roc_auc_score(marks, chances))


def test_a_label_that_only_another_fold_knows_has_no_chance_but_counts() -> None:
    answers = [{"label": "a", "score": 1.0, "scores": {"a": 1.0}}, {"label": "b", "score": 1.0, "scores": {"b": 1.0}}]
    made = TASK.scores(answers, ["a", "a"], _recipe())
    assert made["accuracy"].rows.tolist() == [1, 0] and np.isfinite(made["log_loss"].rows).all()
