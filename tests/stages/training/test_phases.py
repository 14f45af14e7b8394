"""Trainings for few labels, through the stages: other weights, inputs alone, our own labels, adapters."""

from __future__ import annotations

import csv
import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from feilun import lifecycle
from feilun.core import discover, manifest
from feilun.core.errors import IntegrityError, RecipeError, Stopped
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.parts.dataset import Table
from feilun.parts.engine import weights

GOOD, BAD, PLAIN = ("fine warm bright", "cold broken late", "the room was a day in with and")
TEXT = {
    "task": "classification",
    "inputs": {"text": {"kind": "text", "tokens": "words"}},
    "target": "label",
    "model": {"name": "transformer", "width": 16, "depth": 1, "heads": 2},
    "train": {"epochs": 3, "batch_size": 8, "learning_rate": 0.01, "patience": None},
    "evaluate": {"bootstrap": 100},
    "optimize": {"quantize": "none"},
}


class Say(Quiet):
    """Keeps the lines; presses Ctrl-C at the nth drawing of training, if asked to."""

    def __init__(self, stop_at: int = 0) -> None:
        self.lines: list[str] = []
        self.left = stop_at

    def line(self, text: str) -> None:
        """Keep it."""
        self.lines.append(text)

    def progress(self, stage: str, **fields: Any) -> None:
        """Count down."""
        self.left -= stage == "train"
        if stage == "train" and self.left == 0:
            signal.raise_signal(signal.SIGINT)


def write(path: Path, rows: int, seed: int, more: str = "") -> Path:
    """Texts of two kinds with their labels."""
    draw = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["text", "label"])
        for _ in range(rows):
            label = draw.choice(["good", "bad"])
            words = draw.choices(PLAIN.split(), k=4) + draw.choices((GOOD if label == "good" else BAD).split(), k=2)
            draw.shuffle(words)
            out.writerow([f"{' '.join(words)} {more}{draw.randrange(10**6)}", label])
    return path


def recipe(folder: Path, name: str, **changes: Any) -> Recipe:
    """The text recipe over `folder/rows.csv`; model and train are put on top."""
    merged = {key: {**TEXT[key], **changes.pop(key, {})} for key in ("model", "train")}
    return Recipe.model_validate({**TEXT, **merged, "name": name, "data": {"source": "rows.csv"}, **changes})


def trained(given: Recipe, folder: Path, say: Say | None = None) -> Path:
    """The training folder, after the data and the training stage in `folder/home/<name>/1`."""
    home, say = folder / "home", say or Say()
    whole = lifecycle.with_weights(lifecycle.call("data", "resolve", given, base=folder), home, folder)
    run = home / str(whole.name) / "1"
    run.mkdir(parents=True, exist_ok=True)
    context = lifecycle.Given(base=folder, say=say)
    lifecycle.runs.record(run, whole, None, {})
    return lifecycle.make_stages(whole, ("data", "training"), run, context)[0]["training"]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of a training folder."""
    return load_file(folder / weights.FILE)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run `my@1`, on other texts than those that follow."""
    folder = tmp_path_factory.mktemp("first")
    write(folder / "rows.csv", 80, seed=1, more="old")
    lifecycle.run_recipe(recipe(folder, "my"), home=folder / "home", base=folder)
    return folder


@pytest.fixture
def folder(first: Path, tmp_path: Path) -> Path:
    """A home of one's own with `my@1` in it, and new rows."""
    shutil.copytree(first / "home", tmp_path / "home", ignore=shutil.ignore_patterns(".lock"))
    write(tmp_path / "rows.csv", 60, seed=2, more="new")
    write(tmp_path / "more.csv", 80, seed=3, more="else")
    return tmp_path


def test_vectors_follow_their_tokens_and_the_rest_its_layers(folder: Path) -> None:
    """Frozen after the transfer: what is there is what was taken. Vocabularies differ, so rows move."""
    say = Say()
    made = trained(
        recipe(folder, "next", model={"weights": "my@1"}, train={"epochs": 1, "freeze": ["encoders"]}), folder, say
    )
    old, new = tensors(folder / "home" / "my" / "1" / "training"), tensors(made)
    words_there = discover.feature(**manifest.read_json(folder / "home/my/1/data/features.json")["text"]).pieces
    words = Table.open(made.parent / "data").features["text"].pieces
    assert words != words_there
    table = "main/encoders.0.vectors.weight"
    shared = [word for word in words if word in words_there]
    assert len(shared) > 10
    for word in shared:
        assert torch.equal(new[table][words.index(word)], old[table][words_there.index(word)]), word
    block = "main/encoders.0.layers.0.attention.query_key_value.weight"
    assert torch.equal(new[block], old[block])
    assert not torch.equal(new["main/head.weight"], old["main/head.weight"])
    assert any(line.startswith("From my@1:") and "new: head" in line for line in say.lines)


