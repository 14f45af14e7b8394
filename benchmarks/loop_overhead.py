"""Claim: training through `fit` costs at most 3 % + 30 µs a step over a hand-written loop of the same model.

Both sides do the same work: shuffled batches, forward, backward, clipping, AdamW with warm-up and cosine decay, the
loss summed for the epoch. Alternating runs in one process and thread, in CPU time, so that other work on the machine
counts as little as possible; the null control is the hand-written loop against itself.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor, nn

import record
from feilun.core.recipe import Train
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning, Run
from feilun.parts.engine.schedule import learning_rate

RUNS, BATCH, ROWS = 9, 64, 6400


def mlp() -> nn.Module:
    """13 k parameters: the step is short, so that every microsecond of the loop shows."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 10))


def cnn() -> nn.Module:
    """A small picture classifier on 16 x 16."""
    body = [nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(800, 10))


def by_hand(network: nn.Module, inputs: Tensor, labels: Tensor, plan: Train) -> float:
    """Seconds per step of the loop one would write."""
    weights = [p for p in network.parameters() if p.ndim >= 2]
    free = [p for p in network.parameters() if p.ndim < 2]
    groups = [{"params": weights, "weight_decay": plan.weight_decay}, {"params": free, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=plan.learning_rate, betas=plan.betas, fused=True)
    parameters = list(network.parameters())
    per_epoch = len(inputs) // plan.batch_size
    steps, step = plan.epochs * per_epoch, 0
    started = time.process_time()
    for _ in range(plan.epochs):
        order, total = torch.randperm(len(inputs)), 0.0
        for number in range(per_epoch):
            rows = order[number * plan.batch_size : (number + 1) * plan.batch_size]
            loss = nn.functional.cross_entropy(network(inputs[rows]), labels[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, plan.clip or 1.0)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(plan, step, steps)
            optimizer.step()
            optimizer.zero_grad()
            total += loss.item() * len(rows)
            step += 1
    return (time.process_time() - started) / steps


def by_fit(network: nn.Module, inputs: Tensor, labels: Tensor, plan: Train) -> float:
    """Seconds per step of ours."""
    arrays = {"x": inputs.numpy(), "y": labels.numpy()}

    def objective(networks: dict[str, Callable[..., Tensor]], batch: dict[str, Tensor], player: str) -> Tensor:
        return nn.functional.cross_entropy(networks[player](batch["x"]), batch["y"], reduction="none")

    started = time.process_time()
    done = fit(
        {"main": network}, arrays, Index(train=np.arange(len(inputs))), Learning(objective=objective), plan, Run()
    )
    return (time.process_time() - started) / done.steps


def measure(name: str, make: Callable[[], nn.Module], shape: tuple[int, ...]) -> dict[str, object]:
    """One line of the table."""
    torch.default_generator.manual_seed(0)
    inputs, labels = torch.randn(ROWS, *shape), torch.randint(0, 10, (ROWS,))
    plan = Train(epochs=6, batch_size=BATCH)
    ours, peer, null = [], [], []
    for _ in range(RUNS):
        for loop, into in ((by_hand, peer), (by_fit, ours), (by_hand, null)):
            into.append(loop(make(), inputs, labels, plan))
    ratios = [a / b for a, b in zip(ours, peer, strict=True)]
    extra_us = statistics.median(a - b for a, b in zip(ours, peer, strict=True)) * 1e6
    return {
        "claim": f"loop overhead, {name}: at most 3 % + 30 µs a step",
        "ours": round(statistics.median(ours) * 1e6, 1),
        "peer": round(statistics.median(peer) * 1e6, 1),
        "unit": "µs of CPU a step, less is better",
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "null_ratio": round(statistics.median(a / b for a, b in zip(null, peer, strict=True)), 3),
        "runs": RUNS,
        "target": f"extra <= {0.03 * statistics.median(peer) * 1e6 + 30:.0f} µs",
        "extra_us": round(extra_us, 1),
        "met": extra_us <= 0.03 * statistics.median(peer) * 1e6 + 30,
        "versions": {library: version(library) for library in ("torch", "numpy")},
    }


def main() -> int:
    """Print the table and write benchmarks/results/loop_overhead.json."""
    torch.set_num_threads(1)
    lines = [measure("mlp", mlp, (64,)), measure("cnn", cnn, (1, 16, 16))]
    print(f"{'claim':58} {'ours':>7} {'by hand':>8} {'extra':>6} {'ratio':>6} {'null':>6} {'target':>18} met")
    for line in lines:
        print(
            f"{line['claim']:58} {line['ours']:7} {line['peer']:8} {line['extra_us']:6} {line['ratio_median']:6} "
            f"{line['null_ratio']:6} {line['target']:>18} {line['met']}"
        )
    record.write("loop_overhead", lines)
    return record.status(lines)


if __name__ == "__main__":
    sys.exit(main())
