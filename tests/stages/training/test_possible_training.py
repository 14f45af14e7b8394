"""Losses and ways of mixing that a task or its columns do not have are told before any row is read."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from feilun import lifecycle
from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.core.recipe import Recipe, Train
from feilun.parts.engine import execution, losses
from feilun.stages.training import learning, possible, verbs


def recipe(task: str, kinds: dict[str, str] | None = None, **train: Any) -> Recipe:
    inputs = {name: {"kind": kind} for name, kind in (kinds or {"x": "number"}).items()}
    return Recipe.model_validate({"task": task, "inputs": inputs, "target": "y", "train": train})


def check(given: Recipe) -> None:
    possible.check(given, discover.task(str(given.task)))


@pytest.mark.parametrize(
    ("task", "train", "words"),
    [
        ("regression", {"loss": "hinge"}, "it has: squared, absolute, huber"),
        ("classification", {"loss": "squred"}, "it has: cross_entropy, binary, focal"),
        ("image_generation", {"loss": "hinge"}, "its loss cannot be chosen"),
        ("regression", {"label_smoothing": 0.1}, "the loss is squared"),
        ("classification", {"label_smoothing": 0.1, "loss": "hinge"}, "the loss is hinge"),
        ("recommendation", {"label_smoothing": 0.1}, "the loss is the task's own"),
        ("classification", {"focusing": 1.0}, "only focal has it"),
    ],
)
def test_what_a_task_does_not_have(task: str, train: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        check(recipe(task, **train))


@pytest.mark.parametrize(
    ("kinds", "train", "words"),
    [
        ({"x": "number", "t": "text"}, {"mixup": 0.2}, "'t' is of kind text: only numbers and pictures can be mixed"),
        ({"c": "category"}, {"mixup": 0.2}, "'c' is of kind category"),
        ({"photo": "image", "x": "number"}, {"cutmix": 1.0}, "'x' is of kind number: only pictures can be cut"),
    ],
)
def test_columns_that_cannot_be_mixed(kinds: dict[str, str], train: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        check(recipe("classification", kinds, **train))


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ({"momentum": 0.5}, "momentum is 0.5, and does nothing here: it goes with optimizer: momentum"),
        ({"warmup": 0.2, "decay": "one_cycle"}, "one_cycle warms up by itself"),
        ({"average_decay": 0.9}, "average: ema"),
        ({"unfreeze": 3}, "train.freeze"),
        ({"unfreeze": 9, "freeze": ["encoders"], "epochs": 4}, "there are 4"),
        ({"shard": True}, "processes: 2"),
        ({"time_limit_s": 5, "pretrain": {"epochs": 3}}, "train.pretrain is another one"),
        ({"time_limit_s": 5, "pseudo_labels": {"source": "x.csv"}}, "train.pseudo_labels is another one"),
        ({"few_shot": True}, "knows nothing yet"),
        ({"few_shot": True, "pretrain": {"epochs": 3}, "mixup": 0.2}, "solves the last layer at once"),
        ({"few_shot": True, "pretrain": {"epochs": 3}, "learning_rate": "auto"}, "solves the last layer at once"),
    ],
)
def test_keys_that_would_do_nothing(train: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        check(recipe("classification", **train))


def test_keys_that_a_task_sets_are_noted_instead() -> None:
    cpu = torch.device("cpu")
    plan = Train(optimizer="sgd", weight_decay=0.5, precision="fp16")
    assert len(execution.notes(plan, cpu, streamed=True)) == 3
    assert execution.notes(Train(), cpu, streamed=False) == []


@pytest.mark.parametrize("betas", [[0.9, 1.0], [-0.1, 0.9], [0.9]])
def test_betas_below_one_alone_are_taken(betas: list[float]) -> None:
    with pytest.raises(ValueError, match="betas"):
        recipe("classification", betas=betas)


def test_boxes_are_not_cut() -> None:
    check(recipe("object_detection", {"image": "image"}, mixup=0.2))
    with pytest.raises(RecipeError, match="hide or cut its boxes"):
        check(recipe("object_detection", {"image": "image"}, cutmix=1.0))


def test_what_goes_together_is_let_through() -> None:
    check(recipe("classification", {"photo": "image", "x": "number"}, mixup=0.2, label_smoothing=0.1))
    check(recipe("classification", {"photo": "image"}, cutmix=1.0, loss="focal", focusing=3.0))
    check(recipe("translation", {"t": "text"}, label_smoothing=0.1))


def test_it_is_said_before_the_rows_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "1.5,a\n2.5,b\n" * 50, encoding="utf-8")
    asked = Recipe.model_validate(
        {"data": {"source": str(tmp_path / "t.csv")}, "target": "y", "train": {"loss": "squared"}}
    )
    with pytest.raises(RecipeError, match=r"train\.loss is 'squared'; task classification"):
        lifecycle.run_recipe(asked, home=tmp_path, base=tmp_path)
    assert not list(tmp_path.glob("*/*/data")), "nothing was made"
    with pytest.raises(RecipeError):
        verbs.check(recipe("classification", loss="squared"))


def test_the_objective_has_the_loss_that_was_asked_for() -> None:
    task = discover.task("classification")
    features = {
        "numbers": discover.feature("number", columns=("x",)),
        "target": discover.feature("labels", columns=("y",)),
    }
    made = learning.of(recipe("classification", loss="hinge"), task, features)
    assert isinstance(made.objective, partial) and made.objective.keywords == {"loss": losses.hinge}
    assert (made.inputs, made.targets) == (("numbers",), ("target",))
    assert learning.of(recipe("classification"), task, features).objective is task.objective
    smooth = learning.of(recipe("classification", label_smoothing=0.1), task, features).objective
    assert isinstance(smooth, partial) and smooth.keywords["loss"].keywords == {"smoothing": 0.1}
