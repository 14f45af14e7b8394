"""From a file to a Recipe: one sentence with line and column for whatever does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from feilun.core import hints, reading, yaml12
from feilun.core.errors import InputError, RecipeError
from feilun.core.recipe import Recipe


def _read(folder: Path, text: str, *overrides: str) -> Recipe:
    path = folder / "my.yaml"
    path.write_text(text, encoding="utf-8")
    return reading.read_recipe(path, overrides)


def _fails(folder: Path, text: str, *overrides: str) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        _read(folder, text, *overrides)
    assert "pydantic" not in str(caught.value)
    assert "validation error" not in str(caught.value)
    return caught.value


def test_a_recipe_is_named_after_its_file(tmp_path: Path) -> None:
    assert _read(tmp_path, "target: churn\n").name == "my"
    assert _read(tmp_path, "name: other\n").name == "other"


def test_yes_and_no_stay_text(tmp_path: Path) -> None:
    recipe = _read(tmp_path, "target: no\nevaluate: {positive: yes}\ntrain: {learning_rate: 1e-4}\n")
    assert recipe.target is not None
    assert (recipe.target.column, recipe.evaluate.positive, recipe.train.learning_rate) == ("no", "yes", 1e-4)


def test_a_foreign_name_gets_ours_in_both_languages(tmp_path: Path) -> None:
    error = _fails(tmp_path, "data:\n  source: a.csv\ntarget: churn\nmodel: mlp\n\ntrain:\n  num_train_epochs: 3\n")
    assert str(error) == (
        "my.yaml:7:3  unknown key train.num_train_epochs\n"
        "  Hugging Face's name; here train.epochs. Nothing was run.\n"
        "  第 7 行:没有 train.num_train_epochs,这里叫 train.epochs。"
    )
    assert (error.where, error.expected, error.got) == ("my.yaml:7:3", "train.epochs", "train.num_train_epochs")


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("trian: {epochs: 1}\n", "Did you mean train?"),
        ("train: {epoch: 1}\n", "Did you mean train.epochs?"),
        ("epochs: 1\n", "Did you mean train.epochs?"),
        ("train: {lr: 1}\n", "PyTorch's name; here train.learning_rate"),
        ("input_features: []\n", "Ludwig's name; here inputs"),
        ("xyzzy: 1\n", "`feilun help` lists the keys"),
    ],
)
def test_an_unknown_key_gets_the_nearest(tmp_path: Path, text: str, ours: str) -> None:
    assert ours in str(_fails(tmp_path, text))


def test_wrong_values_get_a_sentence_each_and_their_lines(tmp_path: Path) -> None:
    said = str(_fails(tmp_path, "seed: -1\ntrain:\n  epochs: three\n  batch_size: 0\n")).splitlines()
    assert said[0].startswith("my.yaml:1:1  seed is -1; expected a whole number at least 0")
    assert said[2].startswith("my.yaml:3:3  train.epochs is 'three'; expected a whole number at least 0")
    assert said[4].startswith("my.yaml:4:3  train.batch_size is 0;")
    assert sum("Nothing was run." in line for line in said) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds nothing"),
        ("- 1\n", "holds list"),
        ("train: 5\n", "my.yaml:1:1  train is 5; expected keys: epochs, time_limit_s"),
        (
            "train: {find: [size]}\n",
            "my.yaml:1:16  train.find.0 is 'size'; expected a list of learning_rate | batch_size",
        ),
        ("target: 2020\n", "in quotes"),
        ("target: a\ninputs: {a: text}\n", "also listed under inputs"),
        ("inputs: {评论: {kind: 3}}\n", "my.yaml:1:15  inputs.评论.kind is 3"),
        ("name: ../../etc\n", "name is '../../etc'"),
        ("name: a@3\n", "name is 'a@3'"),
        ("train: {betas: [1]}\n", "train.betas"),
    ],
)
def test_each_fault_says_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    assert said in str(_fails(tmp_path, text))


def test_overrides_are_read_like_the_file(tmp_path: Path) -> None:
    recipe = _read(
        tmp_path, "model: cnn\n", "model.depth=4", "train.learning_rate=1e-4", "data.drop=[a, b]", "target=no"
    )
    assert recipe.model.options == {"depth": 4}
    assert recipe.model.name == "cnn"
    assert recipe.train.learning_rate == 1e-4
    assert recipe.data.drop == ("a", "b")
    assert recipe.target is not None
    assert recipe.target.columns == ("no",)


@pytest.mark.parametrize("override", ["train.epoch=3", "train.epochs=x", "=3", "train.epochs"])
def test_a_wrong_override_names_itself(tmp_path: Path, override: str) -> None:
    assert f"--set {override}" in str(_fails(tmp_path, "model: cnn\n", override))


def test_a_secret_is_kept_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEILUN_TEST_PLACE", "s3cret")
    recipe = _read(tmp_path, "data: {source: '${FEILUN_TEST_PLACE}/a.csv'}\n")
    assert recipe.data.source == "${FEILUN_TEST_PLACE}/a.csv"
    assert reading.expand(recipe.data.source) == "s3cret/a.csv"
    assert "s3cret" not in reading.to_yaml(recipe)


def test_a_secret_that_is_not_set_is_told_before_anything_runs(tmp_path: Path) -> None:
    error = _fails(tmp_path, "data:\n  source: '${FEILUN_TEST_UNSET}'\n")
    assert str(error).startswith("my.yaml:2:3  the environment variable FEILUN_TEST_UNSET is not set")


def test_secrets_go_only_where_they_are_looked_up(tmp_path: Path) -> None:
    assert "looked up only in data.source" in str(_fails(tmp_path, "target: '${HOME}'\n"))


def test_a_file_that_is_not_there_or_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="feilun init"):
        reading.read_recipe(tmp_path / "none.yaml")
    path = tmp_path / "gbk.yaml"
    path.write_bytes("target: 情感".encode("gbk"))
    with pytest.raises(RecipeError, match="UTF-8"):
        reading.read_recipe(path)


def test_a_written_recipe_reads_back_equal(tmp_path: Path) -> None:
    recipe = _read(
        tmp_path, "target: 情感\ninputs: {评论: {kind: text, tokens: characters}}\nevaluate: {positive: no}\n"
    )
    assert _read(tmp_path, reading.to_yaml(recipe)) == recipe


def test_every_key_has_a_meaning_and_is_found() -> None:
    for path, key in hints.all_keys().items():
        assert key.meaning, path
        assert hints.find_key(path) == key
    key = hints.find_key("inputs.评论.kind")
    assert key is not None
    assert key.path == "inputs.<column>.kind"


def test_foreign_names_lead_to_keys_that_exist_and_are_none_of_ours() -> None:
    known = hints.all_keys()
    for name, (whose, ours) in hints.FOREIGN.items():
        assert whose
        first = ours.partition(",")[0].partition(" and ")[0]
        assert first in known or " " in first, f"{name} leads to {ours}, which is no key"
        assert name == name.lower()
        assert name not in known


def test_every_recipe_of_the_design_reads(tmp_path: Path) -> None:
    text = (
        "data: {source: 评论.csv}\ninputs: {评论: {kind: text, tokens: characters}}\ntarget: 情感\n"
        "model: {name: transformer, depth: 4}\noptimize: {quantize: int8, tolerance: 0.01}\n"
    )
    assert yaml12.load(text, "a").at(("target",)) == "a:3:1"
    assert _read(tmp_path, text).inputs["评论"].options == {"tokens": "characters"}