def test_what_weights_names_is_found_verified_and_kept(folder: Path) -> None:
    run = folder / "home" / "my" / "1"
    places = ["my", "my@1", str(run), str(run / "deployment" / "bundle"), "home/my/1"]
    given = [
        lifecycle.with_weights(recipe(folder, "next", model={"weights": one}), folder / "home", folder)
        for one in places
    ]
    assert len({one.model.weights_sha256 for one in given}) == 1
    plain = recipe(folder, "plain", model={"weights": str(run / "training" / weights.FILE)})
    assert trained(plain, folder).is_dir()
    bundle = run / "deployment" / "bundle" / weights.FILE
    content = bytearray(bundle.read_bytes())
    content[-1] ^= 1
    bundle.write_bytes(content)
    again = lifecycle.with_weights(given[0], folder / "home", folder)  # what was kept stays good
    assert again == given[0]
    with pytest.raises(IntegrityError):
        lifecycle.with_weights(recipe(folder, "third", model={"weights": "my"}), folder / "home", folder)


def test_an_adapter_leaves_the_network_as_it_was_built(folder: Path) -> None:
    """So that evaluation, export and a lap load it as any other: names and shapes are those of the plain build."""
    given = recipe(folder, "next", model={"weights": "my", "adapter": {"lora": {"rank": 2}}}, train={"epochs": 1})
    made = trained(given, folder)
    plain = tensors(trained(recipe(folder, "plain", train={"epochs": 1}), folder))
    assert {name: x.shape for name, x in tensors(made).items()} == {name: x.shape for name, x in plain.items()}
    assert (made / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("stop_at", [2, 5])
def test_pretraining_goes_on_where_it_was_and_is_not_done_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    """Stopped in the pre-training, or after it: the same weights bit for bit."""
    monkeypatch.setattr("feilun.parts.engine.fit.DRAWN_EVERY_S", 0.0)
    wanted = {"pretrain": {"method": "masked", "epochs": 1, "source": "more.csv"}, "epochs": 1, "batch_size": 32}
    whole = tensors(trained(recipe(folder, "whole", train=wanted), folder))
    given, stopped = recipe(folder, "next", train=wanted), Say(stop_at)
    with pytest.raises(Stopped):
        trained(given, folder, stopped)
    kept = folder / "home" / "next" / "1" / "training" / "pretraining" / weights.FILE
    assert kept.is_file() == (stop_at == 5)
    again = Say()
    made = trained(given, folder, again)
    steps = 2 - (stop_at == 5) + 4 * (stop_at == 2)  # those that were left: of two, and of four before them
    assert -again.left <= steps
    assert all(torch.equal(whole[name], tensor) for name, tensor in tensors(made).items())
    assert not (made / "pretraining").exists()
    without = tensors(trained(recipe(folder, "plain", train={**wanted, "pretrain": None}), folder))
    assert not torch.equal(whole["main/encoders.0.vectors.weight"], without["main/encoders.0.vectors.weight"])


def test_sure_answers_become_training_rows_and_judged_rows_do_not(folder: Path) -> None:
    """The source holds the labelled rows too: those that are judged are left out."""
    both = (folder / "more.csv").read_text("utf-8") + "".join(
        (folder / "rows.csv").read_text("utf-8").splitlines(True)[1:]
    )
    (folder / "more.csv").write_text(both, "utf-8")
    say = Say()
    wanted = {"pseudo_labels": {"source": "more.csv", "confidence": 0.7}, "epochs": 6}
    made = trained(recipe(folder, "next", train=wanted), folder, say)
    found = manifest.read(made).facts["pseudo_labels"]  # type: ignore[union-attr]
    judged = (np.asarray(Table.open(made.parent / "data").splits) > 0).sum()
    assert found["left_out_equal_to_judged"] == judged
    assert found["rows"] == 140 - judged
    assert 0 < found["taken"] <= found["rows"]
    assert any("are learnt as answered" in line for line in say.lines)
    assert not (made / "first").exists()


def test_few_shot_leaves_the_encoder_and_needs_a_linear_head(folder: Path) -> None:
    made = trained(recipe(folder, "next", model={"weights": "my"}, train={"few_shot": True}), folder)
    old = tensors(folder / "home" / "my" / "1" / "training")
    block = "main/encoders.0.layers.0.wide.weight"
    assert torch.equal(tensors(made)[block], old[block])
    with pytest.raises(RecipeError, match="few_shot"):
        trained(recipe(folder, "both", model={"adapter": {}}, train={"few_shot": True}), folder)


def test_labels_bring_rows_together_before_the_last_layer_is_solved(folder: Path) -> None:
    """The encoder has moved, nothing lies beside the result, and rows without labels are no source for it."""
    wanted: dict[str, Any] = {"few_shot": True, "pretrain": {"method": "labels", "epochs": 1}}
    made = trained(recipe(folder, "next", train=wanted), folder)
    plain = tensors(trained(recipe(folder, "plain", train={**wanted, "pretrain": {"epochs": 1}}), folder))
    block = "main/encoders.0.layers.0.wide.weight"
    assert not torch.equal(tensors(made)[block], plain[block])
    assert not (made / "pretraining").exists()
    more = {"pretrain": {"method": "labels", "source": "more.csv"}}
    with pytest.raises(RecipeError, match="whose rows have no labels"):
        trained(recipe(folder, "more", train=more), folder)


def test_contrastive_needs_pictures_and_learns_from_them(folder: Path) -> None:
    with pytest.raises(RecipeError, match="pictures"):
        trained(recipe(folder, "text", train={"pretrain": {"method": "contrastive"}}), folder)
    draw = np.random.default_rng(0)
    for number in range(40):
        place = folder / "pictures" / ("dark", "light")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = (draw.random((12, 12, 3)) * 120 + 120 * (number % 2)).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    for method in ("contrastive", "masked"):
        changes = {"inputs": {"image": {"kind": "image"}}, "data": {"source": "pictures"}, "task": "classification"}
        plan = {"pretrain": {"method": method, "epochs": 1}, "epochs": 1}
        plain = {**TEXT, **changes, "model": {"name": "cnn", "width": 4, "depth": 2}, "train": plan, "name": method}
        made = trained(Recipe.model_validate(plain), folder)
        facts = manifest.read(made).facts["pretraining"]  # type: ignore[union-attr]
        assert facts["method"] == method and facts["rows"] > 20


def test_inputs_alone_need_an_encoder_that_reads_in_order(folder: Path) -> None:
    given = recipe(folder, "next", train={"pretrain": {"method": "masked"}})
    with pytest.raises(RecipeError, match="transformer, gru"):
        trained(given.but(model={"name": "mlp"}), folder)


def test_preferences_are_learnt_against_what_the_network_was_when_training_began(tmp_path: Path) -> None:
    pairs = [{"ask": f"how are you {n}", "good": f"well {n}", "bad": f"no {n}"} for n in range(40)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(json.dumps(pair) for pair in pairs), encoding="utf-8")
    asked = {
        "name": "pairs",
        "task": "text_generation",
        "data": {"source": str(tmp_path / "pairs.jsonl")},
        "inputs": {"ask": {"kind": "text", "tokens": "characters", "context": 32}},
        "target": {"columns": ["good"], "rejected": "bad"},
        "model": {"name": "decoder", "width": 16, "depth": 1, "heads": 2},
        "train": {"epochs": 1, "batch_size": 8, "learning_rate": 0.01},
        "evaluate": {"bootstrap": 100},
        "optimize": {"quantize": "none"},
    }
    profile = lifecycle.call("data", "profile", Recipe.model_validate(asked), base=tmp_path)
    assert {entry["column"]: entry["role"] for entry in profile} == {"ask": "input", "good": "target", "bad": "target"}
    kept = tensors(trained(Recipe.model_validate(asked), tmp_path))
    more = {
        **asked,
        "name": "more",
        "model": {**asked["model"], "weights": "home/pairs/1/training/weights.safetensors"},
    }
    then = tensors(trained(Recipe.model_validate(more), tmp_path))
    names = [name.removeprefix("main/") for name in kept if name.startswith("main/")]
    assert any(not torch.equal(kept[f"main/{name}"], kept[f"reference/{name}"]) for name in names)
    assert names and all(torch.equal(then[f"reference/{name}"], kept[f"main/{name}"]) for name in names)
