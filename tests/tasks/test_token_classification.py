"""Token classification: the example, learning with and without a CRF, answers, feedback, scores and baselines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Recipe
from feilun.parts.bundle.answering import answer_rows, by_column
from feilun.parts.dataset import SPLITS, write
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.randomness import initialised
from feilun.parts.engine.runner import TorchRunner
from feilun.parts.engine.trained import batch
from feilun.parts.features.spans import Spans
from feilun.parts.features.text import Text
from feilun.tasks.token_classification import TASK


def recipe(**target: Any) -> Recipe:
    keys = {**TASK.example_recipe, "target": {"columns": ["spans"], **target}}
    return Recipe.model_validate({**keys, "name": "t", "task": "token_classification"})


@pytest.mark.parametrize("crf", [False, True])
def test_it_learns_names_by_their_neighbours(crf: bool) -> None:
    asked, rows, new = recipe(crf=crf), by_column(TASK.example(0)), by_column(TASK.example(1)[:60])
    features = {name: feature.fit(rows) for name, feature in TASK.features(asked).items()}
    arrays = {name: feature.encode(rows) for name, feature in features.items()}
    with initialised(0):
        networks = TASK.build(asked, features)
    plan = asked.train.model_copy(update={"epochs": 10, "learning_rate": 0.01, "batch_size": 32})
    fit(networks, arrays, Index(train=np.arange(400)), Learning(objective=TASK.objective), plan)
    run = TorchRunner(TASK.graphs(networks, batch(TASK, asked, arrays, np.arange(2))))
    answers = answer_rows(TASK, run, features, {}, new)
    assert answers == answer_rows(TASK, run, features, {}, new, batch_size=7)
    truths = [TASK.truth(row, asked) for row in TASK.example(1)[:60]]
    everything = np.arange(60)
    found = {
        name: TASK.scores(said, truths, asked)["span_f1"].statistic(everything)  # type: ignore[misc]
        for name, said in {
            "ours": answers,
            **{name: say(new) for name, say in TASK.baselines(rows, asked).items()},
        }.items()
    }
    assert found["ours"] > 0.97 > found["dictionary"] > found["no_span"], found
    one = next(span for said in answers for span in said)
    assert set(one) == {"start", "end", "label", "score", "text"} and 0.3 < one["score"] <= 1
    assert all(
        text[span["start"] : span["end"]] == span["text"]
        for text, said in zip(new["text"], answers, strict=True)
        for span in said
    )
    assert answer_rows(TASK, run, features, {}, {"text": ["", None]}) == [[], []]


def test_scores_by_hand() -> None:
    person, place = ({"start": 0, "end": 4, "label": label} for label in ("person", "place"))
    other = {"start": 5, "end": 9, "label": "place"}
    answers, truths = [[person], [place, other], []], [[person], [person, other], []]
    found = TASK.scores(answers, truths, recipe())
    rows = np.arange(3)
    assert found["span_f1"].statistic(rows) == pytest.approx(2 * 2 / 6)  # type: ignore[misc]
    assert found["text_f1"].rows.tolist() == [1.0, 0.5, 1.0]  # type: ignore[union-attr]
    assert found["span_precision"].statistic(rows) == pytest.approx(2 / 3)  # type: ignore[misc]
    assert np.isnan(found["span_recall"].statistic(np.array([2])))  # type: ignore[misc]


def test_feedback_is_the_whole_list() -> None:
    row, span = {"text": "Anna came"}, {"start": 0, "end": 4, "label": "person"}
    assert TASK.correct(row, [span], recipe()) == {**row, "spans": [span]}
    assert TASK.correct(row, {"spans": []}, recipe())["spans"] == []
    assert TASK.correct({"text": 2024}, [span], recipe()) == {"text": 2024, "spans": [span]}
    twice = [span, {**span, "label": "place"}]
    for wrong in ("person", [{"start": 0, "end": 40, "label": "person"}], None, [{"label": "person"}], twice):
        with pytest.raises(DataError, match="span"):
            TASK.correct(row, wrong, recipe())


def test_a_text_that_says_nothing_has_no_span() -> None:
    texts = Text(columns=("text",)).fit({"text": ["Anna came"]})
    said = [{"start": 0, "end": 1, "label": "person", "score": 0.1}]
    for nothing in ("", " ", None):
        assert TASK.finish is not None and TASK.finish({"text": nothing}, said, {"text": texts}) == []
    assert TASK.finish({"text": 2024}, said, {"text": texts}) == [{**said[0], "text": "2"}]
    spans = Spans(columns=("text", "spans"), labels=("person",))
    assert spans.read([4], np.array([[0, 0]])) == []


def test_other_inputs_are_told() -> None:
    keys = {**TASK.example_recipe, "name": "t", "task": "token_classification", "inputs": {"text": "number"}}
    with pytest.raises(RecipeError, match="one input of kind text"):
        TASK.features(Recipe.model_validate(keys))
    assert discover.aliases("tasks")["ner"] == "token_classification"


@pytest.mark.parametrize(
    ("task", "target"),
    [
        ("token_classification", {"columns": ["spans"], "crff": True}),
        ("token_classification", {"columns": ["spans"], "crf": "perhaps"}),
        ("translation", {"columns": ["de"], "tokenz": "bpe"}),
        ("translation", {"columns": ["de"], "vocabulary": True}),
        ("matching", {"columns": ["other"], "kind": "text", "negativ": "x"}),
        ("matching", {"columns": ["other"], "kind": "text", "temperature": 0}),
        ("matching", {"columns": ["other"], "kind": "text", "negative": "other"}),
    ],
)
def test_an_option_of_the_target_that_there_is_not_is_told(task: str, target: dict[str, Any]) -> None:
    given = {"name": "t", "task": task, "inputs": {"text": "text"}, "target": target}
    with pytest.raises(RecipeError, match="target"):
        discover.task(task).features(Recipe.model_validate(given))


@pytest.mark.parametrize("tokens", ["bpe", "wordpiece", "unigram"])
def test_tags_stand_at_the_pieces_that_the_network_reads(tokens: str, tmp_path: Path) -> None:
    """Labels are taken from all rows, pieces from the training rows alone: words of the others would make others."""
    train = [f"red blue {'ab' * (place % 5)} Anna sings" for place in range(60)]
    others = [f"bluered redblue {'ba' * (place % 7)} singsing Anna" for place in range(200)]
    rows: dict[str, list[Any]] = {"text": train + others}
    spans = [[{"start": one.index("Anna"), "end": one.index("Anna") + 4, "label": "name"}] for one in rows["text"]]
    splits = np.array([SPLITS.index("train")] * 60 + [SPLITS.index("test")] * 200)
    recipe = Recipe.model_validate(
        {"name": "t", "task": "token_classification", "inputs": {"text": {"kind": "text", "tokens": tokens}}}
        | {"target": {"columns": ["spans"]}, "model": {"name": "gru"}}
    )
    table = Dataset.from_dict({**rows, "spans": [json.dumps(one) for one in spans]})
    write(tmp_path, table, splits, np.zeros(260), TASK.features(recipe), [])
    lengths = [np.diff(np.load(tmp_path / "arrays" / f"{name}.offsets.npy")) for name in ("text", "places", "spans")]
    assert all(np.array_equal(lengths[0], other) for other in lengths[1:])
