"""ResNet: blocks of convolutions that add to what came in (He et al. 2016), under their published names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from feilun.parts.models import depth as stochastic
from feilun.parts.models import pictures

NAMES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
BLOCKS = dict(zip(NAMES, ((2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)), strict=True))
PLAIN = NAMES[:2]  # two convolutions a block; the others have three, the middle one narrow
WIDER = 4  # times the narrow one that comes out of such a block
FIRST = 64  # channels


@dataclass(frozen=True, kw_only=True)
class Resnet:
    """Options of the family."""

    width: float = 1.0  # times the published channels
    depth: float = 1.0  # times the published blocks
    stem: str = "auto"  # large, small (nothing is halved before the blocks), or auto: small below 64 pixels
    norm: str = "batch"  # batch, or group, which private training needs
    dropout: float = 0.0  # share left out before the answer while training
    drop_path: float = 0.0  # share of rows that go around the last block while training, falling to the first


MODEL = Resnet
KINDS = ("image",)


class Block(nn.Module):
    """(B, inputs, h, w) -> (B, outputs, h / stride, w / stride)."""

    def __init__(self, inputs: int, narrow: int, stride: int, options: Resnet, *, plain: bool, share: float) -> None:
        super().__init__()
        outputs, norm = narrow * (1 if plain else WIDER), options.norm
        sizes = [(inputs, narrow, 3, stride), (narrow, narrow, 3, 1)]
        if not plain:
            sizes = [(inputs, narrow, 1, 1), (narrow, narrow, 3, stride), (narrow, outputs, 1, 1)]
        self.count = len(sizes)
        for number, (into, out, kernel, step) in enumerate(sizes, 1):
            self.add_module(f"conv{number}", nn.Conv2d(into, out, kernel, step, kernel // 2, bias=False))
            self.add_module(f"bn{number}", pictures.norm(norm, out))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), pictures.norm(norm, outputs)
            )
        self.drop_path = stochastic.DropPath(share)

    def forward(self, maps: Tensor) -> Tensor:
        """ReLU between, and after the sum."""
        made = maps
        for number in range(1, self.count + 1):
            made = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(made))
            made = functional.relu(made) if number < self.count else made
        before = maps if self.downsample is None else self.downsample(maps)
        return functional.relu(before + self.drop_path(made))


class Network(pictures.Body):
    """A stem, four stages of blocks, the mean over places."""

    def __init__(self, options: Resnet, name: str, shape: tuple[int, int, int]) -> None:
        super().__init__()
        plain, small = name in PLAIN, pictures.is_small(options.stem, shape)
        counts = [pictures.repeated(count, options.depth) for count in BLOCKS[name]]
        shares, channels = stochastic.rising(options.drop_path, sum(counts)), pictures.scaled(FIRST, options.width)
        self.conv1 = nn.Conv2d(shape[0], channels, 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False)
        self.bn1 = pictures.norm(options.norm, channels)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        widths = [channels]
        for stage, count in enumerate(counts):
            narrow, blocks = pictures.scaled(FIRST * 2**stage, options.width), []
            for place in range(count):
                stride = 2 if stage and not place else 1
                blocks.append(Block(channels, narrow, stride, options, plain=plain, share=shares.pop(0)))
                channels = narrow * (1 if plain else WIDER)
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            widths.append(channels)
        self.widths, self.width = tuple(widths), channels
        pictures.start(self)

    def stages(self, picture: Tensor) -> list[Tensor]:
        """Five maps: behind the stem, 1/2 of the sides, then behind each stage, 1/4 to 1/32; twice as large with the
        small stem, whose first two are equally large."""
        found = [functional.relu(self.bn1(self.conv1(picture)))]
        maps = self.maxpool(found[0])
        for stage in range(1, 5):
            maps = self.get_submodule(f"layer{stage}")(maps)
            found.append(maps)
        return found


def encoder(options: Resnet, feature: Any, name: str) -> nn.Module:
    """Raises RecipeError for an option that does not fit."""
    pictures.check_dials(options.width, options.depth)
    return pictures.Encoder(Network(options, name, feature.shape), feature.shape[0], options.dropout)
