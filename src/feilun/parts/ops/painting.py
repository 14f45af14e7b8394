"""Random changes of the colours of whole batches of pictures, float (B, C, H, W) in [0, 1]. Needs torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in brightness (ITU-R BT.601)
REACH = 3  # deviations of a Gaussian that are computed


def coloured(pictures: torch.Tensor, most: float, generator: torch.Generator) -> torch.Tensor:
    """Brightness, contrast and, of colour pictures, saturation times 1 - most to 1 + most."""
    import torch

    count, channels = pictures.shape[:2]
    bright, contrast, saturation = 1 + most * (torch.rand((3, count, 1, 1, 1), generator=generator) * 2 - 1)
    made = pictures * bright
    mean = _grey(made).mean((2, 3), keepdim=True)
    made = mean + (made - mean) * contrast
    if channels == len(LUMA):
        grey = _grey(made)
        made = grey + (made - grey) * saturation
    clear: torch.Tensor = made.clamp(0, 1)
    return clear


def blurred(pictures: torch.Tensor, most: float, generator: torch.Generator) -> torch.Tensor:
    """A Gaussian of 0 to `most` pixels' deviation; the edge is continued outwards."""
    import torch
    from torch.nn import functional

    count, channels, height, width = pictures.shape
    deviation = torch.rand(count, generator=generator).mul(most).clamp(min=1e-3)
    reach = min(math.ceil(REACH * most), height - 1, width - 1)
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weights = torch.exp(-(places**2) / (2 * deviation[:, None] ** 2))
    weights = (weights / weights.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    made = pictures.reshape(1, count * channels, height, width)
    for shape, pad in (((1, -1), (reach, reach, 0, 0)), ((-1, 1), (0, 0, reach, reach))):
        kernel = weights.reshape(count * channels, 1, *(len(places) if one < 0 else 1 for one in shape))
        made = functional.conv2d(functional.pad(made, pad, "replicate"), kernel, groups=count * channels)
    return made.reshape(pictures.shape)


def cut_out(pictures: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """With a square of the mean colour, its side this share of the shorter one, its middle anywhere (DeVries 2017)."""
    import torch

    count, _, height, width = pictures.shape
    half = share * min(height, width) / 2
    middle = torch.rand((2, count, 1), generator=generator)
    rows, columns = (
        (torch.arange(size) + 0.5 - at * size).abs() < half for size, at in zip((height, width), middle, strict=True)
    )
    hidden = (rows[:, :, None] & columns[:, None, :])[:, None]
    return torch.where(hidden, pictures.mean((2, 3), keepdim=True), pictures)


def _grey(pictures: torch.Tensor) -> torch.Tensor:
    if pictures.shape[1] != len(LUMA):
        return pictures
    import torch

    made: torch.Tensor = (pictures * torch.tensor(LUMA).view(1, -1, 1, 1)).sum(1, keepdim=True)
    return made
