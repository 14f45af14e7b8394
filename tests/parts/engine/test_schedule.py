"""Schedules that look at the run: one cycle and the plateau."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from feilun.core.recipe import Train
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.schedule import cuts, learning_rate


def test_one_cycle_rises_for_a_third_and_ends_near_nothing() -> None:
    plan = Train(decay="one_cycle", learning_rate=1.0, warmup=0.5)  # a cycle is its own warm-up
    rates = [learning_rate(plan, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == rates[29] == pytest.approx(1.0)
    assert rates[:30] == sorted(rates[:30])
    assert rates[29:] == sorted(rates[29:], reverse=True)
    assert rates[-1] == pytest.approx(1e-4 / 25)
    assert learning_rate(plan.model_copy(update={"floor": 0.1}), 99, 100) == pytest.approx(0.1)
    assert 0 < learning_rate(plan, 0, 1) <= 1.0


def test_one_cycle_is_the_shape_of_torch() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.3, total_steps=50, cycle_momentum=False, pct_start=0.3
    )
    plan = Train(decay="one_cycle", learning_rate=0.3)
    for step in range(50):
        assert learning_rate(plan, step, 50) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        if step < 49:
            cycle.step()


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([], 0),
        ([3, 2, 1], 0),
        ([1, 2, 0.5], 0),  # one epoch without is waited for
        ([1, 2, 2], 1),
        ([1, 2, 2, 2], 1),  # counting starts anew
        ([1, 2, 2, 2, 2], 2),
        ([1, 0.99999, 0.99998], 1),  # too little to be better
        ([-1, -2, -2, -2], 1),
    ],
)
def test_a_plateau_is_two_epochs_without_a_better_loss(losses: list[float], expected: int) -> None:
    assert cuts(losses) == expected


def test_a_plateau_halves_the_rate_down_to_the_floor() -> None:
    plan = Train(decay="plateau", learning_rate=1.0, floor=0.2, warmup=0.0)
    assert [learning_rate(plan, 5, 10, cut) for cut in range(4)] == [1.0, 0.5, 0.25, 0.2]


def test_the_loop_halves_the_rate_where_nothing_gets_better() -> None:
    arrays = {"x": np.ones((8, 1), np.float32)}
    plan = Train(epochs=6, batch_size=4, decay="plateau", learning_rate=1.0, warmup=0.0, patience=None)
    index = Index(train=np.arange(4), validation=np.arange(4, 8))
    done = fit({"main": nn.Linear(1, 1)}, arrays, index, Learning(objective=_flat), plan)
    assert [point["learning_rate"] for point in done.curves] == [1.0, 1.0, 1.0, 0.5, 0.5, 0.25]


def _flat(networks: Any, batch: Any, player: str) -> Tensor:
    """A loss without a slope."""
    made: Tensor = networks[player](batch["x"])[:, 0] * 0 + 1
    return made
