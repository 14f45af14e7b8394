"""Claim: two processes with one core each train at 0.9 or more of the speed of one process with both cores.

The same global batch, split in two or not, through the product's `fit`: a transformer (width 512, context 256) and the
MNIST CNN (conv 32, pool, dense 128, 10). Alternating runs; each starts its processes anew, takes a few steps to warm
up, and times the rest. The null control is one process against itself.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from feilun.core.recipe import Train
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.randomness import initialised

RUNS, CORES, TARGET = 5, 2, 0.9
WARM = 2  # epochs, not timed
WIDTH, CONTEXT, LAYERS, TOKENS = 512, 256, 4, 256


class Transformer(nn.Module):
    """A small language model: 4 layers of 8 heads, normalised first."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(TOKENS, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        layer: dict[str, Any] = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(WIDTH, 8, 4 * WIDTH, **layer) for _ in range(LAYERS))
        self.last = nn.Linear(WIDTH, TOKENS)

    def forward(self, x: Tensor) -> Tensor:
        """x int64 (B, context) -> logits (B, tokens, context)."""
        seen = self.token(x) + self.place.weight
        mask = nn.Transformer.generate_square_subsequent_mask(CONTEXT)
        for layer in self.layers:
            seen = layer(seen, src_mask=mask, is_causal=True)
        return self.last(seen).transpose(1, 2)


def cnn() -> nn.Module:
    """The picture classifier of the starter programs."""
    body = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(5408, 128), nn.ReLU(), nn.Linear(128, 10))


# name: (network, rows of a batch, batches of an epoch, timed epochs)
NETWORKS: Mapping[str, tuple[Callable[[], nn.Module], int, int, int]] = {
    "transformer": (Transformer, 8, 2, 3),
    "cnn": (cnn, 128, 30, 4),
}


def rows(name: str, count: int) -> dict[str, np.ndarray]:
    """Random inputs and targets."""
    drawn = np.random.default_rng(0)
    if name == "cnn":
        pictures = drawn.integers(0, 256, (count, 1, 28, 28), dtype=np.uint8)
        return {"x": pictures, "y": drawn.integers(0, 10, count)}
    tokens = drawn.integers(0, TOKENS, (count, CONTEXT + 1))
    return {"x": tokens[:, :-1], "y": tokens[:, 1:]}


def objective(networks: Mapping[str, Callable[..., Tensor]], batch: Mapping[str, Tensor], player: str) -> Tensor:
    """Cross-entropy of each row, the mean over places."""
    lost = nn.functional.cross_entropy(networks[player](batch["x"]), batch["y"], reduction="none")
    return lost.flatten(1).mean(1) if lost.ndim > 1 else lost


def worked(name: str) -> float:
    """Rows a second in this process and those it is grouped with: the median epoch after the warm ones."""
    make, batch, batches, epochs = NETWORKS[name]
    with initialised(0):
        network = make()
    plan = Train(epochs=WARM + epochs, batch_size=batch, compile="never", patience=None)
    count = batch * batches
    done = fit({"main": network}, rows(name, count), Index(train=np.arange(count)), Learning(objective=objective), plan)
    return statistics.median(point["rows_per_s"] for point in done.curves[WARM:])


def started(name: str, processes: int) -> float:
    """The same in new processes, which share the cores."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    threads = str(CORES // processes)
    fixed = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": threads}
    command = [sys.executable, __file__, "--worker", name]
    every = [
        subprocess.Popen(command, env={**os.environ, **fixed, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(processes)
    ]
    said = [process.communicate()[0] for process in every]
    if any(process.returncode for process in every):
        raise SystemExit(f"{name} in {processes} processes failed")
    return float(json.loads(said[0].splitlines()[-1]))


def measure(name: str, runs: int) -> dict[str, object]:
    """One line of the table."""
    ours, peer, null = [], [], []
    for _ in range(runs):
        for processes, into in ((1, peer), (2, ours), (1, null)):
            into.append(started(name, processes))
    ratios = [two / one for two, one in zip(ours, peer, strict=True)]
    return {
        "claim": f"two processes against one with both cores, {name}: {TARGET} of its speed",
        "ours": round(statistics.median(ours), 2),
        "peer": round(statistics.median(peer), 2),
        "unit": "rows/s, more is better",
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "null_ratio": round(statistics.median(two / one for two, one in zip(null, peer, strict=True)), 3),
        "runs": runs,
        "target": f">= {TARGET}",
        "met": statistics.median(ratios) >= TARGET,
        "versions": {library: version(library) for library in ("torch", "numpy")},
    }


def main() -> int:
    """Print the table and write benchmarks/results/two_processes.json."""
    if sys.argv[1:2] == ["--worker"]:
        distributed.init_process_group("gloo")
        print(json.dumps(worked(sys.argv[2])))
        distributed.destroy_process_group()
        return 0
    begun = time.monotonic()
    lines = [measure(name, RUNS) for name in NETWORKS]
    for line in lines:
        print(f"{line['claim']:75} {line['ours']:9} {line['peer']:9} {line['ratio_median']:6} {line['null_ratio']:6}")
    print(f"{time.monotonic() - begun:.0f} s, {torch.__version__}")
    path = Path(__file__).parent / "results" / "two_processes.json"
    path.write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(line["met"] for line in lines) else 3


if __name__ == "__main__":
    sys.exit(main())
