"""Another view of the same picture, as contrastive learning wants it: a crop, perhaps mirrored, in other colours."""

from __future__ import annotations

import torch
from torch import Tensor

from feilun.parts.ops import affine

LEAST = 0.2  # of the picture's area in a crop; this, and what follows, as SimCLR (Chen et al. 2020, appendix A)
LIGHT = 0.4  # brightness, contrast and saturation change by at most so much
GREY = 0.2  # share of colour pictures that lose their colours


def draw(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """float (B, C, H, W) in [0, 1] -> the same. Only colour pictures are mirrored: a mirrored letter is another one."""
    coloured = pictures.shape[1] == 3
    made = affine.resample(pictures, _crops(len(pictures), generator, mirrored=coloured))
    light, contrast, colour = (
        1 + LIGHT * (torch.rand((3, len(pictures), 1, 1, 1), generator=generator) * 2 - 1)
    ).unbind(0)
    made = made * light
    mean = made.mean((1, 2, 3), keepdim=True)
    made = (made - mean) * contrast + mean
    if coloured:
        grey = made.mean(1, keepdim=True)
        kept = (torch.rand((len(pictures), 1, 1, 1), generator=generator) >= GREY).to(made.dtype)
        made = (made - grey) * (colour * kept) + grey
    return made.clamp(0, 1)


def _crops(count: int, generator: torch.Generator, *, mirrored: bool) -> Tensor:
    """(B, 2, 3), as `affine.draw` writes them: a part of the picture, of an area even in [LEAST, 1], anywhere in it."""
    drawn = torch.rand((4, count), generator=generator)
    side = (LEAST + (1 - LEAST) * drawn[0]).sqrt()
    across = torch.where(drawn[3] < 0.5, -1.0, 1.0) if mirrored else torch.ones(count)
    offset = (drawn[1:3] * 2 - 1) * (1 - side) / 2
    none = torch.zeros(count)
    first, second = torch.stack([side * across, none, offset[0]], 1), torch.stack([none, side, offset[1]], 1)
    return torch.stack([first, second], 1)
