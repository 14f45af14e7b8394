"""Matching: pairs, labels and texts alone, learnt and judged; answers and their options; feedback; scores by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from feilun.core import discover
from feilun.core.errors import DataError, InputError, RecipeError
from feilun.core.recipe import Recipe
from feilun.core.task import Row
from feilun.parts.bundle.answering import answer_rows, by_column
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.randomness import initialised
from feilun.parts.engine.runner import TorchRunner
from feilun.parts.engine.trained import batch
from feilun.tasks.matching import TASK

PAIRS, LABELS = {"columns": ["page"], "kind": "text"}, {"columns": ["subject"]}


def recipe(target: Mapping[str, Any] | None, **inputs: Any) -> Recipe:
    model, train = {"name": "bag", "width": 16}, {"epochs": 12, "batch_size": 32, "learning_rate": 0.02}
    keys = {"inputs": inputs or {"question": {"kind": "text", "tokens": "words"}}, "target": target}
    return Recipe.model_validate({**keys, "model": model, "train": train, "name": "t", "task": "matching"})


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """A network that has learnt these rows, and its index."""

    recipe: Recipe
    rows: Mapping[str, Any]
    run: Any
    features: Mapping[str, Any]
    state: Mapping[str, Any]

    def answers(self, *questions: str | None, **options: Any) -> list[Any]:
        """Of the task, by its answers or by what judging looks at."""
        given = {"question": list(questions)}
        return answer_rows(TASK, self.run, self.features, dict(self.state), given, **options)

    def scores(self, rows: list[Row]) -> dict[str, dict[str, float]]:
        """{whose: {score: mean}} on these rows."""
        given = by_column(rows)
        judged = answer_rows(TASK, self.run, self.features, dict(self.state), given, judged=True)
        said = {"ours": judged, **{n: say(given) for n, say in TASK.baselines(self.rows, self.recipe).items()}}
        truths = [TASK.truth(row, self.recipe) for row in rows]
        found = {name: TASK.scores(answers, truths, self.recipe) for name, answers in said.items()}
        return {name: {key: float(np.mean(one.rows)) for key, one in made.items()} for name, made in found.items()}


def learn(asked: Recipe, examples: list[Row]) -> Learnt:
    rows = by_column(examples)
    features = {name: feature.fit(rows) for name, feature in TASK.features(asked).items()}
    arrays = {name: feature.encode(rows) for name, feature in features.items()}
    with initialised(0):
        networks = TASK.build(asked, features)
    fit(networks, arrays, Index(train=np.arange(len(examples))), Learning(objective=TASK.objective), asked.train)
    run = TorchRunner(TASK.graphs(networks, batch(TASK, asked, arrays, np.arange(2))))
    few = {name: values[:20] for name, values in rows.items()}
    state = TASK.settle(run, {"train": rows, "validation": few}, features, asked) if TASK.settle else {}
    return Learnt(recipe=asked, rows=rows, run=run, features=features, state=state)


def labelled(seed: int) -> list[Row]:
    """The shop's questions with the thing they are about."""
    return [{**row, "subject": row["page"].split()[-1].strip()} for row in TASK.example(seed)]


@pytest.fixture(scope="module")
def pairs() -> Learnt:
    return learn(recipe(PAIRS), TASK.example(0))


def test_pairs_are_found_by_meaning(pairs: Learnt) -> None:
    found = pairs.scores(TASK.example(1)[:80])
    assert found["ours"]["recall_at_1"] > 0.9 > found["words_in_common"]["mrr"] > found["random"]["mrr"] + 0.02
    assert list(found["ours"]) == ["recall_at_1", "recall_at_5", "recall_at_10", "mrr"]


def test_an_answer_holds_the_known_texts_in_order(pairs: Learnt) -> None:
    [said] = pairs.answers("where is my parcel")
    assert said["matches"][0]["text"] == "Lost: locating a missing shipment"
    scores = [one["score"] for one in said["matches"]]
    assert len(scores) == 10 and scores == sorted(scores, reverse=True) and scores[0] <= 1.000001
    everything = pairs.answers("where is my parcel", None, "", "🙂 where", "x" * 100_000, "天气", top_k=1000)
    count = len(set(pairs.rows["page"]))
    assert [len(one["matches"]) for one in everything] == [count, 0, 0, count, 0, 0]
    assert everything[1] == everything[2] == {"matches": [], "reason": "the text is empty"}
    assert everything[4] == everything[5] == {"matches": [], "reason": "no piece of the text is known"}
    assert pairs.answers("天气", rerank=True, duplicates=0.1) == [{"duplicate_of": None, **everything[5]}]
    together = pairs.answers(*pairs.rows["question"][:50])
    alone = [pairs.answers(one)[0] for one in pairs.rows["question"][:50]]
    assert [[m["text"] for m in one["matches"][:3]] for one in together] == [
        [m["text"] for m in one["matches"][:3]] for one in alone
    ]


def test_embeddings_have_length_one_and_may_come_alone(pairs: Learnt) -> None:
    [said] = pairs.answers("change my plan", embedding=True, top_k=0)
    assert list(said) == ["embedding"]
    assert np.linalg.norm(said["embedding"]) == pytest.approx(1, abs=1e-5)


def test_reranking_by_words(pairs: Learnt) -> None:
    """What the vectors miss, a word that question and page share finds."""
    [said] = pairs.answers("avatar", rerank=True)
    assert all("avatar" in one["text"] for one in said["matches"][:3])
    assert said["matches"][0]["score"] < 2 / 60


