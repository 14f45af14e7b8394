"""A training with everything random in it, as a program that kills itself: used by test_resume.py.

python training_to_kill.py FOLDER KILLS SEED trains in children of this process, kills KILLS of them with SIGKILL at
random instants, lets the last one finish, and prints how many died and at which checkpointed steps.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from feilun.core.progress import Quiet
from feilun.core.recipe import Train
from feilun.parts.engine import weights
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Fitted, Index, Learning, Run
from feilun.parts.engine.randomness import initialised
from feilun.parts.ops.ragged import Ragged

PLAN = Train(epochs=100, batch_size=16, patience=90, checkpoint_s=0.002, optimizer="adamw", l1=1e-4, l2=1e-4)
ROWS = 100


def networks() -> dict[str, nn.Module]:
    """Two players with dropout and a norm that keeps running means."""
    with initialised(3):
        maker = nn.Sequential(nn.Linear(7, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 3))
        critic = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 1))
    return {"critic": critic, "maker": maker}


def objective(players: Any, batch: dict[str, Tensor], player: str) -> Tensor:
    """A little adversarial game; `x` is dense, `t` ragged, `z` noise."""
    made = players["maker"](torch.cat([batch["x"], batch["t"].float().mean(1, keepdim=True) / 9, batch["z"]], 1))
    if player == "critic":
        truth = players["critic"](batch["x"][:, :3])
        return (nn.functional.softplus(players["critic"](made)) + nn.functional.softplus(-truth)).sum(1)
    return nn.functional.softplus(-players["critic"](made)).sum(1) + (made - batch["x"][:, :3]).square().sum(1)


def augment(batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """A little jitter."""
    return batch | {"x": batch["x"] + 0.01 * torch.randn(batch["x"].shape, generator=generator)}


def train(
    folder: Path | None, plan: Train = PLAN, step: Any = objective, watchers: Any = (), say: Any = None
) -> tuple[dict[str, nn.Module], Fitted]:
    """Start, or go on from what the folder holds."""
    drawn = np.random.default_rng(5)
    texts = Ragged.of([drawn.integers(1, 9, size=size) for size in drawn.integers(0, 6, size=ROWS)])
    arrays = {"x": drawn.normal(size=(ROWS, 4)).astype(np.float32), "t": texts}
    index = Index(train=np.arange(80), validation=np.arange(80, ROWS))
    learning = Learning(objective=step, turns=("critic", "maker"), noise={"z": (2,)}, augment=augment)
    made = networks()
    run = Run(seed=11, folder=folder, watchers=watchers, say=say or Quiet())
    return made, fit(made, arrays, index, learning, plan, run)


def dying_within(seconds: float) -> Any:
    """The objective of a process that dies so much processor time after its first step."""
    started = False

    def step(players: Any, batch: dict[str, Tensor], player: str) -> Tensor:
        nonlocal started
        if not started:
            signal.setitimer(signal.ITIMER_PROF, seconds)
            started = True
        return objective(players, batch, player)

    return step


def survive(folder: Path, kills: int, seed: int) -> None:
    """Fork, kill, and so on; then finish."""
    for epochs in (2, 10):  # what a first use imports takes seconds: here, not in every child
        with tempfile.TemporaryDirectory() as beside:
            begun = time.process_time()
            train(Path(beside), PLAN.model_copy(update={"epochs": epochs}))
    longest, drawn, steps = time.process_time() - begun, random.Random(seed), []
    for number in range(kills):
        # Processor time, not the clock, and as much as ten epochs take here: however slow or busy the machine is, they
        # die all over the training. Nobody handles SIGPROF, so it ends the process as suddenly as SIGKILL.
        left = drawn.uniform(0.001, longest)
        child = os.fork()
        if not child:
            if number % 2:  # from the first instant on, while it reads too; the others from the first step
                signal.setitimer(signal.ITIMER_PROF, left)
            train(folder, step=objective if number % 2 else dying_within(left))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and (folder / "checkpoint.json").is_file():
            steps.append(json.loads((folder / "checkpoint.json").read_text())["step"])
    made, fitted = train(folder)
    weights.save(made, folder / weights.FILE)
    print(json.dumps({"died_at": steps, "epochs": fitted.epochs}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    survive(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
