"""What a GPU alone can show: what a processor computes, half precision with scaling, and checkpoints that move."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from feilun.core.errors import Stopped
from feilun.core.recipe import Train
from feilun.parts.engine import weights
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Fitted, Index, Learning, Run
from feilun.parts.engine.randomness import initialised

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
ROWS = 96
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "muon")


def small(dropout: float = 0.0) -> nn.Module:
    body = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(dropout)]
    return nn.Sequential(*body, nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 3))


def objective(networks: Any, batch: dict[str, Tensor], player: str) -> Tensor:
    return nn.functional.cross_entropy(networks[player](batch["x"]), batch["y"], reduction="none")


def trained(
    run: Run | None = None, dropout: float = 0.0, epochs: int = 3, **plan: Any
) -> tuple[dict[str, Tensor], Fitted]:
    drawn = np.random.default_rng(0)
    arrays = {"x": drawn.normal(size=(ROWS, 1, 8, 8)).astype(np.float32), "y": drawn.integers(0, 3, ROWS)}
    with initialised(0):
        networks = {"main": small(dropout)}
    index = Index(train=np.arange(80), validation=np.arange(80, ROWS))
    told = Train(**{"epochs": epochs, "batch_size": 16, "device": "cuda", **plan})
    learning = Learning(objective=objective, inputs=("x",), targets=("y",))
    done = fit(networks, arrays, index, learning, told, run)
    return {name: tensor.detach().clone() for name, tensor in weights.named(networks).items()}, done


def close(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float) -> None:
    for name, tensor in one.items():
        assert tensor.device.type == "cpu"
        torch.testing.assert_close(other[name], tensor, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_gpu_learns_what_a_processor_learns(optimizer: str) -> None:
    here, there = (trained(optimizer=optimizer, learning_rate=1e-3, device=device) for device in ("cpu", "cuda"))
    assert there[1].device == "cuda"
    close(here[0], there[0], 2e-2 if optimizer in ("adagrad", "rmsprop", "adam", "adamw", "muon") else 1e-3)
    for one, other in zip(here[1].curves, there[1].curves, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-2)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision(precision: str) -> None:
    full, half = trained()[1].curves[-1], trained(precision=precision)[1].curves[-1]
    assert half["loss"] != full["loss"] and half["loss"] == pytest.approx(full["loss"], rel=0.05)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize(
    "plan",
    [
        {"average": "ema"},
        {"average": "swa"},
        {"mixup": 0.2},
        {"cutmix": 1.0},
        {"accumulate": 4},
        {"recompute": True},
        {"profile": True},
        {"channels_last": False},
        {"compile": "always"},
        {"compile": "always", "mixup": 0.2, "precision": "bf16"},
        {"clip": 1.0, "l1": 1e-4, "l2": 1e-4},
    ],
    ids=str,
)
def test_every_way_of_training(plan: dict[str, Any]) -> None:
    curves = trained(**plan, epochs=4)[1].curves
    assert len(curves) == 4 and curves[-1]["loss"] < curves[0]["loss"]


def test_dropout_follows_from_the_seed_and_the_caller_s_generator_stays() -> None:
    torch.cuda.manual_seed(3)
    before = torch.cuda.get_rng_state()
    one, two, other = trained(dropout=0.3), trained(dropout=0.3), trained(Run(seed=1), dropout=0.3)
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert one[1].curves[0]["loss"] == pytest.approx(two[1].curves[0]["loss"], rel=1e-5)
    assert one[1].curves[0]["loss"] != pytest.approx(other[1].curves[0]["loss"], rel=1e-5)


@pytest.mark.parametrize("devices", [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")])
def test_a_checkpoint_goes_on_where_it_was_not_made(tmp_path: Path, devices: tuple[str, str]) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = trained(Run(folder=tmp_path / "whole"), epochs=4)[0]
    one = Run(folder=tmp_path / "parts", watch=lambda curves, epochs: len(curves) == 2)
    with pytest.raises(Stopped):
        trained(one, epochs=4, device=devices[0])
    rest = trained(replace(one, watch=None), epochs=4, device=devices[1])[0]
    close(whole, rest, 2e-2)


def test_rows_a_second_wait_for_the_gpu() -> None:
    """An epoch of two steps: they are queued at once, and the clock reads what they take, not what queueing takes."""

    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4096, 4096)

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(200):
                x = self.layer(x)
            return x[:, :3]

    arrays = {"x": np.zeros((8192, 4096), np.float32), "y": np.zeros(8192, np.int64)}
    plan = Train(epochs=3, batch_size=4096, device="cuda", learning_rate=1e-9)
    done = fit({"main": Slow()}, arrays, Index(train=np.arange(8192)), Learning(objective=objective), plan)
    flops = 3 * 200 * 2 * 4096**2
    assert done.rows_per_s * flops < 1e15, "more than any GPU can"
