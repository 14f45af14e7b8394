"""Claim: a transformer of width 512 and context 256 trains at half of what torch.mm reaches on this machine.

Floating-point operations of a step are counted by PyTorch (FlopCounterMode, forward and backward; a GRU's, which it
does not know, by the formula below), rows per second are those of `fit` with its default optimizer, everything in it
counted. The peak is torch.mm of two 2048 x 2048 matrices of the same dtype, measured just before and after each run.
Two threads.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import record
import small_gpt
from feilun.core.recipe import Train
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning

RUNS, SIDE, TARGET = 5, 2048, 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A model, how its loss is computed and what it is given. flops: of a step, where PyTorch cannot count them."""

    network: nn.Module
    inputs: Tensor
    batch: int
    epochs: int = 3
    language: bool = False  # next symbols; else ten classes
    flops: float | None = None

    def loss(self, network: Callable[..., Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
        """Of each row, (B,)."""
        if self.language:
            return small_gpt.losses(network, inputs)  # type: ignore[arg-type]
        return nn.functional.cross_entropy(network(inputs), labels, reduction="none")


def transformer() -> Case:
    """Four layers, batches of 8."""
    network = small_gpt.SmallGpt(symbols=64, context=256, width=512, layers=4, heads=8)
    return Case(network=network, inputs=torch.randint(0, 64, (24, 257)), batch=8, language=True)


def mnist_cnn() -> Case:
    """Convolution 32, pooling, dense 128."""
    body = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 13 * 13, 128), nn.ReLU()]
    return Case(network=nn.Sequential(*body, nn.Linear(128, 10)), inputs=torch.randn(2560, 1, 28, 28), batch=256)


def wide_mlp() -> Case:
    """Three layers of 1,024."""
    body = [nn.Linear(256, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU()]
    return Case(network=nn.Sequential(*body, nn.Linear(1024, 10)), inputs=torch.randn(5120, 256), batch=512)


class Gru(nn.Module):
    """One layer of 256 over 64 steps of 64 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.GRU(64, 256, batch_first=True), nn.Linear(256, 10)

    def forward(self, steps: Tensor) -> Tensor:
        """(B, 64, 64) -> (B, 10)."""
        made: Tensor = self.head(self.cell(steps)[1][0])
        return made


def gru() -> Case:
    """Per step and row three gates of (64 + 256) x 256 products, an addition each; backward is twice the forward."""
    batch = 128
    return Case(network=Gru(), inputs=torch.randn(512, 64, 64), batch=batch, flops=3.0 * batch * 64 * 2 * 3 * 320 * 256)


class Residual(nn.Module):
    """Two convolutions and what came in (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers = [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        more = [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        self.layers = nn.Sequential(*layers, nn.ReLU(), *more)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, width, H, W) -> the same."""
        made: Tensor = nn.functional.relu(maps + self.layers(maps))
        return made


def residual_cnn() -> Case:
    """32 x 32 pictures, six residual blocks of 32 to 128 maps."""
    parts: list[nn.Module] = [nn.Conv2d(3, 32, 3, padding=1)]
    for width in (32, 64, 128):
        parts += [Residual(width), Residual(width), nn.MaxPool2d(2)]
        parts += [nn.Conv2d(width, 2 * width, 1)] if width < 128 else []
    network = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))
    return Case(network=network, inputs=torch.randn(256, 3, 32, 32), batch=64)


CASES: Mapping[str, tuple[Callable[[], Case], bool]] = {  # and whether a share is claimed
    "transformer, width 512, context 256": (transformer, True),
    "MNIST CNN, batch 256": (mnist_cnn, False),
    "MLP, three layers of 1,024, batch 512": (wide_mlp, False),
    "GRU of 256 over 64 steps, batch 128": (gru, False),
    "ResNet-like CNN on 32 x 32, batch 64": (residual_cnn, False),
}


def peak() -> float:
    """FLOP/s of torch.mm: the best of five."""
    one, other = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        torch.mm(one, other)
        times.append(time.perf_counter() - started)
    return 2 * SIDE**3 / min(times)


def reached(case: Case) -> float:
    """FLOP/s of a training through `fit`."""
    labels = torch.randint(0, 10, (len(case.inputs),))
    arrays = {"x": case.inputs.numpy(), "y": labels.numpy()}

    def objective(networks: Mapping[str, Any], batch: Mapping[str, Tensor], player: str) -> Tensor:
        return case.loss(networks[player], batch["x"], batch["y"])

    plan = Train(epochs=case.epochs, batch_size=case.batch, patience=None, compile="never")
    index = Index(train=np.arange(len(case.inputs)))
    done = fit({"main": case.network}, arrays, index, Learning(objective=objective), plan)
    return done.rows_per_s * counted(case, labels) / case.batch


def counted(case: Case, labels: Tensor) -> float:
    """Floating-point operations of one step, forward and backward."""
    if case.flops is not None:
        return case.flops
    with FlopCounterMode(display=False) as counter:
        case.loss(case.network, case.inputs[: case.batch], labels[: case.batch]).mean().backward()
    case.network.zero_grad(set_to_none=True)
    return float(counter.get_total_flops())


def measure(name: str, make: Callable[[], Case], claimed: bool) -> dict[str, Any]:
    """One line of the table."""
    ours, best = [], []
    case = make()
    reached(case)  # what only the first run pays
    for _ in range(RUNS):
        before = peak()
        ours.append(reached(case) / 1e9)
        best.append(max(before, peak()) / 1e9)
    share = statistics.median(a / b for a, b in zip(ours, best, strict=True))
    return record.line(
        f"share of torch.mm's peak in fp32: {name}",
        ours,
        best,
        unit="GFLOP/s, more is better",
        target=f"ratio >= {TARGET:g}" if claimed else "reported",
        met=share >= TARGET if claimed else None,
    )


def main() -> int:
    """Print the table and write benchmarks/results/peak_share.json."""
    torch.set_num_threads(2)
    torch.default_generator.manual_seed(0)
    lines = [measure(name, make, claimed) for name, (make, claimed) in CASES.items()]
    print(f"{'claim':78} {'ours':>8} {'peak':>8} {'share':>6} met")
    for line in lines:
        print(f"{line['claim']:78} {line['ours']:8.1f} {line['peer']:8.1f} {line['ratio_median']:6.3f} {line['met']}")
    record.write("peak_share", lines)
    return record.status(lines)


if __name__ == "__main__":
    sys.exit(main())
