"""Trainings that one or two processes do alike, as a program: torchrun ... training_together.py FOLDER WORD...

Each leaves `<word>.safetensors`, the weights, and `<word>.json`, the curves, in the folder, from the first process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from feilun.core.errors import Stopped
from feilun.core.recipe import Train
from feilun.parts.engine import group, interrupts, weights
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Fitted, Index, Learning, Run
from feilun.parts.engine.randomness import initialised
from feilun.parts.ops.ragged import Ragged

ROWS = 90
PLAN = Train(epochs=3, batch_size=16, learning_rate=0.01, patience=5, compile="never")


class Branches(nn.Module):
    """Rows go left or right by their sign, so that a process may leave out a branch; one branch nobody takes."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.never = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(4, 8)
        self.last = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 4) -> (B, 3)."""
        made = x.new_zeros(len(x), 8)
        for layer, chosen in ((self.left, x[:, 0] < 0), (self.right, x[:, 0] >= 0)):
            if chosen.any():
                made[chosen] = layer(x[chosen]).tanh()
        return self.last(made)


def plain() -> dict[str, nn.Module]:
    """A few layers, some repeated; no dropout and no norm over rows."""
    return {"main": nn.Sequential(nn.Linear(4, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 16), nn.Linear(16, 3))}


def branches() -> dict[str, nn.Module]:
    """See `Branches`."""
    return {"main": Branches()}


def players() -> dict[str, nn.Module]:
    """Two that take turns."""
    maker = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))
    return {"critic": nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1)), "maker": maker}


def normed() -> dict[str, nn.Module]:
    """A norm over rows and dropout: not the same in two processes, but the same again."""
    return {"main": nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.Linear(16, 3))}


def squared(networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str) -> Tensor:
    """The rows' squared errors; the length of the ragged column shifts what is wanted."""
    return (networks["main"](batch["x"]) - batch["y"] - batch["t_length"].view(-1, 1) / 9).square().sum(1)


def game(networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str) -> Tensor:
    """Non-saturating, with the penalty on the critic's slope, which needs a second derivative."""
    made, real = networks["maker"](batch["z"]), batch["y"].detach().requires_grad_(torch.is_grad_enabled())
    if player == "maker":
        return nn.functional.softplus(-networks["critic"](made))[:, 0]
    seen = networks["critic"](real)
    losses = (nn.functional.softplus(networks["critic"](made)) + nn.functional.softplus(-seen))[:, 0]
    if not real.requires_grad:
        return losses
    [slope] = torch.autograd.grad(seen.sum(), real, create_graph=True)
    return losses + slope.square().sum(1)


def jitter(batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Drawn for the batch as a whole."""
    return batch | {"x": batch["x"] + 0.1 * torch.randn(batch["x"].shape, generator=generator)}


CASES: dict[str, tuple[Callable[[], dict[str, nn.Module]], dict[str, Any], dict[str, Any]]] = {
    "plain": (plain, {}, {}),
    "branches": (branches, {}, {}),
    "players": (players, {}, {"objective": game, "turns": ("critic", "maker"), "noise": {"z": (2,)}}),
    "augmented": (plain, {"average": "ema", "l1": 1e-3, "l2": 1e-3}, {"augment": jitter}),
    "accumulated": (plain, {"accumulate": 3, "clip": 0.1, "average": "swa"}, {}),
    "single": (plain, {"batch_size": 1, "epochs": 1}, {}),
    "recomputed": (plain, {"recompute": True, "optimizer": "muon"}, {}),
    "normed": (normed, {"checkpoint_s": 1e6}, {}),
    "long": (plain, {"checkpoint_s": 1e6}, {}),
    **{name: (plain, {"optimizer": name}, {}) for name in ("sgd", "nesterov", "adagrad", "rmsprop", "adam")},
}


def arrays() -> dict[str, Any]:
    """A dense input, a target, and a ragged column."""
    drawn = np.random.default_rng(5)
    texts = Ragged.of([drawn.integers(1, 9, size=size) for size in drawn.integers(0, 6, size=ROWS)])
    made = {"x": (ROWS, 4), "y": (ROWS, 3)}
    return {"t": texts, **{name: drawn.normal(size=size).astype(np.float32) for name, size in made.items()}}


def train(
    name: str, folder: Path | None = None, objective: Any = None, **changes: Any
) -> tuple[dict[str, nn.Module], Fitted]:
    """One case, from the start or from the folder's checkpoint."""
    make, keys, learning = CASES[name]
    with initialised(3):
        networks = make()
    drawn = np.random.default_rng(6)
    index = Index(
        train=np.arange(70), validation=np.arange(70, ROWS), weights=drawn.uniform(0.5, 2, ROWS).astype(np.float32)
    )
    given = Learning(**{"objective": squared, **learning, **({"objective": objective} if objective else {})})
    plan = Train.model_validate({**PLAN.model_dump(), **keys, **changes})
    return networks, fit(networks, arrays(), index, given, plan, Run(seed=11, folder=folder))


def save(networks: dict[str, nn.Module], fitted: Fitted, path: Path) -> None:
    """The weights and the curves, without the clock's."""
    if group.current().writes:
        weights.save(networks, path.with_suffix(".safetensors"))
        curves = [{key: value for key, value in point.items() if key != "rows_per_s"} for point in fitted.curves]
        path.with_suffix(".json").write_text(json.dumps(curves))


def stopped(step: int) -> Any:
    """The objective, in which the last process asks for a stop in this training step."""
    here, count = group.current(), 0

    def objective(networks: Any, batch: Any, player: str) -> Tensor:
        nonlocal count
        if torch.is_grad_enabled():
            if count == step and here.rank == here.size - 1:
                interrupts.ask()
            count += 1
        return squared(networks, batch, player)

    return objective


def do(word: str, folder: Path) -> None:
    """`plain` as it is; `plain+shard` divided; `plain+stop` stopped in the middle; `plain+go` goes on from there."""
    name, *how = word.split("+")
    place = folder / f"{name}{'-shard' if 'shard' in how else ''}" if {"stop", "go"} & set(how) else None
    if "stop" not in how:
        save(*train(name, place, shard="shard" in how), folder / word)
        return
    if group.current().writes:
        place.mkdir()
    try:
        train(name, place, stopped(7), shard="shard" in how)
    except Stopped as told:
        if group.current().writes:
            (folder / word).write_text(str(told))


if __name__ == "__main__":
    torch.set_num_threads(1)
    # Meeting in a file: a port that was free a moment ago may be somebody else's by now.
    meeting = f"file://{Path(sys.argv[1]).resolve()}/meeting"
    distributed.init_process_group("gloo", meeting, rank=int(os.environ["RANK"]), world_size=2)
    for word in sys.argv[2:]:
        do(word, Path(sys.argv[1]))
    group.leave()
    os._exit(0)  # as worker.py does, and for its reason