def test_duplicates_are_told_by_the_first_that_is_alike(pairs: Learnt) -> None:
    first = learn(recipe(LABELS), labelled(0))
    texts = list(first.state["texts"])
    said = first.answers(texts[0], texts[0].upper(), "🙂 entirely else", duplicates=0.999, top_k=0)
    assert [one["duplicate_of"] for one in said] == [texts[0], texts[0], None]  # what is known is known
    with pytest.raises(InputError, match="cosine"):
        pairs.answers("a", duplicates=1.5)
    for wrong in (5000, -1, False):
        with pytest.raises(InputError, match="from 0 to 1000"):
            pairs.answers("a", top_k=wrong)


def test_labels_come_with_the_matches() -> None:
    learnt = learn(recipe(LABELS), labelled(0))
    found = learnt.scores(labelled(1)[:80])
    assert found["ours"]["precision_at_10"] > 0.9
    assert found["ours"]["precision_at_10"] > found["words_in_common"]["precision_at_10"] > 0.2
    assert learnt.answers("where is my parcel")[0]["matches"][0]["label"] == "shipment"


def test_texts_alone_find_their_other_half() -> None:
    """Halves of new texts about ten subjects, each with six words of its own; whole known texts stand in between."""
    drawn = np.random.default_rng(0)
    rows = [{"question": " ".join(f"w{k % 10}{i}" for i in drawn.integers(6, size=12))} for k in range(120)]
    found = learn(recipe(None), rows[:80]).scores(rows[80:])
    assert found["ours"]["recall_at_10"] > 0.6 > found["random"]["recall_at_10"]
    assert TASK.correct(rows[0], {"right": True}, recipe(None)) == rows[0]


def test_wrong_passages_are_read_where_they_are_named() -> None:
    asked = recipe({**PAIRS, "negative": "wrong"})
    rows = [{**row, "wrong": "Change: replacing the credentials"} for row in TASK.example(0)[:60]]
    assert learn(asked, rows).features["negative"].columns == ("wrong",)
    said = TASK.correct({"question": "a"}, {"match": "b", "wrong": "c"}, asked)
    assert said == {"question": "a", "page": "b", "wrong": "c"}


@pytest.mark.parametrize("feedback", ["b", {"match": "b"}, {"match": {"text": "b", "score": 0.5}, "right": True}])
def test_feedback_becomes_a_pair(feedback: Any) -> None:
    assert TASK.correct({"question": "a"}, feedback, recipe(PAIRS)) == {"question": "a", "page": "b"}


@pytest.mark.parametrize("feedback", [None, 3, "", {"match": "b", "right": False}, {"label": "b"}, [], {"match": {}}])
def test_feedback_that_says_nothing_right(feedback: Any) -> None:
    with pytest.raises(DataError, match="expected what is right"):
        TASK.correct({"question": "a"}, feedback, recipe(PAIRS))


@pytest.mark.parametrize("feedback", ["b", {"label": "b"}, {"match": {"text": "x", "label": "b"}, "right": True}])
def test_feedback_becomes_a_label(feedback: Any) -> None:
    assert TASK.correct({"question": "a"}, feedback, recipe(LABELS)) == {"question": "a", "subject": "b"}


def test_scores_by_hand() -> None:
    said = [{"labels": ["a", "b", "a"] + ["b"] * 7}, {"labels": ["a"] * 10}]
    found = TASK.scores(said, [{"label": "a"}, {"label": "b"}], recipe(LABELS))
    assert found["precision_at_10"].rows.tolist() == [0.2, 0.0]  # type: ignore[union-attr]
    assert found["mrr"].rows.tolist() == [1.0, 0.0]  # type: ignore[union-attr]
    ranked = TASK.scores([{"place": 1, "of": 9}, {"place": 6, "of": 9}], [{}, {}], recipe(PAIRS))
    assert {name: one.rows.tolist() for name, one in ranked.items()} == {  # type: ignore[union-attr]
        "recall_at_1": [1.0, 0.0],
        "recall_at_5": [1.0, 0.0],
        "recall_at_10": [1.0, 1.0],
        "mrr": [1.0, 1 / 6],
    }


def test_recipes_it_does_not_take() -> None:
    with pytest.raises(RecipeError, match="columns of kind text"):
        TASK.features(recipe(PAIRS, question="number"))
    with pytest.raises(RecipeError, match="columns of kind text"):
        TASK.features(recipe({"columns": ["a", "b"]}))
    long = recipe({"columns": ["page"]})
    rows = by_column([{"question": "a", "page": f"{number} " * 40} for number in range(3)])
    fitted = {name: feature.fit(rows) for name, feature in TASK.features(long).items()}
    with pytest.raises(RecipeError, match="Say that it holds texts"):
        TASK.build(long, fitted)
    assert discover.aliases("tasks")["sentence_embeddings"] == "matching"


def test_several_columns_are_one_text() -> None:
    asked = recipe(LABELS, question={"kind": "text"}, more={"kind": "text"})
    rows = {"question": ["A b", None], "more": ["c", "d"], "subject": ["x", "y"]}
    features = {name: feature.fit(rows) for name, feature in TASK.features(asked).items()}
    assert features["text"].joined(rows) == ["A b\nc", "d"]
    assert TASK.truth({"question": "a", "more": "b", "subject": "x"}, asked) == {"label": "x"}
