"""What networks over pictures share: pixels as they were taught, sizes by a dial, pooling to a fixed grid."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from feilun.core.errors import RecipeError, not_one_of

SMALL = 64  # pixels of the shorter side: below, a stem that halves less keeps something to look at
STEMS = ("auto", "large", "small")
NORMS = ("batch", "group")
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation of red, green and blue
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Body(nn.Module, ABC):
    """A network over normed pictures, under published names.

    widths: channels of `stages`.  width: numbers of the answer's vector.
    """

    widths: Sequence[int]
    width: int

    @abstractmethod
    def stages(self, picture: Tensor) -> list[Tensor]:
        """Maps (B, widths[i], h, w), from the finest to the last one, which the answer comes from."""

    def forward(self, picture: Tensor) -> Tensor:
        """(B, width): the mean of the last map over its places, where a network has nothing behind it."""
        return self.stages(picture)[-1].mean((2, 3))


class Encoder(nn.Module):
    """(B, channels, height, width) in [0, 1] -> (B, width). `network` holds the weights under their published names."""

    def __init__(
        self, network: Body, channels: int, dropout: float, normal: tuple[Sequence[float], Sequence[float]] = IMAGENET
    ) -> None:
        super().__init__()
        self.network, self.width, self.widths = network, network.width, tuple(network.widths)
        for name, values in zip(("mean", "deviation"), normal, strict=True):
            told = values if channels == len(values) else [sum(values) / len(values)] * channels
            self.register_buffer(name, torch.tensor(told).view(1, -1, 1, 1), persistent=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, picture: Tensor, length: Tensor | None = None) -> Tensor:
        """The network's last maps as one vector."""
        made: Tensor = self.dropout(self.network(self.normed(picture)))
        return made

    def stages(self, picture: Tensor) -> list[Tensor]:
        """Maps of falling size, for what looks at places."""
        return self.network.stages(self.normed(picture))

    def normed(self, picture: Tensor) -> Tensor:
        """Pixels around zero, as the published weights were taught."""
        return (picture - self.get_buffer("mean")) / self.get_buffer("deviation")


class Pooled(nn.Module):
    """(B, C, h, w) -> (B, C, grid, grid): the mean of each part, which may overlap, as adaptive pooling takes it.

    Two products with constant matrices: any size exports, also where grid does not divide it.
    """

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, maps: Tensor) -> Tensor:
        """The same mean as torch's AdaptiveAvgPool2d."""
        down, across = (_shares(size, self.grid).to(maps) for size in maps.shape[-2:])
        return down @ maps @ across.T


def passed(layers: nn.Sequential, ends: Sequence[int], maps: Tensor) -> list[Tensor]:
    """The maps behind these of the layers, by their places."""
    found = list[Tensor]()
    for place, layer in enumerate(layers):
        maps = layer(maps)
        found += [maps] if place in ends else []
    return found


def hidden(sizes: Sequence[int], dropout: float, *, dropped_first: bool) -> nn.Sequential:
    """Dense layers from each of these sizes to the next, with ReLU; numbers are left out before or behind each."""
    parts = list[nn.Module]()
    for inputs, outputs in pairwise(sizes):
        left_out = [nn.Dropout(dropout)]
        parts += [*left_out[: int(dropped_first)], nn.Linear(inputs, outputs), nn.ReLU()]
        parts += left_out[int(dropped_first) :]
    return nn.Sequential(*parts)


def _shares(size: int, grid: int) -> Tensor:
    """float (grid, size): what of each of `size` places counts for each of `grid` parts."""
    made = torch.zeros(grid, size)
    for part in range(grid):
        first, last = part * size // grid, math.ceil((part + 1) * size / grid)
        made[part, first:last] = 1 / (last - first)
    return made


def is_small(stem: str, shape: tuple[int, int, int]) -> bool:
    """Whether the stem for small pictures is taken. Raises RecipeError for an unknown one."""
    if stem not in STEMS:
        raise not_one_of("model.stem", stem, STEMS)
    return stem == "small" or (stem == "auto" and min(shape[1:]) < SMALL)


def norm(kind: str, channels: int) -> nn.Module:
    """batch, or group, which does not mix rows, as private training needs. Raises RecipeError for another."""
    if kind not in NORMS:
        raise not_one_of("model.norm", kind, NORMS)
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.GroupNorm(math.gcd(channels, 8), channels)


def scaled(channels: int, times: float) -> int:
    """So many times the channels, a multiple of 8, and never a tenth less (Howard et al. 2017)."""
    if times == 1:
        return channels
    found = max(8, int(channels * times + 4) // 8 * 8)
    return found + 8 if found < 0.9 * channels * times else found


def repeated(blocks: int, times: float) -> int:
    """So many times the blocks, rounded up, at least one."""
    return max(1, math.ceil(blocks * times))


def check_dials(width: float, depth: float) -> None:
    """Raises RecipeError for what makes no network."""
    for name, value in (("width", width), ("depth", depth)):
        if isinstance(value, bool) or not 0 < value <= 8:
            raise RecipeError(
                f"model.{name} is {value!r}: how many times the published size, above 0 and at most 8.",
                where=f"model.{name}",
                expected="a number above 0, at most 8",
                got=f"{value!r}",
                fix=f"{name}: 1",
            )


def start(network: nn.Module) -> None:
    """He's normal by outputs for convolutions (He et al. 2015), norms as they are, linear layers small."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
