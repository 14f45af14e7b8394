"""Weights and chances of rows: what the loss is, what is drawn, and that an interrupted run goes on exactly."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from feilun.core.errors import Stopped
from feilun.core.progress import Quiet
from feilun.core.recipe import Train
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning, Run
from feilun.parts.engine.randomness import epoch_order, grouped, initialised
from feilun.parts.ops.ragged import Ragged

FLAT = {"warmup": 0.0, "decay": "none", "clip": None, "patience": None}


def squared(networks: Any, batch: Any, player: str) -> Tensor:
    return (networks[player](batch["x"]) - batch["y"]).square().sum(1) / 2


def line() -> tuple[dict[str, np.ndarray], np.ndarray]:
    drawn = np.random.default_rng(1)
    inputs = drawn.normal(size=(40, 3))
    targets = inputs @ [[1.0], [-2.0], [0.5]] + drawn.normal(size=(40, 1))
    return {"x": inputs.astype(np.float32), "y": targets.astype(np.float32)}, drawn.uniform(0.1, 3, 40)


def linear() -> dict[str, nn.Module]:
    with initialised(0):
        return {"main": nn.Linear(3, 1)}


def test_weighted_rows_agree_with_scikit_learn() -> None:
    arrays, weights = line()
    networks = linear()
    plan = Train(epochs=200, batch_size=40, optimizer="sgd", learning_rate=0.5, l2=0.1, **FLAT)
    index = Index(train=np.arange(40), weights=weights)
    fit(networks, arrays, index, Learning(objective=squared), plan)
    # mean weighted loss + l2/2 w² over 40 rows is ridge's Σ weight (y - ŷ)² + alpha w² with alpha = 40 l2
    expected = Ridge(alpha=40 * 0.1, tol=1e-10).fit(arrays["x"], arrays["y"][:, 0], sample_weight=weights)
    assert networks["main"].weight.detach().numpy()[0] == pytest.approx(expected.coef_, abs=1e-3)
    assert networks["main"].bias.item() == pytest.approx(expected.intercept_, abs=1e-3)


def test_the_validation_loss_has_the_same_weights() -> None:
    arrays, weights = line()
    still = Train(epochs=1, batch_size=32, optimizer="sgd", learning_rate=1e-30, **FLAT)
    index = Index(train=np.arange(32), validation=np.arange(32, 40), weights=weights)
    networks = linear()
    curve = fit(networks, arrays, index, Learning(objective=squared), still).curves[0]
    losses = (
        squared(networks, {name: torch.from_numpy(array) for name, array in arrays.items()}, "main").detach().numpy()
    )
    assert curve["validation_loss"] == pytest.approx(float((losses * weights)[32:].mean()), rel=1e-5)
    assert curve["loss"] == pytest.approx(float((losses * weights)[:32].mean()), rel=1e-5)


def test_chances_decide_how_often_a_row_is_drawn() -> None:
    examples = np.arange(100, 300)
    chances = np.where(np.arange(200) < 20, 9.0, 1.0)
    orders = [epoch_order(examples, 3, epoch, chances).numpy() for epoch in range(40)]
    rare = np.array([(order < 120).sum() for order in orders])
    assert all(len(order) == 200 for order in orders)
    assert set(rare.tolist()) <= {99, 100, 101}  # 200 draws x 180 / 360, each row rounded by lot
    drawn = np.bincount(np.concatenate(orders) - 100, minlength=200)
    assert (drawn > 0).all()
    assert np.array_equal(orders[7], epoch_order(examples, 3, 7, chances).numpy())
    assert not np.array_equal(orders[7], orders[8])
    assert not np.array_equal(orders[7], epoch_order(examples, 4, 7, chances).numpy())


def test_without_chances_an_epoch_is_what_it_was() -> None:
    assert sorted(epoch_order(np.arange(50), 0, 1).tolist()) == list(range(50))
    assert sorted(epoch_order(np.arange(50), 0, 1, np.full(50, 3.0)).tolist()) == list(range(50))


def test_batches_of_one_length_have_every_row_once_and_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(1, 400, 1_003)
    order, steps = epoch_order(np.arange(1_003), 5, 2), 63
    made = grouped(order, lengths, steps, 5, 2)
    assert sorted(made.tolist()) == list(range(1_003))
    assert torch.equal(made, grouped(order, lengths, steps, 5, 2))
    assert not torch.equal(made, grouped(order, lengths, steps, 6, 2))
    assert torch.equal(order, grouped(order, None, steps, 5, 2))

    def padded(rows: Tensor) -> int:
        ends = np.arange(steps + 1) * len(rows) // steps
        return sum((end - start) * lengths[rows[start:end].numpy()].max() for start, end in itertools.pairwise(ends))

    assert padded(order) > 1.8 * lengths.sum()
    assert padded(made) < 1.1 * lengths.sum()
    firsts = lengths[made[:: len(made) // steps].numpy()]
    assert abs(np.corrcoef(firsts[:-1], firsts[1:])[0, 1]) < 0.4  # short and long batches come mixed
    alone = grouped(torch.arange(100, 120), lengths, 1)
    assert (np.diff(lengths[alone.numpy()]) >= 0).all()


def test_texts_of_one_length_together_take_less_room() -> None:
    drawn = np.random.default_rng(3)
    texts = Ragged.of([drawn.normal(size=(count, 1)).astype(np.float32) for count in drawn.integers(1, 30, 90)])
    sums = np.array([[text.sum()] for text in (texts[row] for row in range(90))], np.float32)
    plan = Train(epochs=3, batch_size=8, group_by_length=True)
    wide: list[int] = []

    def objective(networks: Any, batch: Any, player: str) -> Tensor:
        wide.append(batch["x"].shape[1] * len(batch["x"]))
        return (networks[player](batch["x"].sum(1)) - batch["y"]).square().sum(1)

    def run(group: bool) -> Tensor:
        with initialised(0):
            networks = {"main": nn.Linear(1, 1)}
        index = Index(train=np.arange(80), validation=np.arange(80, 90))
        chosen = plan.model_copy(update={"group_by_length": group})
        fit(networks, {"x": texts, "y": sums}, index, Learning(objective=objective), chosen)
        return networks["main"].weight.detach()

    first, together = run(True), sum(wide)
    assert torch.equal(first, run(True))
    wide.clear()
    run(False)
    assert together < 0.75 * sum(wide)


def test_interrupted_and_gone_on_is_the_same(tmp_path: Path) -> None:
    arrays, weights = line()
    chances = np.where(np.arange(32) < 4, 5.0, 1.0)
    index = Index(train=np.arange(32), validation=np.arange(32, 40), weights=weights, chances=chances)
    plan = Train(epochs=6, batch_size=8, learning_rate=0.05)

    def run(folder: Path, stop_at: int = -1) -> dict[str, nn.Module]:
        networks, calls = linear(), iter(range(1000))

        def objective(networks: Any, batch: Any, player: str) -> Tensor:
            if torch.is_grad_enabled() and next(calls) == stop_at:
                os.kill(os.getpid(), signal.SIGINT)
            return squared(networks, batch, player)

        folder.mkdir(exist_ok=True)
        fit(networks, arrays, index, Learning(objective=objective), plan, Run(seed=5, folder=folder, say=Quiet()))
        return networks

    whole = run(tmp_path / "whole")
    with pytest.raises(Stopped):
        run(tmp_path / "parts", stop_at=9)
    parts = run(tmp_path / "parts")
    assert torch.equal(whole["main"].weight, parts["main"].weight)
    assert torch.equal(whole["main"].bias, parts["main"].bias)
