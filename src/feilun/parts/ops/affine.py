"""Random affine changes of whole batches of pictures, all in one resampling. Needs torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def draw(
    count: int,
    generator: torch.Generator,
    *,
    rotate: float = 0.0,
    shift: float = 0.0,
    shear: float = 0.0,
    zoom: float = 0.0,
    flip_x: bool = False,
    flip_y: bool = False,
) -> torch.Tensor:
    """float32 (count, 2, 3): for each picture, where in the source (pixels from the centre) an output pixel comes from.

    rotate, shear: degrees, shift: share of the side, each even in [-x, x]; zoom: magnification even on a log scale in
    [1 / (1 + zoom), 1 + zoom]; flips with probability a half. The third column is a share of the sides, not pixels.
    """
    import torch

    drawn = torch.rand((7, count), generator=generator) * 2 - 1  # always seven, so that one option moves no other
    angle, slant = drawn[0] * math.radians(rotate), torch.tan(drawn[1] * math.radians(shear))
    scale = torch.exp(-drawn[2] * math.log1p(zoom))  # reading from farther out makes things smaller
    across = torch.where(drawn[5] < 0, -1.0, 1.0) if flip_x else torch.ones(count)
    down = torch.where(drawn[6] < 0, -1.0, 1.0) if flip_y else torch.ones(count)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    first = torch.stack([cosine * across, (cosine * slant - sine) * down, drawn[3] * shift], dim=1)
    second = torch.stack([sine * across, (sine * slant + cosine) * down, drawn[4] * shift], dim=1)
    return torch.stack([first, second], dim=1)


def resample(pictures: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """pictures: float (B, C, H, W); matrices: (B, 2, 3) from `draw`. Bilinear; the edge is continued outwards."""
    import torch
    from torch.nn import functional

    height, width = pictures.shape[-2:]
    # affine_grid counts from -1 to 1 on both sides: undo the stretch, so that circles stay circles.
    stretch = torch.tensor([[1.0, height / width, 2.0], [width / height, 1.0, 2.0]])
    grid = functional.affine_grid(matrices * stretch, list(pictures.shape), align_corners=False)
    return functional.grid_sample(
        pictures, grid.to(pictures.dtype), mode="bilinear", padding_mode="border", align_corners=False
    )
