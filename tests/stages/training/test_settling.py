"""Rates, sizes and epochs chosen before training: told, written down, kept by a resumed run and by its recipe."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from feilun.core.errors import RecipeError, Stopped
from feilun.core.manifest import read_json, write_json
from feilun.core.progress import Heard
from feilun.core.recipe import Train
from feilun.parts.engine import finding
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.randomness import initialised
from feilun.stages.training import settling, verbs

sys.path.insert(0, str(Path(__file__).parent))
import test_training_stage as stage

ROWS = 2_000


def ground(**changes: Any) -> settling.Ground:
    """A small network that learns whether two numbers have the same sign."""
    drawn = np.random.default_rng(0)
    x = drawn.normal(size=(ROWS, 2)).astype(np.float32)
    arrays = {"x": x, "y": (x.prod(1) > 0).astype(np.float32)}
    with initialised(0):
        network = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 1))

    def objective(networks: Any, batch: Any, player: str) -> Tensor:
        logits = networks[player](batch["x"])[:, 0]
        return nn.functional.binary_cross_entropy_with_logits(logits, batch["y"], reduction="none")

    learning = Learning(**{"objective": objective, **changes})
    index = Index(train=np.arange(1_800), validation=np.arange(1_800, ROWS))
    return settling.Ground(networks={"main": network}, arrays=arrays, index=index, learning=learning, seed=0)


def rate(given: settling.Ground, plan: Train) -> float:
    return finding.learning_rate(given.networks, given.arrays, given.index, given.learning, plan, given.seed)[0]


@pytest.mark.parametrize("optimizer", ["adamw", "nesterov"])
def test_the_rate_found_learns_better_than_rates_far_from_it(optimizer: str) -> None:
    plan = Train.model_validate({"epochs": 2, "batch_size": 32, "optimizer": optimizer, "patience": None})
    found = rate(ground(), plan)

    def loss(learning_rate: float) -> float:
        given = ground()
        changed = plan.model_copy(update={"learning_rate": learning_rate})
        fitted = finding.fit(given.networks, given.arrays, given.index, given.learning, changed)
        return float(fitted.curves[-1]["validation_loss"])

    assert loss(found) < loss(found / 100) - 0.1
    assert loss(found) < loss(found * 1000) - 0.1


def test_the_rate_is_the_same_again_and_the_networks_and_the_generator_stay_as_they_are() -> None:
    given = ground()
    before = [parameter.clone() for parameter in given.networks["main"].parameters()]
    state = torch.default_generator.get_state()
    plan = Train(batch_size=32)
    assert rate(given, plan) == rate(given, plan) == rate(ground(), plan)
    assert all(torch.equal(a, b) for a, b in zip(before, given.networks["main"].parameters(), strict=True))
    assert all(parameter.grad is None for parameter in given.networks["main"].parameters())
    assert torch.equal(state, torch.default_generator.get_state())


def test_sorted_rows_do_not_mislead_the_rate() -> None:
    given = ground()
    order = np.argsort(given.arrays["y"][:1_800], kind="stable")
    given.arrays["x"][:1_800], given.arrays["y"][:1_800] = given.arrays["x"][order], given.arrays["y"][order]
    assert rate(given, Train(batch_size=32)) == pytest.approx(rate(ground(), Train(batch_size=32)), rel=4)


@pytest.mark.parametrize("changes", [{"turns": ("main", "other")}, {"early_stop": False}])
def test_no_rate_is_found_for_players_against_each_other(changes: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="play against each other"):
        rate(ground(**changes), Train())


def test_a_batch_size_leaves_enough_steps_and_fits_into_memory() -> None:
    given = ground()
    on = (given.networks, given.arrays, given.index, given.learning)
    size, measured = finding.batch_size(*on, Train(), memory_bytes=1 << 30)
    assert size & (size - 1) == 0 and 16 <= size <= 1_800 // finding.STEPS_AN_EPOCH
    speeds = dict(measured)
    assert speeds[size] >= finding.NEAR * max(speeds.values())
    assert all(speed < finding.NEAR * max(speeds.values()) for one, speed in measured if one < size)
    assert finding.batch_size(*on, Train(), memory_bytes=1)[0] == finding.SIZES[0]


def test_the_default_rate_goes_with_the_size() -> None:
    assert finding.scaled(Train(), 256) == pytest.approx(2e-3)
    assert finding.scaled(Train(optimizer="momentum"), 256) == pytest.approx(4e-3)


def test_a_time_limit_cuts_epochs_so_that_the_schedule_ends(tmp_path: Path) -> None:
    said = Heard()
    plan = Train(epochs=100_000, batch_size=32, time_limit_s=2.0)
    settled = settling.settle(plan, ground(), tmp_path, said)
    epoch_s = read_json(tmp_path / settling.FILE)["measured"]["epoch_s"]
    assert 1 <= settled.epochs <= max(1.0, 2.0 / epoch_s)
    assert "time limit 2 s" in said.lines[-1] and f"{settled.epochs} of 100000 epochs fit" in said.lines[-1]
    assert settling.settle(plan, ground(), tmp_path, Heard()) == settled, "measured once"
    few = settling.settle(Train(epochs=2, time_limit_s=1e4), ground(), tmp_path / "..", said)
    assert few.epochs == 2 and "all 2 epochs fit" in said.lines[-1]


def test_nothing_is_measured_where_nobody_asks(tmp_path: Path) -> None:
    assert settling.settle(Train(), ground(), tmp_path, Heard()) == Train()
    assert not list(tmp_path.iterdir()) and settling.chosen(tmp_path, in_time=True) == {}


def test_a_limit_that_passes_all_the_same_ends_training_with_the_best_so_far(tmp_path: Path) -> None:
    write_json(tmp_path / settling.FILE, {"train": {"epochs": 1_000_000, "time_limit_s": 0.3}})
    given = ground()
    plan = settling.settle(Train(find=("learning_rate",), time_limit_s=1.0), given, tmp_path, Heard())
    fitted = finding.fit(given.networks, given.arrays, given.index, given.learning, plan)
    assert not fitted.in_time and 1 <= fitted.epochs < 1_000_000
    assert "time_limit_s" not in settling.chosen(tmp_path, in_time=fitted.in_time)["chosen"]


def test_an_interrupted_stage_goes_on_with_what_was_found_bit_for_bit(tmp_path: Path) -> None:
    asked = stage.RECIPE.but(train={**stage.RECIPE.train.model_dump(mode="json"), "find": ["learning_rate"]})
    before = stage.data(tmp_path / "data")
    stopped: list[bool] = []

    def stop() -> None:
        if (tmp_path / "cut" / settling.FILE).is_file() and not stopped:  # once, in the training itself
            stopped.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    whole = verbs.make(stage.work(tmp_path / "whole", stage.task(), before, asked))
    with pytest.raises(Stopped):
        verbs.make(stage.work(tmp_path / "cut", stage.task(after=stop), before, asked))
    found = read_json(tmp_path / "cut" / settling.FILE)
    verbs.make(stage.work(tmp_path / "cut", stage.task(), before, asked))
    assert read_json(tmp_path / "cut" / settling.FILE) == found
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]
    chosen = whole.facts["chosen"]
    assert chosen["find"] == [] and chosen["learning_rate"] == found["train"]["learning_rate"]
    again = asked.but(train={**asked.train.model_dump(mode="json"), **chosen})
    verbs.make(stage.work(tmp_path / "again", stage.task(), before, again))
    assert (tmp_path / "again" / "weights.safetensors").read_bytes() == weights[0]
    assert not (tmp_path / "again" / settling.FILE).exists(), "the recipe that was written back finds nothing again"
