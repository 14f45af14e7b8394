"""Affine changes against what they must do to a picture."""

import math

import pytest
import torch

from feilun.parts.ops import affine


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_nothing_asked_changes_nothing():
    pictures = torch.rand(4, 3, 9, 7)
    same = affine.resample(pictures, affine.draw(4, generator()))
    torch.testing.assert_close(same, pictures, atol=1e-5, rtol=0)  # float32 bilinear weights


@pytest.mark.parametrize(("option", "axis"), [("flip_x", 3), ("flip_y", 2)])
def test_flips_are_mirror_images_half_of_the_time(option, axis):
    pictures = torch.rand(40, 1, 8, 6)
    changed = affine.resample(pictures, affine.draw(40, generator(), **{option: True}))
    kept = (changed - pictures).abs().amax((1, 2, 3)) < 1e-5
    turned = (changed - pictures.flip(axis)).abs().amax((1, 2, 3)) < 1e-5
    assert bool((kept | turned).all()) and 8 < int(turned.sum()) < 32


def test_a_quarter_turn_is_exact():
    pictures = torch.rand(1, 1, 9, 9)
    matrix = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    changed = affine.resample(pictures, matrix)
    turns = [torch.rot90(pictures, k, (2, 3)) for k in (1, 3)]
    assert min(float((changed - turn).abs().max()) for turn in turns) < 1e-5


def test_a_circle_stays_a_circle_in_a_wide_picture():
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(80.0), indexing="ij")
    disc = (((x - 39.5) ** 2 + (y - 19.5) ** 2) < 15**2).float()[None, None]
    angle = torch.tensor(0.7)
    cosine, sine = math.cos(angle), math.sin(angle)
    turned = affine.resample(disc, torch.tensor([[[cosine, -sine, 0.0], [sine, cosine, 0.0]]]))
    assert float((turned - disc).abs().mean()) < 0.02  # only the rim is blurred


def test_shift_is_a_share_of_the_side():
    matrices = affine.draw(1000, generator(), shift=0.25)
    pictures = torch.zeros(1000, 1, 16, 16)
    pictures[:, :, 8, 8] = 1
    moved = affine.resample(pictures, matrices)
    centre = (moved.sum(2)[:, 0] * torch.arange(16)).sum(1) / moved.sum((1, 2, 3)).clamp(min=1e-6)
    assert float((centre - 8).abs().max()) <= 4.1 and float((centre - 8).abs().mean()) > 1.5


def test_zoom_stays_within_its_bounds():
    matrices = affine.draw(2000, generator(), zoom=0.5)
    scale = matrices[:, 0, 0]
    assert 1 / 1.5 <= float(scale.min()) < 0.68 and 1.48 < float(scale.max()) <= 1.5
    assert abs(float(scale.log().mean())) < 0.02
    assert not matrices[:, 0, 1].any()


def test_one_option_moves_no_other():
    alone = affine.draw(5, generator(), rotate=30)
    with_shift = affine.draw(5, generator(), rotate=30, shift=0.1)
    assert torch.equal(alone[:, :, :2], with_shift[:, :, :2])
