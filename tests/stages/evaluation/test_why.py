"""Why: columns that matter are found, what an answer hangs on is shown, and an insane model is called so."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from feilun.core import discover
from feilun.core.recipe import Recipe
from feilun.stages.evaluation import attributions, looks, why
from feilun.stages.evaluation.asking import Model
from feilun.tasks.classification import TASK

DRAW = np.random.default_rng(6)
Run = Callable[..., dict[str, np.ndarray]]


def model_of(rows: dict[str, list[Any]], inputs: dict[str, Any], run: Any, task: str = "classification") -> Model:
    keys = {"task": task, "inputs": inputs, "target": "y", "model": "linear"}
    recipe = Recipe.model_validate({**keys, "evaluate": {"bootstrap": 200}})
    record = discover.task(task)
    features = {name: feature.fit(rows) for name, feature in record.features(recipe).items()}
    state = record.settle(run, {"train": rows, "validation": rows}, features, recipe)
    return Model(task=record, recipe=recipe, run=run, features=features, state=state)


def seen_by(model: Model, rows: dict[str, list[Any]]) -> why.Seen:
    truths = [TASK.truth({"y": value}, model.recipe) for value in rows["y"]]
    return why.Seen(rows=rows, truths=truths, answers=model.answers(rows))


def by_first(graph: str, /, **arrays: np.ndarray) -> dict[str, np.ndarray]:
    """Only the first number decides."""
    return {"logits": np.stack([-arrays["numbers"][:, 0], arrays["numbers"][:, 0]], axis=1) * 4}


def table(count: int = 300) -> dict[str, list[Any]]:
    x = DRAW.normal(size=count)
    columns: dict[str, list[Any]] = {"a": x.tolist(), "b": DRAW.normal(size=count).tolist()}
    return {**columns, "c": DRAW.choice(["u", "v"], count).tolist(), "y": ["yes" if v > 0 else "no" for v in x]}


NUMBERS = {"a": {"kind": "number", "transform": "none"}, "b": {"kind": "number", "transform": "none"}, "c": "category"}


def test_the_column_that_decides_is_found_and_the_others_are_not() -> None:
    rows = table()
    model = model_of(rows, NUMBERS, by_first)
    found = why.explained(
        model, seen_by(model, rows), table(), {"main": "accuracy", "scores": {"accuracy": {"unit": "%"}}}
    )
    matters = {row["input"]: row for row in found["importance"]}
    assert found["importance"][0]["input"] == "a" and matters["a"]["value"] == pytest.approx(0.5, abs=0.12)
    assert matters["a"]["low"] > 0.3 and matters["b"]["value"] == matters["c"]["value"] == 0
    assert "a (" in found["words"] and "Not missed: b, c" in found["words"]
    one = next(look for look in found["looks"] if look["title"] == "One column that tells all")
    assert not one["ok"] and "drop: [a]" in one["words"]


def test_lower_is_better_is_still_a_drop_when_it_rises() -> None:
    rows = table()
    model = model_of(rows, NUMBERS, by_first)
    matters, left = why.importance(model, seen_by(model, rows), "log_loss")
    assert matters[0]["input"] == "a" and matters[0]["low"] > 0 and left == []


def test_a_model_that_guesses_is_no_better_than_chance() -> None:
    def guess(graph: str, /, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        return {"logits": np.stack([-arrays["numbers"][:, 1], arrays["numbers"][:, 1]], axis=1)}

    for run, ok in ((guess, False), (by_first, True)):
        rows = table()
        model = model_of(rows, NUMBERS, run)
        found = {"main": "accuracy"}
        chance = looks.all_of(model, seen_by(model, rows), table(), found, [])[0]
        assert chance["ok"] is ok, chance


def test_a_model_that_knows_its_training_rows_by_heart_is_called_so() -> None:
    train, test = table(), table()
    known = {(a, b) for a, b, y in zip(train["a"], train["b"], train["y"], strict=True) if y == "yes"}

    def memory(graph: str, /, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        near = [any(abs(a - row[0]) + abs(b - row[1]) < 1e-5 for a, b in known) for row in arrays["numbers"]]
        sign = np.where(near, 3.0, -3.0)
        return {"logits": np.stack([-sign, sign], axis=1)}

    for run, ok in ((memory, False), (by_first, True)):
        model = model_of(train, NUMBERS, run)
        seen = seen_by(model, test)
        look = looks.all_of(model, seen, train, {"main": "accuracy"}, [])[1]
        assert look["ok"] is ok, look


def test_test_rows_that_stand_in_training_are_counted() -> None:
    train, test = table(), table()
    model = model_of(train, NUMBERS, by_first)
    assert looks.of_copies(model, seen_by(model, test), train)["ok"]
    for column in ("a", "b", "c"):
        test[column][:7] = train[column][:7]
    look = looks.of_copies(model, seen_by(model, test), train)
    assert not look["ok"] and look["words"].startswith("7 of 300")


def test_the_word_that_decides_has_the_weight() -> None:
    texts = ["a good film", "bad, very bad", "the 好 film of all", ""] * 20
    rows = {"t": texts, "y": ["yes", "no", "yes", "no"] * 20}
    inputs = {"t": {"kind": "text", "tokens": "characters"}}
    record = discover.task("classification")
    recipe = Recipe.model_validate({"task": "classification", "inputs": inputs, "target": "y"})
    feature: Any = record.features(recipe)["t"].fit(rows)
    codes = {int(feature.encode({"t": [sign]})[0][0]) for sign in ("g", "好")}

    def run(graph: str, /, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        sign = np.where(np.isin(arrays["t"], list(codes)).any(1), 3.0, -3.0)
        return {"logits": np.stack([-sign, sign], axis=1)}

    model = model_of(rows, inputs, run)
    shown = {"t": ["a good film", "the 好 film", "bad", ""]}
    found = attributions.of_rows(model, shown, model.answers(shown), rows)
    first = found[0]["t"]["tokens"]
    assert [text for text, _ in first] == ["a ", "good ", "film"] and first[1][1] > 0.9
    assert first[0][1] == first[2][1] == 0
    assert max(found[1]["t"]["tokens"], key=lambda pair: pair[1])[0] == "好" and found[3] == {}


def test_pieces_of_any_text_are_that_text() -> None:
    for text in ("", "   ", "one", "今天天气很好, and 42 more.\n", "word " * 500, "字" * 5000):
        parts = attributions.pieces(text)
        assert "".join(parts) == text[: attributions.CHARACTERS] and len(parts) <= attributions.SEGMENTS


def test_the_patch_that_decides_glows() -> None:
    from PIL import Image

    pictures = []
    for bright in (True, False) * 10:
        pixels = DRAW.integers(0, 60, (32, 32)).astype(np.uint8)
        pixels[:4, :4] = 250 if bright else 10
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        pictures.append(out.getvalue())
    rows = {"p": pictures, "y": ["yes", "no"] * 10}

    def run(graph: str, /, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        light = arrays["p"][:, 0, :4, :4].mean((1, 2)) / 20 - 5
        return {"logits": np.stack([-light, light], axis=1)}

    model = model_of(rows, {"p": "image"}, run)
    shown = {"p": pictures[:1]}
    (found,) = attributions.of_rows(model, shown, model.answers(shown), rows)
    with Image.open(io.BytesIO(base64.b64decode(found["p"]["heat"]))) as opened:
        opaque = np.asarray(opened)[..., 3].astype(int)
    assert opaque[:6, :6].min() > 100 and opaque[16:, 16:].max() == 0


def test_a_table_cell_is_compared_with_what_is_usual() -> None:
    rows = table()
    model = model_of(rows, NUMBERS, by_first)
    shown = {"a": [3.0], "b": [3.0], "c": ["u"]}
    (found,) = attributions.of_rows(model, shown, model.answers(shown), rows)
    assert found["a"]["weight"] > 0.3 and found["b"]["weight"] == found["c"]["weight"] == 0
    assert found["a"]["instead"] == pytest.approx(float(np.median(rows["a"])), abs=1e-6)


@pytest.mark.parametrize(
    ("given", "changed", "kept"),
    [
        (
            {"labels": ["a"], "scores": {"a": 0.9, "b": 0.1}},
            {"labels": [], "scores": {"a": 0.2, "b": 0.1}},
            math.log(0.25),
        ),
        ({"values": {"u": 3.0, "v": 1.0}}, {"values": {"u": 2.0, "v": 1.0}}, 2.0),
        ({"text": "guten Tag"}, {"text": "guten Tag"}, 1.0),
        ([{"label": "a", "box": [0, 0, 9, 9]}], [], 0.0),
        ({"items": ["a"]}, {"items": ["b"]}, None),
    ],
)
def test_every_form_of_answer_has_its_strength_or_none(given: Any, changed: Any, kept: Any) -> None:
    assert attributions.strength(changed, given) == (pytest.approx(kept) if kept is not None else None)


def test_rows_of_one_class_say_nothing_of_columns_instead_of_failing() -> None:
    rows = table()
    model = model_of(rows, NUMBERS, by_first)
    yes = [place for place, label in enumerate(rows["y"]) if label == "yes"]
    some = {column: [values[place] for place in yes] for column, values in rows.items()}
    matters, _ = why.importance(model, seen_by(model, some), "auc")
    assert matters == [] and "nothing can be said" in why.words(matters, "auc", "")
