"""Boxes inside networks: overlap, keeping the best of many, and the part of a map that lies under a box. Needs torch.

Boxes are x0, y0, x1, y1. What answers are made of is numpy's, see `boxes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_SHIFT = 4.135  # log of 1000 / 16: no box may grow more (Detectron)


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of every pair: (..., N, 4), (..., M, 4) -> (..., N, M); 0 where both are empty."""
    import torch

    low = torch.maximum(first[..., :, None, :2], second[..., None, :, :2])
    high = torch.minimum(first[..., :, None, 2:], second[..., None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    union = area(first)[..., :, None] + area(second)[..., None, :] - shared
    return torch.where(union > 0, shared / union.clamp(min=1e-12), 0.0)


def area(boxes: Tensor) -> Tensor:
    """(..., 4) -> (...); 0 of an inverted box."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def kept(boxes: Tensor, scores: Tensor, labels: Tensor, most: float) -> Tensor:
    """int64: places of the boxes that stay, best score first: greedy non-maximum suppression within each label.

    boxes: (N, 4).  most: two boxes of a label may overlap by this intersection over union.
    Rounds over all boxes at once: a box that no standing better one covers stays, and what it covers goes; there are
    as many rounds as the longest chain of such boxes, not as boxes.
    """
    import torch

    order = torch.argsort(scores, descending=True, stable=True)
    ranked, mine = boxes[order], labels[order]
    better = torch.ones(len(order), len(order), dtype=torch.bool, device=boxes.device).tril(-1)
    covered = (overlap(ranked, ranked) > most) & (mine[:, None] == mine[None, :]) & better  # [i, j]: better j covers i
    stays = torch.zeros(len(order), dtype=torch.bool, device=boxes.device)
    unsure = ~stays
    while bool(unsure.any()):
        sure = unsure & ~(covered & unsure[None, :]).any(1)
        stays |= sure
        unsure = unsure & ~sure & ~(covered & sure[None, :]).any(1)
    return order[stays]


def aligned(maps: Tensor, boxes: Sequence[Tensor], grid: int, scale: float, points: int = 2) -> Tensor:
    """(all boxes, C, grid, grid): the mean of `points` x `points` samples in each of grid x grid parts of a box.

    maps: (B, C, H, W).  boxes: of each picture (N, 4), in its pixels; scale: map places a pixel. RoIAlign (He et al.
    2017), bilinear, pixel i reaching from i to i + 1, its centre at i + 0.5; beyond the edge by more
    than a place is 0.
    Bilinear samples on a grid are a product of what rows and what columns count: two matrix products a picture.
    """
    import torch

    found = []
    for own, of in zip(maps, boxes, strict=True):
        down = _counted(of[:, 1] * scale, of[:, 3] * scale, own.shape[1], grid, points)  # (N, grid, H)
        across = _counted(of[:, 0] * scale, of[:, 2] * scale, own.shape[2], grid, points)  # (N, grid, W)
        rows = torch.einsum("nih,chw->nciw", down, own)
        found.append(rows @ across.transpose(1, 2)[:, None])
    return torch.cat(found)


def _counted(first: Tensor, last: Tensor, size: int, grid: int, points: int) -> Tensor:
    """(N, grid, size): how much each of `size` places counts for each part of the stretch from first to last."""
    import torch

    steps = (torch.arange(grid * points, device=first.device, dtype=first.dtype) + 0.5) / (grid * points)
    places = first[:, None] + (last - first)[:, None] * steps - 0.5  # in places' centres
    there = (places >= -1) & (places <= size)
    places = places.clamp(0, size - 1)
    near = 1 - (places[..., None] - torch.arange(size, device=first.device, dtype=first.dtype)).abs()
    counted = near.clamp(min=0) * there[..., None]
    made: Tensor = counted.reshape(len(counted), grid, points, size).mean(2)
    return made


def anchors(sizes: tuple[int, int], stride: int, sides: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """(h x w x sides x ratios, 4): boxes around the middle of every cell, in pixels of the picture.

    sizes: (h, w) of the map.  sides: root of the area.  ratios: height over width.
    """
    import torch

    shapes = [(side / ratio**0.5, side * ratio**0.5) for side in sides for ratio in ratios]
    wide, high = torch.tensor(shapes).T
    y, x = ((torch.arange(size, dtype=torch.float32) + 0.5) * stride for size in sizes)
    middle = torch.stack([x[None, :].expand(sizes), y[:, None].expand(sizes)], -1).reshape(-1, 1, 2)
    half = torch.stack([wide, high], 1)[None] / 2
    return torch.cat([middle - half, middle + half], 2).reshape(-1, 4)


def shifts(boxes: Tensor, around: Tensor, weights: Sequence[float] = (1, 1, 1, 1)) -> Tensor:
    """(..., 4): how boxes differ from those around which they are: centre in sizes, log of sizes (Girshick 2014)."""
    import torch

    (centre, size), (other, other_size) = _middles(boxes), _middles(around)
    told = torch.cat([(centre - other) / other_size, torch.log(size.clamp(min=1e-6) / other_size)], -1)
    return told * torch.tensor(weights, dtype=told.dtype, device=told.device)


def shifted(told: Tensor, around: Tensor, weights: Sequence[float] = (1, 1, 1, 1)) -> Tensor:
    """The boxes that `shifts` told of."""
    import torch

    told = told / torch.tensor(weights, dtype=told.dtype, device=told.device)
    centre, size = _middles(around)
    centre = centre + told[..., :2] * size
    half = size * torch.exp(told[..., 2:].clamp(max=LARGEST_SHIFT)) / 2
    return torch.cat([centre - half, centre + half], -1)


def _middles(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """(centres, sizes); a size is never 0."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-6)
