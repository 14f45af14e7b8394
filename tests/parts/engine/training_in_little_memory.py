"""A training under a limit of memory, as a program: used by test_beyond_memory.py.

python training_in_little_memory.py FOLDER MEMORY_MB LIMIT_MB trains one epoch on FOLDER/x.npy and y.npy with
train.memory_mb as given, in at most LIMIT_MB more private memory than the libraries take, and prints what it took.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from feilun.core.recipe import Train
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.randomness import initialised


def objective(players: Any, batch: dict[str, Tensor], player: str) -> Tensor:
    """Which half of the picture is lighter."""
    return nn.functional.cross_entropy(players[player](batch["x"]), batch["y"], reduction="none")


def taken(what: str) -> int:
    """MB: VmData is what the limit counts, VmHWM the most that was ever resident."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{what}:"))) >> 10


def main(folder: Path, memory_mb: int, limit_mb: int) -> None:
    """Train, then say how much was resident at most beyond the start, and how well it learnt."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("x", "y")}
    with initialised(1):
        network = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, 2))
    plan = Train(epochs=1, batch_size=256, memory_mb=memory_mb, learning_rate=0.01)
    index = Index(train=np.arange(len(arrays["y"])))
    torch.optim.AdamW(network.parameters())  # its first use imports much
    before = taken("VmRSS")
    resource.setrlimit(resource.RLIMIT_DATA, ((taken("VmData") + limit_mb) << 20, resource.RLIM_INFINITY))
    done = fit({"main": network}, arrays, index, Learning(objective=objective), plan)
    print(json.dumps({"grown_mb": taken("VmHWM") - before, "loss": done.curves[-1]["loss"]}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
