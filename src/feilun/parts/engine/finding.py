"""Learning rate and batch size found by measurement before training; the networks stay as they are."""

from __future__ import annotations

import contextlib
import copy
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from feilun.core.errors import InputError, RecipeError
from feilun.core.recipe import Train
from feilun.parts.engine import randomness
from feilun.parts.engine.fit import fit
from feilun.parts.engine.measuring import ONCE, activations_bytes, pace
from feilun.parts.engine.plan import Index, Learning, Run

STEPS, ORDERS = 100, 3  # of the rising rate, and how often, each time with the rows in another order
FROM, TO = 1e-5, 1.0  # rates of the adaptive rules, whose steps are about as long as the rate
PLAIN = ("sgd", "momentum", "nesterov")  # steps as long as the gradient: ten times the rates
WIDTH = 3.0  # steps: standard deviation of the bell that smooths the losses
BURST = 3.0  # times the first or least loss: the rate is far too high, the test ends
FALLEN = 0.9  # of the whole fall
SIZES = (16, 4096)  # least and most rows of a batch that are tried
STEPS_AN_EPOCH = 20  # at least, so that a large batch does not leave too few updates
NEAR = 0.9  # of the best rows/s is good enough
BUDGET_S = 0.3  # for each size


class _Burst(Exception):
    """The loss has run away."""


def learning_rate(
    networks: Mapping[str, nn.Module],
    arrays: Mapping[str, Any],
    index: Index,
    learning: Learning,
    plan: Train,
    seed: int,
) -> tuple[float, list[float]]:
    """(rate, [rate by each order of the rows]): the learning-rate range test of Smith 2017, deterministic for a seed.

    A copy of the networks trains for `STEPS` steps while the rate rises exponentially. Of the smoothed losses two rates
    are read: where nine tenths of the fall are done, and where the loss is least, just before training breaks. Their
    geometric mean is taken, of several orders of the rows the median, rounded to two digits.
    On nine trainings of recipes/ its validation loss was within some percent of the best of seven rates for most; the
    rate of the steepest fall, which others take, was 3 to 100 times too low or too high on six of them.
    Raises RecipeError where the loss says nothing: several players, or a task without early stopping.
    """
    if len(set(learning.turns)) > 1 or not learning.early_stop:
        raise RecipeError(
            "train.learning_rate is auto, and here several networks play against each other, so that a falling loss "
            "says nothing. Give a number, such as 0.0002.",
            where="train.learning_rate",
            expected="a number",
            got="auto",
            fix="train.learning_rate: 0.0002",
        )
    times = 10.0 if plan.optimizer in PLAIN else 1.0
    rates = tuple(times * FROM * (TO / FROM) ** (step / (STEPS - 1)) for step in range(STEPS))
    found = []
    for number in range(ORDERS):
        drawn = randomness.epoch_order(index.train, seed, number, index.chances).numpy()
        rows = np.resize(drawn, STEPS * plan.batch_size)
        part = replace(index, train=rows, validation=rows[:0], chances=None)
        run = Run(seed=seed + number, rates=rates)
        found.append(_read(_losses(networks, arrays, part, learning, plan, run), rates))
    return float(f"{statistics.median(found):.2g}"), found


def _losses(
    networks: Mapping[str, nn.Module],
    arrays: Mapping[str, Any],
    index: Index,
    learning: Learning,
    plan: Train,
    run: Run,
) -> list[float]:
    """The loss of every step, until it bursts."""
    losses: list[float] = []

    def objective(players: Mapping[str, Any], batch: Mapping[str, Tensor], player: str) -> Tensor:
        found = learning.objective(players, batch, player)
        value = float(found.detach().mean())
        if not math.isfinite(value) or (losses and value > BURST * max(losses[0], min(losses))):
            raise _Burst
        losses.append(value)
        return found

    with contextlib.suppress(_Burst, InputError):  # InputError: a gradient that is no number
        watched = replace(learning, objective=objective)
        unmixed = plan.model_copy(update={**ONCE, "mixup": 0.0, "cutmix": 0.0})  # one loss a batch
        fit(copy.deepcopy(dict(networks)), arrays, index, watched, unmixed, run)
    parts = min(plan.accumulate, plan.batch_size)
    return [statistics.fmean(losses[start : start + parts]) for start in range(0, len(losses), parts)]


def _read(losses: Sequence[float], rates: Sequence[float]) -> float:
    """The rate between the one where most of the fall is done and the one with the least loss."""
    if len(losses) < WIDTH:
        return rates[0]
    steps = np.arange(len(losses))
    bell = np.exp(-0.5 * ((steps[:, None] - steps) / WIDTH) ** 2)
    smooth = bell @ np.array(losses) / bell.sum(1)
    least = int(smooth.argmin())
    fallen = int(np.argmax(smooth <= smooth[0] - FALLEN * (smooth[0] - smooth[least])))
    return math.sqrt(rates[least] * rates[fallen])


def batch_size(
    networks: Mapping[str, nn.Module],
    arrays: Mapping[str, Any],
    index: Index,
    learning: Learning,
    plan: Train,
    memory_bytes: int,
) -> tuple[int, list[tuple[int, float]]]:
    """(rows, [(rows, rows/s), ...]): of growing powers of two the smallest whose rows/s are near the best measured.

    A size is tried if an epoch keeps `STEPS_AN_EPOCH` steps, and if what a batch leaves for the way back fits into
    memory_bytes.  Times differ from one measurement to the next: keep what was found.
    """
    few = index.train[: min(8, len(index.train))]
    row_bytes = 2 * activations_bytes(networks, arrays, learning, few) / len(few)
    most = min(SIZES[1], len(index.train) // STEPS_AN_EPOCH, int(memory_bytes / max(1.0, row_bytes)))
    measured: list[tuple[int, float]] = []
    size = min(SIZES[0], len(index.train))
    while size <= max(most, SIZES[0]):
        sized = plan.model_copy(update={"batch_size": size})
        measured.append((size, 1 / pace(networks, arrays, index, learning, sized, BUDGET_S).row_s))
        if measured[-1][1] < NEAR * max(speed for _, speed in measured):
            break  # it grows slower
        size *= 2
    fastest = max(speed for _, speed in measured)
    return next(size for size, speed in measured if speed >= NEAR * fastest), measured


def scaled(plan: Train, size: int) -> float:
    """The default rate, measured at the default batch size, for batches of another.

    By the ratio of the sizes for plain gradient steps (Goyal et al. 2017), by its root for adaptive ones (Malladi et
    al. 2022, for Adam and RMSprop).
    """
    ratio = size / Train().batch_size
    return float(f"{plan.learning_rate * (ratio if plan.optimizer in PLAIN else math.sqrt(ratio)):.2g}")
