"""EfficientNet-Lite0: MobileNet's blocks, sized by search (Tan & Le 2019; Lite: Liu 2020), as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from feilun.parts.models import depth as stochastic
from feilun.parts.models import pictures

NAMES = ("efficientnet_lite0",)
ROWS = (  # blocks, kernel, stride, times wider inside, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
FIRST, LAST = 32, 1280  # channels of the stem and of the last convolution, whatever the width


@dataclass(frozen=True, kw_only=True)
class Efficientnet:
    """Options of the family. The published Lite1 to Lite4 are width and depth 1.0 and 1.1, 1.1 and 1.2, 1.2 and 1.4,
    1.4 and 1.8."""

    width: float = 1.0  # times the published channels
    depth: float = 1.0  # times the published blocks, but of the first and the last kind
    stem: str = "auto"  # large, small (the stem halves nothing), or auto: small below 64 pixels
    norm: str = "batch"  # batch, or group, which private training needs
    dropout: float = 0.2  # share left out before the answer while training
    drop_path: float = 0.0  # share of rows that go around the last block while training, falling to the first


MODEL = Efficientnet
KINDS = ("image",)


class Padded(nn.Conv2d):
    """A convolution whose outcome has ceil(side / stride) pixels; of an odd number of zeros more stand behind, as in
    the framework that it was published for."""

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, ceil(h / stride), ceil(w / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        zeros = []
        for size in (maps.shape[3], maps.shape[2]):
            more = max(0, (-(-int(size) // stride) - 1) * stride + kernel - int(size))
            zeros += [more // 2, more - more // 2]
        return super().forward(functional.pad(maps, zeros) if any(zeros) else maps)


class Block(nn.Module):
    """(B, inputs, h, w) -> (B, outputs, h / stride, w / stride): widened, looked at channel by channel, narrowed."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, times: int, norm: str, share: float
    ) -> None:
        super().__init__()
        inner = inputs * times
        self.expand_conv = nn.Conv2d(inputs, inner, 1, bias=False) if times > 1 else None
        self.bn0 = _norm(norm, inner) if times > 1 else None
        self.depthwise_conv = Padded(inner, inner, kernel, stride, groups=inner, bias=False)
        self.bn1 = _norm(norm, inner)
        self.project_conv = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn2 = _norm(norm, outputs)
        self.added, self.drop_path = stride == 1 and inputs == outputs, stochastic.DropPath(share)

    def forward(self, maps: Tensor) -> Tensor:
        """What came in is added, where it has the same shape."""
        made = maps
        if self.expand_conv is not None and self.bn0 is not None:
            made = functional.relu6(self.bn0(self.expand_conv(made)))
        made = functional.relu6(self.bn1(self.depthwise_conv(made)))
        made = self.bn2(self.project_conv(made))
        both: Tensor = maps + self.drop_path(made) if self.added else made
        return both


class Network(pictures.Body):
    """A stem, blocks, a wide convolution, the mean over places."""

    def __init__(self, options: Efficientnet, shape: tuple[int, int, int]) -> None:
        super().__init__()
        norm, small = options.norm, pictures.is_small(options.stem, shape)
        self.conv_stem = Padded(shape[0], FIRST, 3, 1 if small else 2, bias=False)
        self.bn0 = _norm(norm, FIRST)
        inner = [count for count, *_ in ROWS]
        counts = [inner[0], *(pictures.repeated(count, options.depth) for count in inner[1:-1]), inner[-1]]
        shares, channels = stochastic.rising(options.drop_path, sum(counts)), FIRST
        blocks, ends, widths = list[nn.Module](), list[int](), list[int]()
        for count, (_, kernel, stride, times, wide) in zip(counts, ROWS, strict=True):
            if stride == 2:  # what comes before is the last map of its size
                ends, widths = [*ends, len(blocks) - 1], [*widths, channels]
            outputs = pictures.scaled(wide, options.width)
            for place in range(count):
                step = 1 if place else stride
                blocks.append(Block(channels, outputs, kernel, step, times, norm, shares[len(blocks)]))
                channels = outputs
        self.blocks, self.ends = nn.ModuleList(blocks), tuple(ends)
        self.conv_head = nn.Conv2d(channels, LAST, 1, bias=False)
        self.bn1 = _norm(norm, LAST)
        self.widths, self.width = (*widths, LAST), LAST
        pictures.start(self)

    def stages(self, picture: Tensor) -> list[Tensor]:
        """Maps before each halving and the last: 1/2 to 1/32 of the sides; twice as large with the small stem."""
        found, maps = list[Tensor](), functional.relu6(self.bn0(self.conv_stem(picture)))
        for place, block in enumerate(self.blocks):
            maps = block(maps)
            found += [maps] if place in self.ends else []
        return [*found, functional.relu6(self.bn1(self.conv_head(maps)))]


def encoder(options: Efficientnet, feature: Any, name: str) -> nn.Module:
    """Raises RecipeError for an option that does not fit."""
    pictures.check_dials(options.width, options.depth)
    made = Network(options, feature.shape)
    return pictures.Encoder(made, feature.shape[0], options.dropout, pictures.HALF)


def _norm(kind: str, channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=0.001) if kind == "batch" else pictures.norm(kind, channels)
