"""Inception v3: branches of convolutions of several shapes, side by side (Szegedy et al. 2016), as published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.parts.models import pictures

NAMES = ("inception_v3",)
WIDE, HIGH = ((1, 7), (0, 3)), ((7, 1), (3, 0))  # kernels and paddings of rows and of columns
Shape = tuple[str, int, Any, Any, int]  # name, channels, kernel, padding, stride
STEM: tuple[tuple[str, int, int, int, int], ...] = (
    ("Conv2d_1a_3x3", 32, 3, 0, 2),
    ("Conv2d_2a_3x3", 32, 3, 0, 1),
    ("Conv2d_2b_3x3", 64, 3, 1, 1),
    ("Conv2d_3b_1x1", 80, 1, 0, 1),
    ("Conv2d_4a_3x3", 192, 3, 0, 1),
)
HALVED = ("Conv2d_2b_3x3", "Conv2d_4a_3x3")  # a maximum over 3 x 3 follows


def _near(pooled: int) -> list[list[Shape]]:
    """Branches of blocks 5b to 5d, by the channels behind pooling."""
    five = [("branch5x5_1", 48, 1, 0, 1), ("branch5x5_2", 64, 5, 2, 1)]
    three = [("branch3x3dbl_1", 64, 1, 0, 1), ("branch3x3dbl_2", 96, 3, 1, 1), ("branch3x3dbl_3", 96, 3, 1, 1)]
    return [[("branch1x1", 64, 1, 0, 1)], five, three, [("branch_pool", pooled, 1, 0, 1)]]


def _far(narrow: int) -> list[list[Shape]]:
    """Branches of blocks 6b to 6e: rows and columns of seven."""
    kernels = [WIDE, HIGH], [HIGH, WIDE, HIGH, WIDE]
    made: list[list[Shape]] = []
    for name, shapes in zip(("branch7x7", "branch7x7dbl"), kernels, strict=True):
        parts: list[Shape] = [(f"{name}_1", narrow, 1, 0, 1)]
        for place, (kernel, padding) in enumerate(shapes, 2):
            parts.append((f"{name}_{place}", 192 if place == len(shapes) + 1 else narrow, kernel, padding, 1))
        made.append(parts)
    return [[("branch1x1", 192, 1, 0, 1)], *made, [("branch_pool", 192, 1, 0, 1)]]


THREE = [("branch3x3dbl_1", 64, 1, 0, 1), ("branch3x3dbl_2", 96, 3, 1, 1), ("branch3x3dbl_3", 96, 3, 0, 2)]
SEVEN = [("branch7x7x3_1", 192, 1, 0, 1), ("branch7x7x3_2", 192, *WIDE, 1), ("branch7x7x3_3", 192, *HIGH, 1)]
LAST = [
    [("branch1x1", 320, 1, 0, 1)],
    [("branch3x3_1", 384, 1, 0, 1), ("branch3x3_2", 384, 3, 1, 1)],
    [("branch3x3dbl_1", 448, 1, 0, 1), ("branch3x3dbl_2", 384, 3, 1, 1), ("branch3x3dbl_3", 384, 3, 1, 1)],
    [("branch_pool", 192, 1, 0, 1)],
]
BLOCKS: dict[str, list[list[Shape]]] = {
    **{f"Mixed_5{letter}": _near(pooled) for letter, pooled in (("b", 32), ("c", 64), ("d", 64))},
    "Mixed_6a": [[("branch3x3", 384, 3, 0, 2)], THREE, []],
    **{f"Mixed_6{letter}": _far(narrow) for letter, narrow in (("b", 128), ("c", 160), ("d", 160), ("e", 192))},
    "Mixed_7a": [
        [("branch3x3_1", 192, 1, 0, 1), ("branch3x3_2", 320, 3, 0, 2)],
        [*SEVEN, ("branch7x7x3_4", 192, 3, 0, 2)],
        [],
    ],
    "Mixed_7b": LAST,
    "Mixed_7c": LAST,
}
SPLIT = ("branch3x3_2", "branch3x3dbl_3")  # of the last blocks: rows and columns of three, side by side
SMALLEST = 75  # pixels of a side of which the large stem leaves something
ENDS = ("Mixed_5d", "Mixed_6e", "Mixed_7c")


@dataclass(frozen=True, kw_only=True)
class Inception:
    """Options of the family."""

    width: float = 1.0  # times the published channels
    stem: str = "auto"  # large, small (nothing is halved before the blocks), or auto: small below 75 pixels
    norm: str = "batch"  # batch, or group, which private training needs
    dropout: float = 0.5  # share left out before the answer while training


MODEL = Inception
KINDS = ("image",)


class Convolution(nn.Module):
    """Convolution, norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: Any, padding: Any, stride: int, norm: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001) if norm == "batch" else pictures.norm(norm, outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, ...)."""
        return functional.relu(self.bn(self.conv(maps)))


class Block(nn.Module):
    """Branches side by side; one without a convolution is a pooling that halves."""

    def __init__(self, inputs: int, branches: Sequence[Sequence[Shape]], options: Inception, *, splits: bool) -> None:
        super().__init__()
        self.names, self.splits, self.width = [[shape[0] for shape in one] for one in branches], splits, 0
        for branch in branches:
            channels = inputs
            for name, wide, kernel, padding, stride in branch:
                outputs = pictures.scaled(wide, options.width)
                forms = {"": (kernel, padding)}
                if splits and name in SPLIT:
                    forms = {"a": ((1, 3), (0, 1)), "b": ((3, 1), (1, 0))}
                for mark, form in forms.items():
                    self.add_module(f"{name}{mark}", Convolution(channels, outputs, *form, stride, options.norm))
                channels = outputs * len(forms)
            self.width += channels

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, width, h or half of it, ...)."""
        return torch.cat([self._branch(names, maps) for names in self.names], 1)

    def _branch(self, names: Sequence[str], maps: Tensor) -> Tensor:
        if not names:
            return functional.max_pool2d(maps, 3, 2)
        made = functional.avg_pool2d(maps, 3, 1, 1) if names[0] == "branch_pool" else maps
        for name in names:
            marks = "ab" if self.splits and name in SPLIT else [""]
            made = torch.cat([self.get_submodule(f"{name}{mark}")(made) for mark in marks], 1)
        return made


