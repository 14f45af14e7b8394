"""Averages of weights: their formulas, that they are what is kept, and batch norms measured anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_fit import line, linear, squared
from torch import nn

from feilun.core.recipe import Train
from feilun.parts.engine.averaging import Average, remeasured
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning


def moved(average: Average, network: nn.Linear, values: list[float]) -> None:
    """The weights become these values, one after the other, each the end of a step and of an epoch."""
    for number, value in enumerate(values, 1):
        nn.init.constant_(network.weight, value)
        average.after_step(number)
        average.after_epoch(number)


def test_ema_follows_with_a_share_that_grows() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = Average(Train(average="ema", average_decay=0.5), {"main": network})
    moved(average, network, [1.0, 2.0, 4.0])
    # decay: 3/12 after two steps, 4/13 after three, 0.5 at most
    second = 1 + (1 - 3 / 12) * (2 - 1)
    third = second + (1 - 4 / 13) * (4 - second)
    assert average.tensors["main/weight"].item() == pytest.approx(third)
    with average.in_place():
        assert network.weight.item() == pytest.approx(third)
    assert network.weight.item() == 4.0


def test_swa_is_the_mean_of_the_last_quarter_of_epochs() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = Average(Train(average="swa", epochs=8), {"main": network})
    moved(average, network, [1, 1, 1, 1, 1, 1, 5, 8])
    assert average.tensors["main/weight"].item() == pytest.approx(6.5)


def test_norms_are_measured_as_the_mean_over_batches() -> None:
    network = nn.Sequential(nn.BatchNorm1d(1))
    batches = [torch.randn(8, 1) + shift for shift in (1.0, 3.0)]
    network.train()
    remeasured({"main": network}, lambda: [network(batch) for batch in batches])  # type: ignore[arg-type, return-value]
    expected = torch.stack([batch.mean(0) for batch in batches]).mean(0)
    torch.testing.assert_close(network[0].running_mean, expected)
    assert network[0].momentum == 0.1


@pytest.mark.parametrize("average", ["ema", "swa"])
def test_what_is_kept_is_the_average(average: str) -> None:
    index = Index(train=np.arange(30), validation=np.arange(30, 40))
    plan = {"epochs": 8, "batch_size": 5, "optimizer": "sgd", "learning_rate": 0.3, "decay": "none", "warmup": 0.0}
    arrays = line()
    arrays["y"] += np.random.default_rng(9).normal(size=arrays["y"].shape).astype(np.float32)
    last, kept = linear(), linear()
    fit(last, arrays, index, Learning(objective=squared), Train(**plan, patience=None))
    done = fit(kept, arrays, index, Learning(objective=squared), Train(**plan, patience=None, average=average))

    def loss(network: nn.Module, rows: slice) -> float:
        batch = {name: torch.from_numpy(array[rows]) for name, array in arrays.items()}
        return squared({"main": network}, batch, "main").mean().item()

    learnt, judged = slice(0, 30), slice(30, 40)
    assert loss(kept["main"], learnt) < loss(last["main"], learnt)  # the last weights still jump about
    assert done.curves[-1]["validation_loss"] == pytest.approx(loss(kept["main"], judged), rel=1e-5)
