"""The training stage on a small written table: what it leaves, how a lap starts, what it draws."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from torch import Tensor, nn

from feilun.core import discover
from feilun.core.errors import Stopped
from feilun.core.manifest import read_json, write_json
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.core.task import Task
from feilun.core.work import Work
from feilun.parts import dataset
from feilun.stages.training import verbs
from feilun.stages.training.draw import augmentation, with_share

RECIPE = Recipe(
    name="line",
    task="line",
    inputs={"x": {"kind": "number"}},
    target="y",
    train={"epochs": 3, "batch_size": 8, "optimizer": "sgd", "learning_rate": 0.1},
)


class Line(nn.Module):
    """One layer with dropout, so that the order of random numbers matters."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.dropout = nn.Linear(1, 1), nn.Dropout(0.2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"value": self.layer(self.dropout(x[:, :1]))[:, 0]}


def task(seen: list[Tensor] | None = None, after: Callable[[], None] = lambda: None, **changes: Any) -> Task:
    """A regression on one number. seen: collects the training batches; after: is called in every training step."""

    def objective(networks: Any, batch: Any, player: str) -> Tensor:
        if networks["main"].training:
            after()
            if seen is not None:
                seen.append(batch["y"][:, 0])
        return (networks["main"](batch["x"])["value"] - batch["y"][:, 0]).square()

    def nothing(*_: Any, **__: Any) -> Any:
        return {}

    fields = {"graphs": nothing, "answer": nothing, "truth": nothing, "correct": nothing, "scores": nothing}
    return Task(
        summary="line",
        example=lambda seed: [],
        example_recipe={},
        features=nothing,
        targets=("y",),
        build=lambda recipe, features: {"main": Line()},
        objective=objective,
        baselines=nothing,
        **{**fields, **changes},
    )


def data(folder: Path, feedback: int = 0) -> Path:
    """A data stage's folder: 40 rows, 30 of them for training, and rows from feedback."""
    drawn = np.random.default_rng(0)
    inputs = drawn.normal(size=40 + feedback)
    rows = Dataset.from_dict({"x": inputs.tolist(), "y": (2 * inputs).tolist(), "_id": list(map(str, inputs))})
    splits = np.array([0] * 30 + [1] * 5 + [3] * 5 + [0] * feedback, np.int8)
    origin = np.array([0] * 40 + [1] * feedback, np.int16)
    folder.mkdir(parents=True)
    features = {name: discover.feature("number", columns=(name,)) for name in ("x", "y")}
    dataset.write(folder, rows, splits, origin, features, [])
    return folder


