"""What stands in pictures moves with them: boxes and maps of numbers against the pixels themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from feilun.core.errors import RecipeError
from feilun.parts.features.boxes import Boxes
from feilun.parts.features.image import Image
from feilun.parts.ops import affine, painting
from feilun.stages.training.draw import augmentation

HEIGHT, WIDTH = 48, 64
CHANGES = [
    {"flip": "horizontal"},
    {"flip": "vertical"},
    {"shift": 0.2},
    {"zoom": 0.4},
    {"crop": 0.4},
    {"rotate": 90},
    {"shear": 20},
    {"rotate": 10, "shift": 0.1, "zoom": 0.2, "flip": "both", "crop": 0.2},
]


def pictures(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Dark pictures with one bright box each, and the boxes as shares, (B, 1, 5)."""
    drawn = np.random.default_rng(0)
    made, boxes = torch.zeros((count, 1, HEIGHT, WIDTH)), []
    for row in range(count):
        x, y = drawn.integers(16, 32), drawn.integers(12, 24)
        wide, high = drawn.integers(8, 16), drawn.integers(6, 12)
        made[row, 0, y : y + high, x : x + wide] = 1
        boxes.append([0, x / WIDTH, y / HEIGHT, (x + wide) / WIDTH, (y + high) / HEIGHT])
    return made, torch.tensor(boxes, dtype=torch.float32)[:, None]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "-".join(change))
def test_a_box_stays_around_what_it_was_around(change: dict[str, float]) -> None:
    image = Image(columns=("p",), size=(HEIGHT, WIDTH), channels=1, augment=change)
    feature = Boxes(columns=("p", "boxes"), labels=("a",))
    batch, boxes = pictures(64)
    given = {"image": batch, "boxes": boxes, "boxes_length": torch.ones(64, dtype=torch.int64)}
    augment = augmentation({"image": image, "boxes": feature}, ["image"])
    assert augment is not None
    made = augment(given, torch.Generator().manual_seed(0))
    moved, whole = 0, 0
    for row in range(64):
        if not made["boxes_length"][row]:
            continue
        where = torch.nonzero(made["image"][row, 0] > 0.5)
        (top, left), (below, right) = where.amin(0).tolist(), (where.amax(0) + 1).tolist()
        x0, y0, x1, y1 = (made["boxes"][row, 0, 1:] * torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])).tolist()
        slack = 2.0  # of half bright pixels at edges, and of corners that a turned box cuts off
        assert left >= x0 - slack and top >= y0 - slack and right <= x1 + slack and below <= y1 + slack
        if set(change) <= {"flip", "shift", "zoom", "crop"}:  # nothing is turned: the box is tight
            assert abs(left - x0) <= slack and abs(top - y0) <= slack
            assert abs(right - x1) <= slack and abs(below - y1) <= slack
        moved += not torch.equal(made["boxes"][row], boxes[row])
        whole += 1
    assert whole > 40 and moved > 20


def test_boxes_that_are_gone_are_no_boxes_and_the_others_come_first() -> None:
    feature = Boxes(columns=("p", "boxes"), labels=("a", "b"))
    boxes = torch.tensor([[[0, 0.0, 0.0, 0.2, 0.2], [1, 0.6, 0.6, 0.9, 0.9], [0, 0, 0, 0, 0]]])
    moved_right = torch.tensor([[[1.0, 0, 0.5], [0, 1, 0.5]]])  # what is shown comes from half a picture to the right
    values, length = feature.moved(boxes, torch.tensor([2]), moved_right, 100, 100)
    assert length.tolist() == [1] and values[0, 0].tolist() == pytest.approx([1, 0.1, 0.1, 0.4, 0.4])
    assert values[0, 1:].abs().sum() == 0


def test_maps_of_numbers_move_as_pictures_do() -> None:
    batch, _ = pictures(8)
    generator = torch.Generator().manual_seed(1)
    moves = affine.draw(8, generator, rotate=30, shift=0.2, zoom=0.3, flip_x=True)
    moves = affine.cropped(moves, 0.2, generator)
    numbers = (batch * 7).long()
    made = affine.nearest(numbers, moves)
    assert set(made.unique().tolist()) <= {0, 7}
    assert ((made > 0) == (affine.resample(batch, moves) > 0.5)).float().mean() > 0.98
    still = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]]).expand(8, 2, 3)
    assert torch.equal(affine.nearest(numbers, still), numbers)


def test_a_crop_is_a_part_of_the_picture() -> None:
    ramp = torch.linspace(0.2, 0.8, WIDTH).expand(200, 1, HEIGHT, WIDTH)
    still = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]]).expand(200, 2, 3)
    made = affine.resample(ramp.contiguous(), affine.cropped(still, 0.5, torch.Generator().manual_seed(0)))
    first, last = made[:, 0, 0, 0], made[:, 0, 0, -1]
    share = (last - first) / 0.6
    assert first.min() >= 0.2 - 1e-4 and last.max() <= 0.8 + 1e-4
    assert share.min() > 0.49 and share.max() < 1.01 and share.std() > 0.1
    assert first.std() > 0.05  # anywhere


def test_colours_blur_and_squares() -> None:
    generator = torch.Generator().manual_seed(0)
    batch = torch.rand((16, 3, 20, 24), generator=generator)
    coloured = painting.coloured(batch, 0.4, generator)
    assert coloured.shape == batch.shape and coloured.min() >= 0 and coloured.max() <= 1
    assert (coloured.mean((1, 2, 3)) - batch.mean((1, 2, 3))).abs().max() > 0.1
    dot = torch.zeros((16, 1, 21, 21))
    dot[:, :, 10, 10] = 1
    blurred = painting.blurred(dot, 2.0, generator)
    assert torch.allclose(blurred.sum((1, 2, 3)), torch.ones(16), atol=1e-4)
    assert torch.allclose(blurred, blurred.transpose(2, 3), atol=1e-6) and blurred.amax((1, 2, 3)).std() > 0.01
    cut = painting.cut_out(batch, 0.5, generator)
    hidden = (cut != batch).all(1)
    assert hidden.sum((1, 2)).max() <= 100 and hidden.sum((1, 2)).float().mean() > 50
    grey = painting.coloured(dot, 0.4, generator)
    assert grey.shape == dot.shape


@pytest.mark.parametrize("given", [{"colour": 2}, {"blur": -1}, {"flip": "up"}, {"hue": 0.1}, {"crop": True}])
def test_changes_out_of_bounds_are_told(given: Any) -> None:
    with pytest.raises(RecipeError, match="augment"):
        Image(columns=("p",), augment=given)
