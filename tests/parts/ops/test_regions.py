"""Operators of detection against the same thing done one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from feilun.parts.ops import boxes as plain
from feilun.parts.ops import regions


def drawn(count: int, seed: int, side: float = 40) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand((count, 2), generator=generator) * side
    return torch.cat([corner, corner + torch.rand((count, 2), generator=generator) * side / 2], 1)


def test_overlap_is_that_of_numpy_and_by_hand() -> None:
    first, second = drawn(30, 0), drawn(20, 1)
    assert np.allclose(regions.overlap(first, second).numpy(), plain.overlap(first.numpy(), second.numpy()), atol=1e-6)
    two = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 5, 5], [3, 3, 1, 1]])
    assert regions.overlap(two, two)[0, 1].item() == pytest.approx(1 / 7)
    assert regions.overlap(two, two)[2:].abs().max() == 0  # empty and inverted boxes cover nothing, not even themselves


def one_by_one(boxes: Tensor, scores: Tensor, labels: Tensor, most: float) -> list[int]:
    kept: list[int] = []
    for place in sorted(range(len(boxes)), key=lambda one: (-float(scores[one]), one)):
        rivals = [other for other in kept if labels[other] == labels[place]]
        if all(float(regions.overlap(boxes[[place]], boxes[[other]])) <= most for other in rivals):
            kept.append(place)
    return kept


@pytest.mark.parametrize("most", [0.0, 0.3, 0.5, 1.0])
def test_what_is_kept_is_what_one_by_one_keeps(most: float) -> None:
    for seed in range(5):
        boxes, generator = drawn(80, seed), torch.Generator().manual_seed(seed)
        scores = torch.randint(0, 20, (80,), generator=generator) / 20  # many are equal
        labels = torch.randint(0, 3, (80,), generator=generator)
        assert regions.kept(boxes, scores, labels, most).tolist() == one_by_one(boxes, scores, labels, most)
        assert plain.suppress(boxes.numpy(), scores.numpy(), labels.numpy(), most).tolist() == one_by_one(
            boxes, scores, labels, most
        )
    nothing = torch.zeros((0, 4))
    assert regions.kept(nothing, torch.zeros(0), torch.zeros(0), 0.5).tolist() == []


def sampled(maps: np.ndarray, x: float, y: float) -> np.ndarray:
    """Bilinear, places counted at their centres."""
    _, height, width = maps.shape
    if not (-1 <= x <= width and -1 <= y <= height):
        return np.zeros(len(maps))
    x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    left, top = math.floor(x), math.floor(y)
    right, below = min(left + 1, width - 1), min(top + 1, height - 1)
    across, down = x - left, y - top
    upper = maps[:, top, left] * (1 - across) + maps[:, top, right] * across
    lower = maps[:, below, left] * (1 - across) + maps[:, below, right] * across
    return upper * (1 - down) + lower * down


def test_the_part_of_a_map_under_a_box_is_what_sampling_point_by_point_gives() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand((2, 3, 9, 13), generator=generator)
    boxes = [drawn(6, 1, 60), torch.tensor([[-9.0, -9, 4, 4], [40, 20, 70, 60], [8, 8, 8, 8]])]  # over the edges; empty
    grid, scale, points = 3, 0.25, 2
    made = regions.aligned(maps, boxes, grid, scale, points)
    number = 0
    for picture, own in enumerate(boxes):
        for x0, y0, x1, y1 in (own * scale).tolist():
            wide, high = (x1 - x0) / grid, (y1 - y0) / grid
            for i in range(grid):
                for j in range(grid):
                    at = [
                        sampled(maps[picture].numpy(), x0 + (j + u) * wide - 0.5, y0 + (i + v) * high - 0.5)
                        for u in (0.25, 0.75)
                        for v in (0.25, 0.75)
                    ]
                    assert np.allclose(made[number, :, i, j].numpy(), np.mean(at, 0), atol=1e-5)
            number += 1
    assert made.shape == (9, 3, 3, 3)


def test_a_box_of_whole_places_is_read_as_it_lies() -> None:
    """Half a place to the side would blur: what is under the box comes out unchanged."""
    maps = torch.rand((1, 2, 8, 8), generator=torch.Generator().manual_seed(1))
    made = regions.aligned(maps, [torch.tensor([[16.0, 8.0, 48.0, 40.0]])], 4, 1 / 8, points=1)
    assert torch.allclose(made[0], maps[0, :, 1:5, 2:6], atol=1e-6)
    assert regions.aligned(maps, [torch.zeros((0, 4))], 4, 1 / 8).shape == (0, 2, 4, 4)


def test_anchors_stand_around_the_middles_of_cells() -> None:
    made = regions.anchors((2, 3), 16, (8.0, 16.0), (0.5, 1.0, 2.0)).reshape(2, 3, 6, 4)
    assert torch.allclose(
        (made[..., :2] + made[..., 2:]) / 2,
        torch.tensor([[8.0, 8], [24, 8], [40, 8], [8, 24], [24, 24], [40, 24]]).reshape(2, 3, 1, 2).expand(2, 3, 6, 2),
    )
    size = made[0, 0, :, 2:] - made[0, 0, :, :2]
    assert torch.allclose(size.prod(1).sqrt(), torch.tensor([8.0, 8, 8, 16, 16, 16]))
    assert torch.allclose(size[:, 1] / size[:, 0], torch.tensor([0.5, 1, 2, 0.5, 1, 2]))


def test_shifts_and_back() -> None:
    boxes, around = drawn(20, 2) + torch.tensor([0.0, 0, 1, 1]), drawn(20, 3) + torch.tensor([0.0, 0, 1, 1])
    told = regions.shifts(boxes, around, (10, 10, 5, 5))
    assert torch.allclose(regions.shifted(told, around, (10, 10, 5, 5)), boxes, atol=1e-4)
    assert regions.shifts(around, around).abs().max() < 1e-6
    by_hand = regions.shifts(torch.tensor([[2.0, 0, 6, 8]]), torch.tensor([[0.0, 0, 4, 4]]))
    assert torch.allclose(by_hand, torch.tensor([[0.5, 0.5, 0.0, math.log(2)]]))
    assert torch.isfinite(regions.shifted(torch.full((1, 4), 1e4), around[:1])).all()
