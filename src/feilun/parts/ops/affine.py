"""Random affine changes of whole batches of pictures, all in one resampling. Needs torch."""

from __future__ import annotations

import ctypes
import math
from pathlib import Path
from typing import TYPE_CHECKING

from feilun.parts.ops import compiled

if TYPE_CHECKING:
    import torch

SOURCE = Path(__file__).with_suffix(".cpp")


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


def cropped(matrices: torch.Tensor, most: float, generator: torch.Generator) -> torch.Tensor:
    """The same of a window into what they show: each side is 1 - most to 1 of what it was, anywhere within."""
    import torch

    window = torch.rand((3, len(matrices)), generator=generator)
    left = (1 - most * window[0])[:, None]
    inside = (window[1:].T * 2 - 1) * (1 - left) / 2
    turned, moved = matrices[:, :, :2] * left[..., None], matrices[:, :, 2] + inside
    return torch.cat([turned, moved[..., None]], 2)


def resample(pictures: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """pictures: float (B, C, H, W); matrices: (B, 2, 3) from `draw`. Bilinear; the edge is continued outwards.

    Compiled where it can be, which takes a quarter of the time of torch's operators (benchmarks/augmented_images.py)
    and gives the same up to rounding.
    """
    import torch

    kernel = compiled.library(SOURCE)
    if kernel is None or pictures.dtype != torch.float32 or pictures.device.type != "cpu" or pictures.requires_grad:
        return plain(pictures, matrices)
    count, channels, height, width = pictures.shape
    given, places = pictures.contiguous(), in_pixels(matrices, height, width)
    made = torch.empty_like(given)
    pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (given, made, places)]
    sizes = [ctypes.c_int64(size) for size in (count, channels, height, width, torch.get_num_threads())]
    kernel.resample(*pointers, *sizes)
    return made


def plain(pictures: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """The same with torch's operators."""
    import torch
    from torch.nn import functional

    height, width = pictures.shape[-2:]
    # affine_grid counts from -1 to 1 on both sides: undo the stretch, so that circles stay circles.
    stretch = torch.tensor([[1.0, height / width, 2.0], [width / height, 1.0, 2.0]])
    grid = functional.affine_grid(matrices * stretch, list(pictures.shape), align_corners=False)
    return functional.grid_sample(
        pictures, grid.to(pictures.dtype), mode="bilinear", padding_mode="border", align_corners=False
    )


def nearest(maps: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """The same of maps of numbers that have no between, (B, ..., H, W) of any type; the edge is continued outwards."""
    import torch

    height, width = maps.shape[-2:]
    m = in_pixels(matrices, height, width)
    j, i = torch.arange(width, dtype=torch.float32), torch.arange(height, dtype=torch.float32)
    x, y = (m[:, k, None, None] * j + m[:, k + 1, None, None] * i[:, None] + m[:, k + 2, None, None] for k in (0, 3))
    places = y.round().long().clamp(0, height - 1) * width + x.round().long().clamp(0, width - 1)
    flat = maps.reshape(len(maps), -1, height * width)
    return flat.gather(2, places.reshape(len(maps), 1, -1).expand(flat.shape)).reshape(maps.shape)


def boxes(edges: torch.Tensor, matrices: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(B, N, 4) shares of the source -> what they are shares of in the outcome, not cut: the box around its corners."""
    import torch

    size = torch.tensor([width, height], dtype=edges.dtype)
    corners = torch.stack([edges[..., place] for place in ([0, 1], [2, 1], [0, 3], [2, 3])], 2)  # (B, N, 4, 2)
    away = (corners - 0.5 - matrices[:, None, None, :, 2]) * size
    turned = torch.linalg.inv(matrices[:, None, None, :, :2]) @ away[..., None]
    made = turned[..., 0] / size + 0.5
    return torch.cat([made.amin(2), made.amax(2)], -1)


def in_pixels(matrices: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """float32 (count, 6): x = m0 j + m1 i + m2, y = m3 j + m4 i + m5 is where pixel (i, j) of the outcome comes from.

    matrices act on distances from the centre, which is at ((width - 1) / 2, (height - 1) / 2).
    """
    import torch

    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2])
    moved = matrices[:, :, 2] * torch.tensor([float(width), float(height)])
    turned = matrices[:, :, :2]
    return torch.cat([turned, (centre + moved - turned @ centre).unsqueeze(2)], 2).reshape(-1, 6).contiguous()