def work(folder: Path, given: Task, before: Path, recipe: Recipe = RECIPE, **lap: Any) -> Work:
    """The stage's job in a fresh or interrupted folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return Work(
        recipe=recipe, task=given, folder=folder, before={"data": before}, say=Quiet(), base=folder, version=1, **lap
    )


def test_weights_curves_and_facts_are_left_and_nothing_else(tmp_path: Path) -> None:
    made = verbs.make(work(tmp_path / "training", task(), data(tmp_path / "data")))
    names = sorted(path.name for path in (tmp_path / "training").iterdir())
    assert names[1].startswith("events.out.tfevents.")
    assert [names[0], *names[2:]] == ["curves.json", "weights.safetensors"]
    curves = read_json(tmp_path / "training" / "curves.json")
    assert [point["epoch"] for point in curves] == [1, 2, 3]
    assert curves[-1]["loss"] < curves[0]["loss"]
    assert curves[-1]["validation_loss"] < curves[0]["validation_loss"]
    assert made.facts["parameters"] == 2
    assert (made.facts["epochs"], made.facts["steps"]) == (3, 12)
    assert list(load_file(tmp_path / "training" / "weights.safetensors")) == ["main/layer.bias", "main/layer.weight"]


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    before = data(tmp_path / "data")
    results = []
    for place, seed in enumerate((0, 0, 1)):
        torch.rand(place)  # whatever was drawn before
        verbs.make(work(tmp_path / str(place), task(), before, RECIPE.but(seed=seed)))
        results.append(load_file(tmp_path / str(place) / "weights.safetensors")["main/layer.weight"])
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_stopped_and_started_again_is_the_same(tmp_path: Path) -> None:
    before = data(tmp_path / "data")
    verbs.make(work(tmp_path / "whole", task(), before))
    steps = iter(range(100))

    def interrupt() -> None:
        if next(steps) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stopped, match="feilun run line"):
        verbs.make(work(tmp_path / "parts", task(after=interrupt), before))
    verbs.make(work(tmp_path / "parts", task(), before))
    one, other = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not list((tmp_path / "parts").glob("step-*"))


def test_a_lap_starts_from_the_parents_weights_and_draws_its_share(tmp_path: Path) -> None:
    verbs.make(work(tmp_path / "home" / "1" / "training", task(), data(tmp_path / "data")))
    parent = tmp_path / "home" / "2"  # a run whose training was skipped: it lies in run 1
    parent.mkdir()
    write_json(parent / "run.json", {"stages": {"training": "1/training"}})
    still = RECIPE.but(train={**RECIPE.train.model_dump(), "learning_rate": 1e-30, "epochs": 1})
    lapped = data(tmp_path / "lap", feedback=4)
    seen: list[Tensor] = []
    job = work(tmp_path / "home" / "3" / "training", task(seen), lapped, still, parent=parent, lap=tmp_path)
    verbs.make(job)
    one, other = (
        load_file(tmp_path / "home" / name / "training" / "weights.safetensors")["main/layer.weight"] for name in "13"
    )
    assert torch.equal(one, other)
    from_feedback = set(dataset.Table.open(lapped).arrays["y"][40:, 0].tolist())
    drawn = [value in from_feedback for value in torch.cat(seen).tolist()]
    assert sum(drawn) == 32  # 30 rows of the source; the 4 from feedback eight times each
    assert sum(drawn) >= still.improve.share * len(drawn)


def test_a_start_by_name_is_drawn_in_a_first_run_and_never_in_a_lap(tmp_path: Path) -> None:
    still = RECIPE.train.model_dump() | {"learning_rate": 1e-30, "epochs": 1, "initialisation": "random"}
    recipe, before = RECIPE.but(train=still), data(tmp_path / "data")
    places = {name: tmp_path / name / "training" for name in ("own", "drawn", "lap")}
    verbs.make(work(places["own"], task(), before, RECIPE.but(train=still | {"initialisation": "default"})))
    verbs.make(work(places["drawn"], task(), before, recipe))
    write_json(tmp_path / "drawn" / "run.json", {"stages": {"training": "drawn/training"}})
    verbs.make(work(places["lap"], task(), before, recipe.but(seed=5), parent=tmp_path / "drawn", lap=tmp_path))
    found = {name: load_file(place / "weights.safetensors") for name, place in places.items()}
    assert abs(float(found["drawn"]["main/layer.weight"])) <= 0.05
    assert abs(float(found["drawn"]["main/layer.bias"])) < 1e-20 < abs(float(found["own"]["main/layer.bias"]))
    assert torch.equal(found["lap"]["main/layer.weight"], found["drawn"]["main/layer.weight"])


def test_examples_lead_back_to_the_splits_of_their_rows(tmp_path: Path) -> None:
    def pairs(arrays: Any, recipe: Recipe) -> tuple[dict[str, Any], np.ndarray]:
        rows = np.repeat(np.arange(len(arrays["x"])), 2)
        return {name: np.asarray(array)[rows] for name, array in arrays.items()}, rows

    before, seen = data(tmp_path / "data"), []
    verbs.make(work(tmp_path / "training", task(seen, examples=pairs), before))
    train = dataset.Table.open(before).arrays["y"][:30, 0].tolist()
    assert sorted(torch.cat(seen[: len(seen) // 3]).tolist()) == sorted(train * 2)


@pytest.mark.parametrize(("share", "times"), [(0.1, 1), (0.2, 1), (0.5, 4), (0.6, 6), (0.9, 36)])
def test_share_of_feedback(share: float, times: int) -> None:
    drawn = with_share(np.arange(10), np.arange(10) >= 8, share)
    assert sorted(drawn.tolist()) == sorted([*range(8), *[8, 9] * times])
    assert (drawn >= 8).mean() >= share - 1e-9


def test_share_without_feedback_changes_nothing() -> None:
    assert with_share(np.arange(3), np.zeros(3, bool), 0.5).tolist() == [0, 1, 2]


def test_only_features_with_an_augmentation_are_changed() -> None:
    image = discover.feature("image", columns=("photo",), size=8, channels=1, augment={"flip": "horizontal"})
    plain = discover.feature("image", columns=("plain",), size=8, channels=1)
    augment = augmentation({"photo": image, "plain": plain})
    assert augment is not None and augmentation({"plain": plain}) is None
    batch = {name: torch.arange(64.0).view(1, 1, 8, 8).repeat(8, 1, 1, 1) for name in ("photo", "plain")}
    changed = augment(batch, torch.Generator().manual_seed(0))
    assert torch.equal(changed["plain"], batch["plain"])
    assert not torch.equal(changed["photo"], batch["photo"])
