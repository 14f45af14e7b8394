"""DenseNet: every layer reads all maps before it in its block (Huang et al. 2017), under their published names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.parts.models import pictures

NAMES = ("densenet121", "densenet161", "densenet169", "densenet201")
BLOCKS = dict(zip(NAMES, ((6, 12, 24, 16), (6, 12, 36, 24), (6, 12, 32, 32), (6, 12, 48, 32)), strict=True))
WIDE = {"densenet161": (96, 48)}  # channels of the stem, and of each layer
USUAL = (64, 32)
NARROW = 4  # times a layer's channels between its two convolutions


@dataclass(frozen=True, kw_only=True)
class Densenet:
    """Options of the family."""

    width: float = 1.0  # times the published channels
    depth: float = 1.0  # times the published layers of each block
    stem: str = "auto"  # large, small (nothing is halved before the blocks), or auto: small below 64 pixels
    norm: str = "batch"  # batch, or group, which private training needs
    dropout: float = 0.0  # share left out before the answer while training


MODEL = Densenet
KINDS = ("image",)


class Layer(nn.Module):
    """(B, inputs, h, w) -> (B, inputs + growth, h, w): what came in, and what it adds."""

    def __init__(self, inputs: int, growth: int, norm: str) -> None:
        super().__init__()
        self.norm1 = pictures.norm(norm, inputs)
        self.conv1 = nn.Conv2d(inputs, NARROW * growth, 1, bias=False)
        self.norm2 = pictures.norm(norm, NARROW * growth)
        self.conv2 = nn.Conv2d(NARROW * growth, growth, 3, padding=1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Norm and ReLU stand before each convolution."""
        made = self.conv1(functional.relu(self.norm1(maps)))
        return torch.cat([maps, self.conv2(functional.relu(self.norm2(made)))], 1)


class Network(pictures.Body):
    """A stem, four dense blocks, each but the last followed by a transition that halves channels and sides."""

    def __init__(self, options: Densenet, name: str, shape: tuple[int, int, int]) -> None:
        super().__init__()
        small = pictures.is_small(options.stem, shape)
        channels, growth = (pictures.scaled(one, options.width) for one in WIDE.get(name, USUAL))
        self.features = nn.Sequential()
        kernel, stride = (3, 1) if small else (7, 2)
        self.features.add_module("conv0", nn.Conv2d(shape[0], channels, kernel, stride, kernel // 2, bias=False))
        self.features.add_module("norm0", pictures.norm(options.norm, channels))
        self.features.add_module("relu0", nn.ReLU())
        self.features.add_module("pool0", nn.Identity() if small else nn.MaxPool2d(3, 2, 1))
        widths = [channels]
        counts = [pictures.repeated(count, options.depth) for count in BLOCKS[name]]
        for number, count in enumerate(counts, 1):
            block = nn.Sequential()
            for place in range(1, count + 1):
                block.add_module(f"denselayer{place}", Layer(channels, growth, options.norm))
                channels += growth
            self.features.add_module(f"denseblock{number}", block)
            widths.append(channels)
            if number < len(counts):
                self.features.add_module(f"transition{number}", _transition(channels, options.norm))
                channels //= 2
        self.features.add_module("norm5", pictures.norm(options.norm, channels))
        self.widths, self.width = tuple(widths), channels
        pictures.start(self)

    def stages(self, picture: Tensor) -> list[Tensor]:
        """Five maps: behind the stem, 1/2 of the sides, then behind each block, 1/4 to 1/32; with the small stem the
        first two as large as the picture."""
        found, maps = list[Tensor](), picture
        for name, layer in self.features.named_children():
            maps = layer(maps)
            found += [maps] if name == "relu0" or name.startswith("denseblock") else []
        return [*found[:-1], functional.relu(maps)]


def encoder(options: Densenet, feature: Any, name: str) -> nn.Module:
    """Raises RecipeError for an option that does not fit."""
    pictures.check_dials(options.width, options.depth)
    return pictures.Encoder(Network(options, name, feature.shape), feature.shape[0], options.dropout)


def _transition(channels: int, norm: str) -> nn.Sequential:
    made = nn.Sequential()
    made.add_module("norm", pictures.norm(norm, channels))
    made.add_module("relu", nn.ReLU())
    made.add_module("conv", nn.Conv2d(channels, channels // 2, 1, bias=False))
    made.add_module("pool", nn.AvgPool2d(2))
    return made
