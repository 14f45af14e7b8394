"""Translation: the example, a few steps, the graphs, the decoding loop over them, feedback and scores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feilun.core import discover
from feilun.core.errors import DataError, InputError, RecipeError
from feilun.core.recipe import Recipe
from feilun.parts.bundle.answering import answer_rows, by_column
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.randomness import initialised
from feilun.parts.engine.runner import TorchRunner
from feilun.parts.engine.trained import batch
from feilun.parts.ops.next_token import OutOfBoundsError
from feilun.stages.optimization import exporting
from feilun.tasks.translation import TASK

MODELS = {
    "seq2seq": {"name": "seq2seq", "hidden": 32},
    "encoder_decoder": {"name": "encoder_decoder", "width": 32, "depth": 1, "groups": 2},
}


def recipe(name: str) -> Recipe:
    return Recipe.model_validate({**TASK.example_recipe, "name": "t", "task": "translation", "model": MODELS[name]})


RECIPE = recipe("seq2seq")


@dataclass(frozen=True)
class Made:
    """A network after a few steps, its data, and its graphs as ONNX."""

    features: dict[str, Any]
    arrays: dict[str, Any]
    networks: dict[str, Any]
    losses: tuple[float, ...]
    folder: Path

    def shape(self, rows: np.ndarray) -> dict[str, Any]:
        return TASK.graphs(self.networks, batch(TASK, RECIPE, self.arrays, rows))


@pytest.fixture(scope="module", params=MODELS)
def made(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Made]:
    asked = recipe(request.param)
    rows = by_column(TASK.example(0)[:200])
    features = {name: feature.fit(rows) for name, feature in TASK.features(asked).items()}
    arrays = {name: feature.encode(rows) for name, feature in features.items()}
    with initialised(0):
        networks = TASK.build(asked, features)
    plan = RECIPE.train.model_copy(update={"epochs": 3})
    done = fit(networks, arrays, Index(train=np.arange(200)), Learning(objective=TASK.objective), plan)
    folder = tmp_path_factory.mktemp("graphs")
    (folder / "graphs").mkdir()
    found = Made(features, arrays, networks, tuple(point["loss"] for point in done.curves), folder)
    for name, graph in found.shape(np.arange(2)).items():
        exporting.export(graph, exporting.path_of(folder, name))
    yield found


def runners(made: Made) -> tuple[Any, Any]:
    from feilun.core.manifest import hash_files
    from feilun.parts.bundle.onnx_runner import OnnxRunner

    graphs = made.shape(np.arange(2))
    files = {"graphs": dict.fromkeys(graphs), "files": hash_files(made.folder)}
    return TorchRunner(graphs), OnnxRunner(made.folder, files, "fp32", threads=1)


def test_it_learns_and_is_found() -> None:
    assert discover.task("translation") is TASK
    assert discover.aliases("tasks")["seq2seq"] == "translation"


def test_a_few_steps_lower_the_loss(made: Made) -> None:
    assert made.losses[0] > made.losses[1] > made.losses[2]


def test_graphs_agree_with_torch_on_other_shapes(made: Made) -> None:
    shapes = [made.shape(rows) for rows in (np.arange(2), np.arange(7), np.array([3]))]
    assert max(exporting.check(made.folder, shapes).values()) < 1e-4


def test_answers_are_the_same_from_torch_and_onnx_and_do_not_depend_on_the_batch(made: Made) -> None:
    torch_runner, onnx_runner = runners(made)
    rows = {"english": [row["english"] for row in TASK.example(1)[:9]]}
    by_torch = answer_rows(TASK, torch_runner, made.features, {}, rows, max_length=40)
    by_onnx = answer_rows(TASK, onnx_runner, made.features, {}, rows, max_length=40)
    alone = answer_rows(TASK, onnx_runner, made.features, {}, rows, batch_size=1, max_length=40)
    assert [one["text"] for one in by_torch] == [one["text"] for one in by_onnx] == [one["text"] for one in alone]
    assert [one["confidence"] for one in by_onnx] == pytest.approx([one["confidence"] for one in alone], rel=1e-3)
    assert all(0 < one["confidence"] <= 1 for one in by_torch)


@pytest.mark.parametrize("options", [{"beams": 3}, {"temperature": 1.0, "seed": 3}])
def test_searched_and_drawn_texts_do_not_depend_on_the_batch(made: Made, options: dict[str, Any]) -> None:
    _, run = runners(made)
    rows = {"english": [row["english"] for row in TASK.example(1)[:5]]}
    together = answer_rows(TASK, run, made.features, {}, rows, max_length=20, **options)
    alone = answer_rows(TASK, run, made.features, {}, rows, batch_size=1, max_length=20, **options)
    assert [one["text"] for one in together] == [one["text"] for one in alone]
    if "seed" in options:
        for seed in (4, 3 + (1 << 32), -3):
            other = answer_rows(TASK, run, made.features, {}, rows, max_length=20, **{**options, "seed": seed})
            assert [one["text"] for one in other] != [one["text"] for one in together]
    else:
        plain = answer_rows(TASK, run, made.features, {}, rows, max_length=20)
        assert (
            np.mean([one["confidence"] for one in together]) >= np.mean([one["confidence"] for one in plain]) - 0.01
        )  # beams promise nothing


@pytest.mark.parametrize(
    "options",
    [
        {"beams": 0},
        {"max_length": 1.5},
        {"temperature": -1.0},
        {"beams": True},
        {"seed": 1 << 63},
        {"temperature": 0.5, "beams": 2},
    ],
)
def test_options_out_of_bounds_are_told(made: Made, options: dict[str, Any]) -> None:
    _, run = runners(made)
    with pytest.raises(InputError, match=next(iter(options))):
        answer_rows(TASK, run, made.features, {}, {"english": ["we"]}, **options)


def test_a_missing_source_and_a_short_limit_are_answered(made: Made) -> None:
    _, run = runners(made)
    rows = {"english": [None, "", "we must see thirty dogs"]}
    answers = answer_rows(TASK, run, made.features, {}, rows, max_length=3)
    assert all(len(one["text"]) <= 3 for one in answers)
    assert [one["text"] for one in answers[:2]] == ["", ""]
    with pytest.raises(InputError, match="length_penalty"):
        answer_rows(TASK, run, made.features, {}, rows, beams=2, length_penalty=1e308)


class Spelling:
    """A runner that writes given token numbers, row by row."""

    def __init__(self, rows: list[list[int]]) -> None:
        self.rows = rows

    def __call__(self, graph: str, /, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        if graph == "encoder":
            number = np.arange(len(arrays["source"]), dtype=np.float32)
            return {"memory": number[:, None, None], "state": np.stack([number, 0 * number], 1)}
        number, place = arrays["state"].astype(int).T
        assert arrays["memory"][:, 0, 0].tolist() == arrays["source_length"].tolist() == number.tolist()
        logits = np.zeros((len(number), 9), np.float32)
        logits[:, :3] = 9  # padding, unknown and start are likelier, and still not written
        logits[np.arange(len(number)), [self.rows[n][p] for n, p in zip(number, place, strict=True)]] = 4
        return {"logits": logits, "next_state": np.stack([number, place + 1], 1).astype(np.float32)}


def test_decoding_stops_each_row_at_its_own_end() -> None:
    target = discover.feature("text", columns=("german",), tokens="characters", marks=True, known=tuple("abcde"))
    inputs = {"source": np.zeros((3, 2), np.int64), "source_length": np.arange(3)}
    run = Spelling([[4, 5, 3], [3], [6, 6, 6, 6, 7, 3]])
    answers = TASK.answer(run, inputs, {"target": target}, {}, max_length=4)
    assert [one["text"] for one in answers] == ["ab", "", "cccc"]


@pytest.mark.parametrize("beams", [1, 2])
def test_no_end_comes_before_the_least_length(beams: int) -> None:
    """By a runner that wants to end sooner."""
    target = discover.feature("text", columns=("german",), tokens="characters", marks=True, known=tuple("abcde"))
    inputs = {"source": np.zeros((3, 2), np.int64), "source_length": np.arange(3)}
    run = Spelling([[4, 3, 3, 3], [3, 3, 3, 3], [6, 6, 6, 6]])
    answers = TASK.answer(run, inputs, {"target": target}, {}, max_length=4, min_length=3, beams=beams)
    assert [len(one["text"]) for one in answers] == [3, 3, 4]
    with pytest.raises(OutOfBoundsError, match="min_length"):
        TASK.answer(run, inputs, {"target": target}, {}, max_length=3, min_length=4)


def test_a_tag_says_which_language_is_wanted() -> None:
    """One network learns two dictionaries; of a tag that training did not know nothing is written."""
    words = {"dog": ("Hund", "chien"), "cat": ("Katze", "chat"), "book": ("Buch", "livre"), "tree": ("Baum", "arbre")}
    one = [
        {"text": word, "into": into, "said": said[place]}
        for word, said in words.items()
        for place, into in enumerate(("de", "fr"))
    ]
    asked = RECIPE.but(
        inputs={"text": {"kind": "text"}, "into": {"kind": "category"}},
        target={"columns": ["said"], "tokens": "words", "lowercase": False},
    )
    rows = by_column(one * 8)
    features: dict[str, Any] = {name: feature.fit(rows) for name, feature in TASK.features(asked).items()}
    source = features["source"]
    assert source.tags == ("de", "fr") and source.vocabulary_size == len(source.pieces)
    encoded = source.encode({"text": ["dog", None], "into": ["fr", "it"]})
    assert encoded[0][0] == source.vocabulary_size - 1 and encoded[1].tolist() == [1, 1]
    assert type(source)(**source.to_json()).encode({"text": ["dog"], "into": ["fr"]})[0].tolist() == encoded[0].tolist()
    arrays = {name: feature.encode(rows) for name, feature in features.items()}
    with initialised(0):
        networks = TASK.build(asked, features)
    plan = RECIPE.train.model_copy(update={"epochs": 25, "batch_size": 8, "learning_rate": 0.02})
    fit(networks, arrays, Index(train=np.arange(64)), Learning(objective=TASK.objective), plan)
    run = TorchRunner(TASK.graphs(networks, batch(TASK, asked, arrays, np.arange(2))))
    answers = answer_rows(TASK, run, features, {}, {name: [row[name] for row in one] for name in ("text", "into")})
    assert [answer["text"] for answer in answers] == [row["said"] for row in one]
    [unknown] = answer_rows(TASK, run, features, {}, [{"text": "dog", "into": "es"}])
    assert unknown == {"text": "", "confidence": 0.0, "reason": "into 'es' is not one of: de, fr"}


def test_the_example_reorders() -> None:
    rows = TASK.example(3)
    assert rows == TASK.example(3) != TASK.example(4)
    assert len(rows) == 1000
    found = [row for row in rows if row["english"].startswith("i must") and row["english"].endswith("today")]
    assert found and all(row["german"].startswith("heute muss ich ") for row in found)
    assert any("einund" in row["german"] and " one " in row["english"] for row in rows)


def test_feedback_is_the_right_text() -> None:
    row = {"english": "we can"}
    assert TASK.correct(row, "wir können", RECIPE) == {"english": "we can", "german": "wir können"}
    assert TASK.correct(row, {"text": "wir"}, RECIPE)["german"] == "wir"
    for wrong in (None, 3, "", {"label": "x"}, ["wir"]):
        with pytest.raises(DataError, match="expected the right text"):
            TASK.correct(row, wrong, RECIPE)


def test_scores_and_baselines() -> None:
    rows = by_column([{"english": "we see dogs", "german": "wir sehen hunde"}, {"english": "i run", "german": "ich"}])
    answered = {
        name: answer({"english": ["i run", "we buy dogs"]}) for name, answer in TASK.baselines(rows, RECIPE).items()
    }
    assert [one["text"] for one in answered["nearest_sentence"]] == ["ich", "wir sehen hunde"]
    assert [one["text"] for one in answered["copy"]] == ["i run", "we buy dogs"]
    scores = TASK.scores(answered["nearest_sentence"], ["ich", "wir kaufen hunde"], RECIPE)
    assert next(iter(scores)) == TASK.paired == "chrf"
    assert scores["exact"].rows.tolist() == [1.0, 0.0]
    assert TASK.truth({"german": "ich"}, RECIPE) == "ich"


def test_other_columns_are_refused() -> None:
    with pytest.raises(RecipeError, match="reads one text column"):
        TASK.features(RECIPE.but(inputs={"a": {"kind": "text"}, "b": {"kind": "text"}}))
    with pytest.raises(RecipeError, match="'a': 'number'"):
        TASK.features(RECIPE.but(inputs={"a": {"kind": "number"}}))


@pytest.mark.parametrize("task", ["translation", "image_generation"])
def test_the_file_imports_without_torch(task: str) -> None:
    code = f"import sys, feilun.tasks.{task}; print({{'torch', 'datasets', 'pyarrow', 'sklearn'}} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
