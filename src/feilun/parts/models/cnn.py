"""CNN: blocks of 3 x 3 convolutions and pooling over pictures, then what is left as one vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from feilun.core.errors import RecipeError
from feilun.parts.models import initial

POOLING: dict[str, type[nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
SMALLEST = 4  # pixels: smaller maps are not pooled further
MOST_LEFT = 2048  # numbers kept of the last map; where more, its mean over places is taken


@dataclass(frozen=True, kw_only=True)
class Cnn:
    """Options of the family.

    A convolution here is what every framework computes: cross-correlation, the kernel is not flipped.
    """

    width: int = 24  # channels of the first block, doubled in each further one
    depth: int = 3  # blocks, each halving height and width
    convolutions: int = 1  # in each block
    dropout: float = 0.3  # share left out before the answer while training
    pooling: str = "max"  # max or average
    norm: str = "batch"  # batch, group (does not mix rows, as private training needs) or none


MODEL = Cnn
KINDS = ("image",)


class Encoder(nn.Module):
    """(B, channels, height, width) in [0, 1] -> (B, width)."""

    def __init__(self, options: Cnn, shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, parts = shape[0], []
        size = min(shape[1:])
        for block in range(options.depth):
            wide = options.width * 2**block
            for _ in range(options.convolutions):
                layer = nn.Conv2d(channels, wide, 3, padding=1, bias=options.norm == "none")
                initial.start(layer, "relu")
                parts += [layer, *_norm(options.norm, wide), nn.ReLU()]
                channels = wide
            if size >= SMALLEST:
                parts.append(POOLING[options.pooling](2))
                size //= 2
        self.layers = nn.Sequential(*parts)
        with torch.no_grad():
            left = self.layers.eval()(torch.zeros(1, *shape)).shape[1:].numel()
        self.train()
        self.mean = left > MOST_LEFT
        self.width = channels if self.mean else left
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, picture: Tensor, length: Tensor | None = None) -> Tensor:
        """Pixels around 0, maps, one vector."""
        maps = self.layers(picture * 2 - 1)
        made: Tensor = self.dropout(maps.mean((2, 3)) if self.mean else maps.flatten(1))
        return made


def encoder(options: Cnn, feature: Any) -> nn.Module:
    """Raises RecipeError for an option that does not fit."""
    for name, value, known in (
        ("pooling", options.pooling, tuple(POOLING)),
        ("norm", options.norm, ("batch", "group", "none")),
    ):
        if value not in known:
            raise RecipeError(
                f"model.{name} is {value!r}; expected one of: {', '.join(known)}.",
                where=f"model.{name}",
                expected=", ".join(known),
                got=str(value),
                fix=f"use {known[0]}",
            )
    return Encoder(options, feature.shape)


def _norm(kind: str, channels: int) -> list[nn.Module]:
    if kind == "batch":
        return [nn.BatchNorm2d(channels)]
    if kind == "group":
        return [nn.GroupNorm(max(g for g in (8, 4, 2, 1) if channels % g == 0), channels)]
    return []
