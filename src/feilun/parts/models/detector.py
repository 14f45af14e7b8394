"""Detector: a small convolutional network that says, in every cell of a grid, which box it lies in. No anchors.

The form of FCOS (Tian et al. 2019): a cell in the middle of a box learns its label and how far away its four edges are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

RARE = 0.02  # what the network believes at the start of every cell and label; else the empty cells drown the rest
MIDDLE = 0.6  # share of a box, around its centre, whose cells learn it
FOCUS = 2.0  # exponent of the focal loss (Lin et al. 2017)
BALANCE = 0.25  # weight of cells with a box against cells without one, there


@dataclass(frozen=True, kw_only=True, slots=True)
class Detector:
    """width: channels of the first block, twice as many later.  depth: blocks after the last halving."""

    width: int = 32
    depth: int = 3


MODEL = Detector
STRIDE = 4  # pixels of a cell's side


class Network(nn.Module):
    """Pictures (B, channels, height, width) in [0, 1] -> heat (B, labels, h, w) logits, box (B, 4, h, w) shares."""

    def __init__(self, options: Detector, shape: tuple[int, int, int], labels: int) -> None:
        super().__init__()
        channels, height, width = shape
        wide = 2 * options.width
        layers: list[nn.Module] = [
            *_block(channels, options.width, stride=2),
            *_block(options.width, wide, stride=2),
        ]
        for number in range(options.depth):  # growing steps, so that a cell sees all of a large box
            layers += _block(wide, wide, dilation=1 + number)
        self.body = nn.Sequential(*layers)
        self.heat = nn.Conv2d(wide, labels, 1)
        self.edges = nn.Conv2d(wide, 4, 1)
        nn.init.constant_(self.heat.bias, -math.log(1 / RARE - 1))  # type: ignore[arg-type]
        self.register_buffer("centres", _centres(math.ceil(height / STRIDE), math.ceil(width / STRIDE)))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """box: x0, y0, x1, y1 as shares of the picture, around each cell's centre."""
        seen = self.body(image)
        distance = functional.softplus(self.edges(seen)) * 0.25  # at the start about a sixth of the picture
        centres: Tensor = self.get_buffer("centres")
        box = torch.cat([centres - distance[:, :2], centres + distance[:, 2:]], dim=1)
        return {"heat": self.heat(seen), "box": box}


def loss(made: Mapping[str, Tensor], boxes: Tensor, count: Tensor) -> Tensor:
    """Loss per picture, (B,): focal loss of the heat, and 1 - generalised overlap of the boxes.

    boxes: (B, most, 5) label number and edges, filled up; count: int64 (B,), how many are real.
    """
    labels = made["heat"].shape[1]
    heat = made["heat"].flatten(2).transpose(1, 2)  # (B, cells, labels)
    edges = made["box"].flatten(2).transpose(1, 2)  # (B, cells, 4)
    owner, owned = _match(made["heat"].shape[2:], boxes, count)
    label = boxes[..., 0].long().gather(1, owner)
    wanted = functional.one_hot(label, labels) * owned[..., None]
    true = boxes[..., 1:].gather(1, owner[..., None].expand(-1, -1, 4))
    cells = owned.sum(1).clamp(min=1)
    return (_focal(heat, wanted.float()).sum((1, 2)) + ((1 - _overlap(edges, true)) * owned).sum(1)) / cells


def _match(grid: Any, boxes: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """For every cell the box it learns, int64 (B, cells), and whether it learns one. The smallest box wins a cell.

    A cell learns a box if its centre lies in the box's middle, or if it is the cell that holds the box's centre.
    """
    height, width = int(grid[0]), int(grid[1])
    centres = _centres(height, width).to(boxes).flatten(1).T  # (cells, 2)
    size = torch.tensor([width, height]).to(boxes)
    low, high = boxes[..., 1:3], boxes[..., 3:5]  # (B, most, 2)
    middle, reach = (low + high) / 2, (high - low) * (MIDDLE / 2)
    apart = (centres - middle[:, :, None]).abs()  # (B, most, cells, 2)
    holds = (apart <= 0.5 / size).all(-1)
    real = (torch.arange(boxes.shape[1], device=boxes.device) < count[:, None])[..., None]
    inside = ((apart <= reach[:, :, None]).all(-1) | holds) & real
    area = (high - low).prod(-1)[..., None].expand(inside.shape)
    smallest, owner = torch.where(inside, area, torch.inf).min(1)
    return owner, torch.isfinite(smallest)


def _focal(logits: Tensor, wanted: Tensor) -> Tensor:
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    sure = torch.exp(-entropy)  # the probability given to what is true
    weight = wanted * BALANCE + (1 - wanted) * (1 - BALANCE)
    return weight * (1 - sure) ** FOCUS * entropy


def _overlap(first: Tensor, second: Tensor) -> Tensor:
    """Generalised intersection over union (Rezatofighi et al. 2019) of boxes (..., 4), in [-1, 1]."""
    shared = (torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])).clamp(0)
    around = torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(first[..., :2], second[..., :2])
    areas = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (first, second)]
    both, hull = shared.prod(-1), around.prod(-1).clamp(min=1e-9)
    union = (areas[0] + areas[1] - both).clamp(min=1e-9)
    return both / union - (hull - union) / hull


def _centres(height: int, width: int) -> Tensor:
    """(2, height, width): x and y of each cell's centre, as shares."""
    y = (torch.arange(height) + 0.5) / height
    x = (torch.arange(width) + 0.5) / width
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])


def _block(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False)
    return [convolution, nn.GroupNorm(min(8, outputs), outputs), nn.ReLU()]
