"""An example batch of a finished network is what the network saw in training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from feilun.core.recipe import Recipe
from feilun.parts.engine import trained
from feilun.parts.ops.ragged import Ragged

ARRAYS = {"字": Ragged.of([np.arange(n + 1, dtype=np.int32) for n in range(4)]), "x": np.ones((4, 2, 2), np.uint8)}


def task(**given: Any) -> Any:
    return SimpleNamespace(**{"examples": None, "noise": None, **given})


def test_rows_are_gathered_padded_and_get_noise() -> None:
    made = trained.batch(task(noise=lambda recipe: {"z": (3,)}), Recipe(seed=7), ARRAYS, np.array([3, 0]))
    assert made["字"].tolist() == [[0, 1, 2, 3], [0, 0, 0, 0]] and made["字_length"].tolist() == [4, 1]
    assert made["x"].dtype == torch.float32 and made["z"].shape == (2, 3)
    again = trained.batch(task(noise=lambda recipe: {"z": (3,)}), Recipe(seed=7), ARRAYS, np.array([3, 0]))
    assert torch.equal(made["z"], again["z"])


def test_a_row_may_be_several_examples() -> None:
    def twice(arrays: Any, recipe: Any) -> Any:
        return {"x": np.repeat(arrays["x"], 2, 0)}, np.repeat(np.arange(len(arrays["x"])), 2)

    made = trained.batch(task(examples=twice, noise=lambda recipe: {"z": ()}), Recipe(), ARRAYS, np.array([1]))
    assert made["x"].shape == (2, 2, 2) and made["z"].shape == (2,) and "字" not in made
