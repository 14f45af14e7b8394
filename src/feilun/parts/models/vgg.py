"""VGG: 3 x 3 convolutions, deeper and deeper, then two wide layers (Simonyan & Zisserman 2015), as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from feilun.core.errors import not_one_of
from feilun.parts.models import pictures

NAMES = ("vgg11", "vgg13", "vgg16", "vgg19")
CONVOLUTIONS = dict(
    zip(NAMES, ((1, 1, 2, 2, 2), (2, 2, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)), strict=True)
)  # of each of five stages
CHANNELS = (64, 128, 256, 512, 512)
HIDDEN, GRID = 4096, 7
SMALLEST = 2  # pixels of a side that are still halved


@dataclass(frozen=True, kw_only=True)
class Vgg:
    """Options of the family."""

    width: float = 1.0  # times the published channels and hidden units
    depth: float = 1.0  # times the published convolutions of each stage
    stem: str = (
        "auto"  # large: a grid of 7 x 7 goes into the hidden layers; small: the mean; auto: small below 64 pixels
    )
    norm: str = "none"  # none, batch (published as vgg16_bn) or group
    dropout: float = 0.5  # share left out of each hidden layer while training


MODEL = Vgg
KINDS = ("image",)


class Network(pictures.Body):
    """Five stages of convolutions and pooling, then hidden layers."""

    def __init__(self, options: Vgg, name: str, shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, size, layers, ends = shape[0], min(shape[1:]), list[nn.Module](), []
        for count, wide in zip(CONVOLUTIONS[name], CHANNELS, strict=True):
            for _ in range(pictures.repeated(count, options.depth)):
                outputs = pictures.scaled(wide, options.width)
                layers.append(nn.Conv2d(channels, outputs, 3, padding=1))
                layers += [] if options.norm == "none" else [pictures.norm(options.norm, outputs)]
                layers.append(nn.ReLU())
                channels = outputs
            layers.append(nn.MaxPool2d(2) if size >= SMALLEST else nn.Identity())
            size = max(1, size // 2)
            ends.append((len(layers) - 1, channels))
        self.features = nn.Sequential(*layers)
        self.ends, self.widths = tuple(end for end, _ in ends), tuple(wide for _, wide in ends)
        grid = 1 if pictures.is_small(options.stem, shape) else GRID
        self.pool, self.width = pictures.Pooled(grid), pictures.scaled(HIDDEN, options.width)
        sizes = (channels * grid**2, self.width, self.width)
        self.classifier = pictures.hidden(sizes, options.dropout, dropped_first=False)
        pictures.start(self)

    def stages(self, picture: Tensor) -> list[Tensor]:
        """Five maps: 1/2 to 1/32 of the sides."""
        return pictures.passed(self.features, self.ends, picture)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, width)."""
        made: Tensor = self.classifier(self.pool(self.features(picture)).flatten(1))
        return made


def encoder(options: Vgg, feature: Any, name: str) -> nn.Module:
    """Raises RecipeError for an option that does not fit."""
    pictures.check_dials(options.width, options.depth)
    if options.norm not in ("none", *pictures.NORMS):
        raise not_one_of("model.norm", options.norm, ("none", *pictures.NORMS))
    return pictures.Encoder(Network(options, name, feature.shape), feature.shape[0], 0.0)
