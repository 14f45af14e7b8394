"""Question answering: the example, long passages in windows, none as an answer, feedback, scores and baselines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Recipe
from feilun.parts.bundle.answering import answer_rows, by_column
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.randomness import initialised
from feilun.parts.engine.runner import TorchRunner
from feilun.parts.engine.trained import batch
from feilun.parts.features.text import WORD
from feilun.parts.ops.reading import LOWEST
from feilun.tasks.question_answering import TASK


def recipe(**keys: Any) -> Recipe:
    return Recipe.model_validate({**TASK.example_recipe, "name": "t", "task": "question_answering", **keys})


@pytest.fixture(scope="module")
def learnt() -> tuple[Any, Any]:
    """(runner, features) of a network that learnt the example."""
    asked, rows = recipe(), by_column(TASK.example(0))
    features = {name: feature.fit(rows) for name, feature in TASK.features(asked).items()}
    arrays = {name: feature.encode(rows) for name, feature in features.items()}
    windows, _ = TASK.examples(arrays, asked)  # type: ignore[misc]
    with initialised(0):
        networks = TASK.build(asked, features)
    plan = asked.train.model_copy(update={"epochs": 8})
    fit(networks, windows, Index(train=np.arange(500)), Learning(objective=TASK.objective), plan)
    return TorchRunner(TASK.graphs(networks, batch(TASK, asked, arrays, np.arange(2)))), features


def test_it_learns_what_is_told_and_what_is_not(learnt: Any) -> None:
    run, features = learnt
    asked, rows, new = recipe(), TASK.example(1)[:80], by_column(TASK.example(1)[:80])
    seen = {"train": by_column(TASK.example(0)), "validation": by_column(TASK.example(2)[:60])}
    state = TASK.settle(run, seen, features, asked)  # type: ignore[misc]
    assert state["no_answer"] is True
    answers = answer_rows(TASK, run, features, state, new)
    assert answers == answer_rows(TASK, run, features, state, new, batch_size=7)
    truths = [TASK.truth(row, asked) for row in rows]
    found = {name: score.rows.mean() for name, score in TASK.scores(answers, truths, asked).items()}  # type: ignore[union-attr]
    assert found["answer_f1"] > 0.9, found
    for name, say in TASK.baselines(seen["train"], asked).items():
        theirs = TASK.scores(say(new), truths, asked)["answer_f1"].rows
        assert theirs is not None and found["answer_f1"] > theirs.mean() + 0.3, name
    for row, one in zip(rows, answers, strict=True):
        assert set(one) == {"answer", "start", "end", "score", "confidence"} and 0 < one["confidence"] <= 1
        if one["answer"] is None:
            assert one["start"] is None and one["score"] <= 0
        else:
            assert row["context"][one["start"] : one["end"]] == one["answer"] and one["score"] > 0


def test_the_answer_is_found_in_whatever_window_it_stands() -> None:
    """The network here knows one word, Rome, and is not sure of it: what is asked is the way through the windows."""
    asked, rows = recipe(), by_column(TASK.example(0))
    features = {name: feature.fit(rows) for name, feature in TASK.features(asked).items()}
    rome = features["context"].pieces.index("rome")  # type: ignore[attr-defined]

    def run(graph: str, *wanted: str, window: np.ndarray, window_length: np.ndarray) -> dict[str, np.ndarray]:
        found = np.where(window[..., 1] > 0, (window[..., 0] == rome) * 6.0, LOWEST)
        found[:, 0] = 5.0
        return {"starts": found, "ends": found}

    filler = "Tom has an office in Lima. " * 100
    told = "Anna lives in Rome. "
    state = {"max_answer": 30, "no_answer": True, "threshold": 0.0}
    for before, behind in (("", ""), (filler, ""), ("", filler), (filler[:1500], filler[:900])):
        context = before + told + behind
        [one] = answer_rows(TASK, run, features, state, [{"question": "Where does Anna live?", "context": context}])
        assert (one["answer"], one["start"]) == ("Rome", context.index("Rome"))
    [none] = answer_rows(TASK, run, features, state, [{"question": "Where does Anna live?", "context": filler}])
    assert none["answer"] is None and none["score"] < 0


@pytest.mark.parametrize("context", ["", None, "?", "👩‍👩‍👧 " * 40, "שלום עולם", "ＦＵＬＬ　ｗｉｄｔｈ"])
def test_any_passage_gets_an_answer_of_its_letters_or_none(learnt: Any, context: str | None) -> None:
    run, features = learnt
    state = {"max_answer": 30, "no_answer": False, "threshold": 0.0}
    [one] = answer_rows(TASK, run, features, state, [{"question": "Where does Anna live?", "context": context}])
    if not context:
        assert one["answer"] is None
    else:
        assert one["answer"] and context[one["start"] : one["end"]] == one["answer"]


def test_a_question_without_room_for_a_passage_is_an_error() -> None:
    feature = TASK.features(recipe())["question"].fit(by_column(TASK.example(0)))
    with pytest.raises(DataError, match="room for a passage"):
        feature.encode({"question": ["Where " * 200]})


def test_windows_hold_the_answer_at_its_place() -> None:
    """The token at the place of the first is that of the answer's first word, in every window that holds it whole."""
    inputs = {
        "question": {"kind": "text", "tokens": "words"},
        "context": {"kind": "text", "max_length": 24, "stride": 5},
    }
    asked = recipe(inputs=inputs)
    rows = TASK.example(0)[:120]
    features = {name: feature.fit(by_column(rows)) for name, feature in TASK.features(asked).items()}
    arrays = {name: feature.encode(by_column(rows)) for name, feature in features.items()}
    made, owners = TASK.examples(arrays, asked)  # type: ignore[misc]
    pieces = features["context"].pieces  # type: ignore[attr-defined]
    held = set()
    for place, row in enumerate(owners):
        window, firsts, lasts = (made[name][place] for name in ("window", "firsts", "lasts"))
        assert len(window) <= 24
        right = {WORD.findall(one["text"].lower())[0] for one in rows[row]["answers"]}
        if firsts[0] == 0:
            assert lasts[0] == 0
            continue
        held.add(int(row))
        assert {pieces[number] for number in window[firsts, 0]} <= right
        assert all(window[firsts, 1] > 0)
    assert held == {place for place, row in enumerate(rows) if row["answers"]}  # an overlap of this size cuts none
    assert len(owners) > 2 * len(rows)


