"""ConvNeXt: a ResNet that learnt from Transformers: wide kernels, few norms, GELU (Liu et al. 2022), as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from feilun.core.errors import not_one_of
from feilun.parts.models import depth as stochastic
from feilun.parts.models import pictures

SIZES = {  # channels of the first stage, blocks of each: 3.7, 29, 50 and 89 million numbers
    "atto": (40, (2, 2, 6, 2)),
    "tiny": (96, (3, 3, 9, 3)),
    "small": (96, (3, 3, 27, 3)),
    "base": (128, (3, 3, 27, 3)),
}
KERNEL, INNER, STEM = 7, 4, 4  # of a block; its middle, in widths; pixels a side that the stem makes one
SCALE = 1e-6  # of what a block adds, at the start
EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True)
class Convnext:
    """Options of the family."""

    size: str = "tiny"  # atto, tiny, small or base
    width: float = 1.0  # times the published channels
    depth: float = 1.0  # times the published blocks
    stem: str = "auto"  # large, small (2 x 2 pixels become one), or auto: small below 64 pixels
    dropout: float = 0.0  # share left out before the answer while training
    drop_path: float = 0.1  # share of rows that go around the last block while training, falling to the first


MODEL = Convnext
KINDS = ("image",)


class ChannelNorm(nn.LayerNorm):
    """The norm of a layer, over the channels of every place."""

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, h, w) -> the same."""
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Turned(nn.Module):
    """Channels last, or first again."""

    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, maps: Tensor) -> Tensor:
        """Axes in this order."""
        return maps.permute(self.order)


class Block(nn.Module):
    """(B, width, h, w) -> the same: looked at channel by channel, then a feed-forward part at every place."""

    def __init__(self, width: int, share: float) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(width, width, KERNEL, padding=KERNEL // 2, groups=width),
            Turned(0, 2, 3, 1),
            nn.LayerNorm(width, eps=EPSILON),
            nn.Linear(width, INNER * width),
            nn.GELU(),
            nn.Linear(INNER * width, width),
            Turned(0, 3, 1, 2),
        )
        self.layer_scale = nn.Parameter(torch.full((width, 1, 1), SCALE))
        self.drop_path = stochastic.DropPath(share)

    def forward(self, maps: Tensor) -> Tensor:
        """What came in is added."""
        made: Tensor = maps + self.drop_path(self.layer_scale * self.block(maps))
        return made


class Network(pictures.Body):
    """A stem, four stages of blocks with a halving between, the mean over places, a norm."""

    def __init__(self, options: Convnext, shape: tuple[int, int, int]) -> None:
        super().__init__()
        first, published = SIZES[options.size]
        counts = [pictures.repeated(count, options.depth) for count in published]
        shares = stochastic.rising(options.drop_path, sum(counts))
        widths = [pictures.scaled(first * 2**stage, options.width) for stage in range(len(counts))]
        stem = STEM // 2 if pictures.is_small(options.stem, shape) else STEM
        layers: list[nn.Module] = [
            nn.Sequential(nn.Conv2d(shape[0], widths[0], stem, stem), ChannelNorm(widths[0], eps=EPSILON))
        ]
        for stage, (count, width) in enumerate(zip(counts, widths, strict=True)):
            if stage:
                before = widths[stage - 1]
                halved = nn.Conv2d(before, width, 2, 2)
                layers.append(nn.Sequential(ChannelNorm(before, eps=EPSILON), halved))
            layers.append(nn.Sequential(*(Block(width, shares.pop(0)) for _ in range(count))))
        self.features = nn.Sequential(*layers)
        self.widths, self.width = tuple(widths), widths[-1]
        self.classifier = nn.Sequential(nn.LayerNorm(self.width, eps=EPSILON))
        for name, weight in self.named_parameters():
            if weight.ndim >= 2 and "layer_scale" not in name:
                nn.init.trunc_normal_(weight, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def stages(self, picture: Tensor) -> list[Tensor]:
        """Four maps: 1/4 to 1/32 of the sides; twice as large with the small stem."""
        return pictures.passed(self.features, (1, 3, 5, 7), picture)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, width)."""
        made: Tensor = self.classifier(self.stages(picture)[-1].mean((2, 3)))
        return made


def encoder(options: Convnext, feature: Any) -> nn.Module:
    """Raises RecipeError for an option that does not fit."""
    pictures.check_dials(options.width, options.depth)
    if options.size not in SIZES:
        raise not_one_of("model.size", options.size, SIZES)
    return pictures.Encoder(Network(options, feature.shape), feature.shape[0], options.dropout)
