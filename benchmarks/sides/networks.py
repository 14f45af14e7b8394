"""The peers' networks and shifts in plain PyTorch: the sizes that ours has."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from course import Course


def network(course: Course) -> nn.Module:
    """The CNN conv 32 -> ReLU -> max-pool -> dense 128 -> 10 on pictures, else dense layers of the given widths."""
    shape = course.rows["train_x"].shape[1:]
    classes = int(course.rows["train_y"].max()) + 1
    if len(shape) == 3:
        side = (shape[1] - 2) // 2
        body = [nn.Conv2d(shape[0], 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * side * side, 128)]
        return nn.Sequential(*body, nn.ReLU(), nn.Linear(128, classes))
    widths, parts = (shape[0], *course.options["widths"]), list[nn.Module]()
    for before, after in itertools.pairwise(widths):
        parts += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(widths[-1], classes))


def shifted(pictures: Tensor, share: float) -> Tensor:
    """Each picture of a batch moved by up to so much of its side, the edge continued."""
    moves = torch.zeros(len(pictures), 2, 3)
    moves[:, 0, 0] = moves[:, 1, 1] = 1
    moves[:, :, 2] = (torch.rand(len(pictures), 2) * 2 - 1) * share * 2
    grid = functional.affine_grid(moves, list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def logits(model: nn.Module, inputs: np.ndarray) -> np.ndarray:
    """(N, classes), in eval mode; training goes on in train mode."""
    model.eval()
    with torch.no_grad():
        parts = [model(part) for part in torch.from_numpy(inputs).split(1000)]
    model.train()
    return torch.cat(parts).numpy()


def tensors(course: Course) -> tuple[Tensor, Tensor]:
    """Training rows in memory."""
    return torch.from_numpy(course.inputs("train")), torch.from_numpy(course.rows["train_y"].astype(np.int64))