def test_feedback_in_every_form_becomes_a_training_row() -> None:
    row = {"question": "Where?", "context": "In Rome, in Rome."}
    forms: list[Any] = ["Rome", {"text": "Rome", "start": 12}, {"answers": [{"text": "Rome", "start": 12}]}, None, []]
    wanted: list[Any] = [[3], [12], [12], [], []]
    for said, starts in zip(forms, wanted, strict=True):
        made = TASK.correct(row, said, recipe())
        assert [one["answer_start"] for one in made["answers"]] == starts, said
        assert [one["start"] for one in TASK.truth(made, recipe())["answers"]] == starts
    unsaid: list[Any] = [{}, {"start": 3}, {"passage": "In Rome"}, {"text": "Rome", "answers": []}]
    for wrong in ({"txt": "Rome"}, 3, {"text": "Paris"}, [3], *unsaid):
        with pytest.raises(DataError):
            TASK.correct(row, wrong, recipe())


def test_what_does_not_fit_the_recipe_is_said() -> None:
    with pytest.raises(RecipeError, match="two inputs"):
        TASK.features(recipe(inputs={"question": "text"}))
    with pytest.raises(RecipeError, match=r"target\.longest"):
        TASK.settle(None, {}, {}, recipe(target={"columns": ["answers"], "longest": 3}))  # type: ignore[misc, arg-type]
    with pytest.raises(RecipeError, match="read together"):
        TASK.features(recipe(inputs={"a": {"kind": "text", "tokens": "bpe"}, "b": {"kind": "text", "tokens": "words"}}))
    bag = recipe(model={"name": "bag"})
    features = {name: one.fit(by_column(TASK.example(0))) for name, one in TASK.features(bag).items()}
    with pytest.raises(RecipeError, match="single tokens"):
        TASK.build(bag, features)


def test_the_column_called_question_asks_wherever_it_stands() -> None:
    found = TASK.features(recipe(inputs={"context": "text", "question": "text"}))
    assert found["question"].columns == ("question",) and found["context"].columns == ("context",)
    assert discover.aliases("tasks")["squad"] == "question_answering"
