"""A finished network again: built from its recipe, weights loaded, and an example batch as it saw them in training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from feilun.core.manifest import read_json
from feilun.parts.engine import weights
from feilun.parts.ops.ragged import collate, take

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features, Task


def folder(run: Path) -> Path:
    """The training folder of a run, which may lie in another run: run.json says where."""
    return run.parent / str(read_json(run / "run.json")["stages"]["training"])


def networks(task: Task, recipe: Recipe, features: Features, folder: Path) -> dict[str, nn.Module]:
    """{player: network} with the weights of this training folder, in eval mode."""
    made = task.build(recipe, features)
    weights.load(made, folder / weights.FILE)
    for network in made.values():
        network.eval()
    return made


def batch(task: Task, recipe: Recipe, arrays: Mapping[str, Any], rows: np.ndarray) -> dict[str, Tensor]:
    """These rows as one batch of examples, targets and noise included.

    arrays: `{feature: ndarray or Ragged}`.  rows: int64 (B,); where a row is several examples, all of them come.
    """
    taken = {name: take(array, rows) for name, array in arrays.items()}
    if task.examples is not None:
        taken, _ = task.examples(taken, recipe)
    made = {name: torch.from_numpy(np.array(array)) for name, array in collate(taken).items()}
    count = len(next(iter(made.values()), ()))
    generator = torch.Generator().manual_seed(recipe.seed)
    for name, shape in (task.noise(recipe) if task.noise else {}).items():
        made[name] = torch.randn((count, *shape), generator=generator)
    return made
