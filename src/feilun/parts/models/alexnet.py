"""AlexNet: five convolutions and two wide layers (Krizhevsky 2014), under their published names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from feilun.parts.models import pictures

CONVOLUTIONS = ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1))
# ^ channels, kernel, stride, padding
POOLED = (0, 1, 4)  # the convolutions behind which sides are halved
SMALL = (64, 5, 1, 2)  # the first one for small pictures
HIDDEN, GRID = 4096, 6


@dataclass(frozen=True, kw_only=True)
class Alexnet:
    """Options of the family."""

    width: float = 1.0  # times the published channels and hidden units
    stem: str = "auto"  # large, small (nothing is skipped), or auto: small below 64 pixels
    dropout: float = 0.5  # share left out before each hidden layer while training


MODEL = Alexnet
KINDS = ("image",)


class Network(pictures.Body):
    """Convolutions, then hidden layers."""

    def __init__(self, options: Alexnet, shape: tuple[int, int, int]) -> None:
        super().__init__()
        small, channels = pictures.is_small(options.stem, shape), shape[0]
        layers, widths, ends = list[nn.Module](), list[int](), list[int]()
        for number, published in enumerate(CONVOLUTIONS):
            wide, kernel, stride, padding = SMALL if small and not number else published
            outputs = pictures.scaled(wide, options.width)
            layers += [nn.Conv2d(channels, outputs, kernel, stride, padding), nn.ReLU()]
            if number in POOLED:
                layers.append(nn.MaxPool2d(3, 2, 1 if small else 0))
                widths.append(outputs)
                ends.append(len(layers) - 1)
            channels = outputs
        self.features, self.widths, self.ends = nn.Sequential(*layers), tuple(widths), tuple(ends)
        grid, self.width = 2 if small else GRID, pictures.scaled(HIDDEN, options.width)
        self.pool = pictures.Pooled(grid)
        sizes = (channels * grid**2, self.width, self.width)
        self.classifier = pictures.hidden(sizes, options.dropout, dropped_first=True)
        pictures.start(self)

    def stages(self, picture: Tensor) -> list[Tensor]:
        """Three maps: 1/8, 1/16 and 1/32 of the sides; with the small stem 1/2, 1/4 and 1/8."""
        return pictures.passed(self.features, self.ends, picture)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, width)."""
        made: Tensor = self.classifier(self.pool(self.features(picture)).flatten(1))
        return made


def encoder(options: Alexnet, feature: Any) -> nn.Module:
    """Raises RecipeError for an option that does not fit."""
    pictures.check_dials(options.width, 1)
    return pictures.Encoder(Network(options, feature.shape), feature.shape[0], 0.0)
