"""MobileNet v3: narrow maps widened inside a block, looked at channel by channel (Howard et al. 2019), as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.parts.models import pictures

NAMES = ("mobilenet_v3_large", "mobilenet_v3_small", "mobilenet_v3")
# Blocks: kernel, inner channels, channels; w: channels are weighed, h: hard swish instead of ReLU, 2: sides are halved
LARGE = (
    "3 16 16 -, 3 64 24 2, 3 72 24 -, 5 72 40 w2, 5 120 40 w, 5 120 40 w, 3 240 80 h2, 3 200 80 h, 3 184 80 h, "
    "3 184 80 h, 3 480 112 wh, 3 672 112 wh, 5 672 160 wh2, 5 960 160 wh, 5 960 160 wh"
)
LITTLE = (
    "3 16 16 w2, 3 72 24 2, 3 88 24 -, 5 96 40 wh2, 5 240 40 wh, 5 240 40 wh, 5 120 48 wh, 5 144 48 wh, 5 288 96 wh2, "
    "5 576 96 wh, 5 576 96 wh"
)
ROWS = {NAMES[0]: LARGE, NAMES[1]: LITTLE, NAMES[2]: LARGE}
HIDDEN = {NAMES[0]: 1280, NAMES[1]: 1024, NAMES[2]: 1280}
FIRST, WIDER, LESS = 16, 6, 4  # channels of the stem; the last convolution's, in those before; a weigher's, in inner


@dataclass(frozen=True, kw_only=True)
class Mobilenet:
    """Options of the family."""

    width: float = 1.0  # times the published channels
    stem: str = "auto"  # large, small (the stem halves nothing), or auto: small below 64 pixels
    norm: str = "batch"  # batch, or group, which private training needs
    dropout: float = 0.2  # share left out before the answer while training


MODEL = Mobilenet
KINDS = ("image",)


class Weighed(nn.Module):
    """Every channel times a share that the means of all channels decide (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        less = pictures.scaled(channels, 1 / LESS)
        self.fc1, self.fc2 = nn.Conv2d(channels, less, 1), nn.Conv2d(less, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, h, w) -> the same."""
        means = maps.mean((2, 3), keepdim=True)
        return maps * functional.hardsigmoid(self.fc2(functional.relu(self.fc1(means))))


class Block(nn.Module):
    """(B, inputs, h, w) -> (B, outputs, h / stride, w / stride): widened, looked at, weighed, narrowed."""

    def __init__(self, inputs: int, told: str, options: Mobilenet) -> None:
        super().__init__()
        *sizes, marks = told.split()
        kernel, stride = int(sizes[0]), 2 if "2" in marks else 1
        inner, outputs = (pictures.scaled(int(size), options.width) for size in sizes[1:])
        between, norm = (nn.Hardswish() if "h" in marks else nn.ReLU()), options.norm
        parts: list[nn.Module] = [] if inner == inputs else [_convolved(inputs, inner, 1, 1, norm, between)]
        parts.append(_convolved(inner, inner, kernel, stride, norm, between, groups=inner))
        parts += [Weighed(inner)] if "w" in marks else []
        self.block = nn.Sequential(*parts, _convolved(inner, outputs, 1, 1, norm, None))
        self.added, self.width = stride == 1 and inputs == outputs, outputs

    def forward(self, maps: Tensor) -> Tensor:
        """What came in is added, where it has the same shape."""
        made: Tensor = self.block(maps)
        return made + maps if self.added else made


class Network(pictures.Body):
    """A stem, blocks, a wide convolution, the mean over places, a hidden layer."""

    def __init__(self, options: Mobilenet, name: str, shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, norm = pictures.scaled(FIRST, options.width), options.norm
        stride = 1 if pictures.is_small(options.stem, shape) else 2
        layers: list[nn.Module] = [_convolved(shape[0], channels, 3, stride, norm, nn.Hardswish())]
        ends, widths = list[int](), list[int]()
        for place, row in enumerate(ROWS[name].split(", ")):
            if row.endswith("2"):  # what comes before is the last map of its size
                ends, widths = [*ends, place], [*widths, channels]
            layers.append(block := Block(channels, row, options))
            channels = block.width
        layers.append(_convolved(channels, WIDER * channels, 1, 1, norm, nn.Hardswish()))
        self.features, self.ends = nn.Sequential(*layers), (*ends, len(layers) - 1)
        self.widths, self.width = (*widths, WIDER * channels), pictures.scaled(HIDDEN[name], options.width)
        self.classifier = nn.Sequential(nn.Linear(WIDER * channels, self.width), nn.Hardswish())
        pictures.start(self)

    def stages(self, picture: Tensor) -> list[Tensor]:
        """Maps before each halving and the last: 1/2 to 1/32 of the sides; twice as large with the small stem."""
        return pictures.passed(self.features, self.ends, picture)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, width)."""
        made: Tensor = self.classifier(torch.mean(self.features(picture), (2, 3)))
        return made


def encoder(options: Mobilenet, feature: Any, name: str) -> nn.Module:
    """Raises RecipeError for an option that does not fit."""
    pictures.check_dials(options.width, 1)
    return pictures.Encoder(Network(options, name, feature.shape), feature.shape[0], options.dropout)


def _convolved(
    inputs: int, outputs: int, kernel: int, stride: int, norm: str, between: nn.Module | None, groups: int = 1
) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    normed = nn.BatchNorm2d(outputs, eps=0.001) if norm == "batch" else pictures.norm(norm, outputs)
    return nn.Sequential(layer, normed, *([] if between is None else [between]))
