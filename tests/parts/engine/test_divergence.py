"""Training that leads away is stopped, with the checkpoint kept and advice; noise and outliers are no reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_fit import FLAT, line, linear, squared

from feilun.core.errors import InputError
from feilun.core.recipe import Train
from feilun.parts.engine import divergence
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning, Progress, Run


def watched(losses: list[float]) -> None:
    """These losses, one after the other."""
    progress = Progress()
    for loss in losses:
        divergence.watch(progress, loss, Train())
        progress.step += 1


def test_a_loss_far_above_its_start_stops() -> None:
    with pytest.raises(InputError, match=r"was 1 in the first 50 steps, and is 30 at step 150"):
        watched([1.0] * 120 + [30.0] * 40)


def test_noise_an_outlier_and_a_start_at_nothing_do_not_stop() -> None:
    drawn = np.random.default_rng(0)
    watched(list(drawn.lognormal(0, 2, 2000)))
    watched([1.0] * 100 + [1e9] * 3 + [1.0] * 100)
    watched([0.0] * 60 + [5.0] * 100)


def test_a_rate_that_is_too_high_stops_early_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    plan = Train(epochs=100, batch_size=10, optimizer="sgd", learning_rate=2.2, checkpoint_s=1e-9, **FLAT)
    with pytest.raises(InputError, match=r"The checkpoint of step \d.* is kept\. Lower train\.learning_rate") as caught:
        fit(linear(), line(), Index(train=np.arange(40)), Learning(objective=squared), plan, Run(folder=tmp_path))
    assert caught.value.fix == "train.learning_rate: 0.22"
    assert list(tmp_path.glob("step-*.safetensors"))


def test_an_explosion_within_the_first_steps_does_not_set_its_own_bar(tmp_path: Path) -> None:
    plan = Train(epochs=3, batch_size=10, optimizer="sgd", learning_rate=40, **{**FLAT, "clip": None})
    with pytest.raises(InputError, match=r"Training leads away: the loss was .* in the first step"):
        fit(linear(), line(), Index(train=np.arange(40)), Learning(objective=squared), plan, Run(folder=tmp_path))


def test_weights_that_fit_already_may_meet_a_hard_batch() -> None:
    progress = Progress(first=[1e-6, 0.4, 0.3, 0.5])
    divergence.watch_epoch(progress, 0.4, Train())
    divergence.watch_epoch(Progress(), None, Train())