class Network(pictures.Body):
    """A stem of convolutions, eleven blocks, the mean over places."""

    def __init__(self, options: Inception, shape: tuple[int, int, int]) -> None:
        super().__init__()
        tiny = options.stem == "auto" and min(shape[1:]) < SMALLEST
        small, channels = tiny or pictures.is_small(options.stem, shape), shape[0]
        self.halved = () if small else HALVED
        for name, wide, kernel, padding, stride in STEM:
            outputs = pictures.scaled(wide, options.width)
            given = (kernel, kernel // 2, 1) if small else (kernel, padding, stride)
            self.add_module(name, Convolution(channels, outputs, *given, options.norm))
            channels = outputs
        widths = []
        for name, branches in BLOCKS.items():
            block = Block(channels, branches, options, splits=name in ("Mixed_7b", "Mixed_7c"))
            self.add_module(name, block)
            channels = block.width
            widths += [channels] if name in ENDS else []
        self.widths, self.width = tuple(widths), channels
        pictures.start(self)

    def stages(self, picture: Tensor) -> list[Tensor]:
        """Three maps: about 1/8, 1/16 and 1/32 of the sides; with the small stem 1, 1/2 and 1/4."""
        found, maps = list[Tensor](), picture
        for name, layer in self.named_children():
            maps = layer(maps)
            maps = functional.max_pool2d(maps, 3, 2) if name in self.halved else maps
            found += [maps] if name in ENDS else []
        return found


def encoder(options: Inception, feature: Any, name: str) -> nn.Module:
    """Raises RecipeError for an option that does not fit."""
    pictures.check_dials(options.width, 1)
    made = pictures.Encoder(Network(options, feature.shape), feature.shape[0], options.dropout, pictures.HALF)
    return made
