"""What `model: auto` tries, by kinds and rows; what the user set stays."""

from __future__ import annotations

import pandas as pd
import pytest

from feilun.core.errors import RecipeError
from feilun.core.recipe import Recipe
from feilun.stages.data import verbs


def tried(frame, tmp_path, **keys):
    recipe = verbs.resolve(Recipe.model_validate({"model": "auto", "target": "y", **keys}), tmp_path, frame)
    assert recipe.model.name == "auto"
    return verbs.candidates(recipe, tmp_path, frame)


def table(rows):
    return pd.DataFrame({"a": [i * 0.37 % 5 for i in range(rows)], "b": range(rows), "y": ["no", "yes"] * (rows // 2)})


def texts(rows):
    words = ["a clean room and good staff", "a noisy place near the bus station", "the food was cold again"]
    return pd.DataFrame({"t": [f"{words[i % 3]} number {i}" for i in range(rows)], "y": ["no", "yes"] * (rows // 2)})


def names(found):
    return [recipe.model.name for recipe in found]


def test_small_tables_get_small_networks(tmp_path):
    small, large = tried(table(200), tmp_path), tried(table(4000), tmp_path)
    assert names(small) == names(large) == ["linear", "tabm"]
    assert small[1].model.options["width"] < 100 and "width" not in large[1].model.options


def test_every_candidate_is_a_whole_recipe(tmp_path):
    for frame in (table(200), table(4000), texts(200)):
        for recipe in tried(frame, tmp_path):
            assert verbs.resolve(recipe, tmp_path, frame) == recipe


def test_texts_are_encoded_as_each_model_reads_them(tmp_path):
    bag, gru = tried(texts(200), tmp_path, inputs={"t": "text"})
    assert (bag.model.name, bag.inputs["t"].options) == ("bag", {"tokens": "grams"})
    assert (gru.model.name, gru.inputs["t"].options) == ("gru", {})


def test_what_the_user_said_about_training_stays(tmp_path):
    own = {"epochs": 3, "learning_rate": 0.5}
    for recipe in tried(table(200), tmp_path, train=own):
        assert (recipe.train.epochs, recipe.train.learning_rate) == (3, 0.5)
        assert recipe.train.batch_size == 32


def test_the_users_tokens_stay(tmp_path):
    found = tried(texts(200), tmp_path, inputs={"t": {"kind": "text", "tokens": "words"}})
    assert [recipe.inputs["t"].options for recipe in found] == [{"tokens": "words"}] * 2


def test_steps_hardly_depend_on_the_number_of_rows(tmp_path):
    few, many = (tried(table(rows), tmp_path)[-1].train for rows in (2000, 20_000))
    steps = [plan.epochs * rows * 0.6 / plan.batch_size for plan, rows in ((few, 2000), (many, 20_000))]
    assert 0.5 < steps[0] / steps[1] < 2


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"name": "auto", "width": 3}, "auto takes no options; there is width"),
        ({"name": "mlp", "file": "my.py"}, "A file is a model: leave out one"),
        ({"name": "autop"}, "Did you mean auto"),
    ],
)
def test_what_does_not_go_together_is_said(model, said, tmp_path):
    with pytest.raises(RecipeError, match=said):
        verbs.resolve(Recipe.model_validate({"model": model, "target": "y"}), tmp_path, table(200))


def test_a_file_is_a_model_of_its_own(tmp_path):
    recipe = verbs.resolve(Recipe.model_validate({"model": {"file": "my.py"}, "target": "y"}), tmp_path, table(200))
    assert (recipe.model.name, recipe.model.file) == ("own", "my.py")
    assert verbs.resolve(recipe, tmp_path, table(200)) == recipe


def test_folds_and_parts_are_planned_for_the_rows_they_learn_from(tmp_path):
    whole, fold, part = (
        tried(table(1600), tmp_path, data={"split": split}) for split in ({}, {"folds": 5}, {"folds": 5, "part": 0.5})
    )
    assert [found[1].model.options.get("width") for found in (whole, fold, part)] == [32, None, 32]
    early, late = (
        tried(table(1600), tmp_path, data={"split": {"folds": 5, "by": "time", "column": "b", "fold": fold}})
        for fold in (0, 4)
    )
    assert (early[1].model.options.get("width"), late[1].model.options.get("width")) == (32, None)
