"""CNN: blocks of 3 x 3 convolutions and pooling over pictures, then what is left as one vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from feilun.core.errors import RecipeError, not_one_of
from feilun.parts.models import initial
from feilun.parts.ops import fused_convolution

POOLING: dict[str, type[nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
KERNEL, POOL = 3, 2
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
    padding: int = 1  # zeros around every map; 0: each convolution makes it two pixels smaller
    hidden: int = 0  # a dense layer so wide, with ReLU, between maps and answer; 0: none
    dropout: float = 0.3  # share left out before the answer while training
    pooling: str = "max"  # max or average
    norm: str = "batch"  # batch, group (does not mix rows, as private training needs) or none


MODEL = Cnn
KINDS = ("image",)


class Layers(nn.Sequential):
    """One after the other; convolution, pooling and ReLU in one step where that is faster and nobody looks between."""

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, height, width) -> the same with other sizes."""
        parts, place = list(self), 0
        while place < len(parts):
            step = _step(parts[place : place + 3])
            if step is None:
                maps = parts[place](maps)
                place += 1
            else:
                layer, pooling = step
                weight, bias, padding = layer.weight, layer.bias, int(layer.padding[0])
                maps = fused_convolution.convolved(maps, weight, bias, padding=padding, pool=POOL, pooling=pooling)
                place += 3
        return maps


class Encoder(nn.Module):
    """(B, channels, height, width) in [0, 1] -> (B, width)."""

    def __init__(self, options: Cnn, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.layers = Layers(*_blocks(options, shape))
        self.around_zero = options.norm != "none"
        with torch.no_grad():
            sizes = self.layers.eval()(torch.zeros(1, *shape)).shape[1:]
        self.train()
        self.mean = not options.hidden and sizes.numel() > MOST_LEFT
        self.width = sizes[0] if self.mean else sizes.numel()
        self.dense: nn.Module = nn.Identity()
        if options.hidden:
            layer = nn.Linear(self.width, options.hidden)
            initial.start(layer, "relu")
            self.dense, self.width = nn.Sequential(layer, nn.ReLU()), options.hidden
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, picture: Tensor, length: Tensor | None = None) -> Tensor:
        """Maps, one vector. Pixels are moved to [-1, 1] where a norm follows; without one a dark background would
        drive every unit.
        """
        maps = self.layers(picture * 2 - 1 if self.around_zero else picture)
        made: Tensor = self.dropout(self.dense(maps.mean((2, 3)) if self.mean else maps.flatten(1)))
        return made


def encoder(options: Cnn, feature: Any) -> nn.Module:
    """Raises RecipeError for an option that does not fit."""
    for name, value, known in (
        ("pooling", options.pooling, tuple(POOLING)),
        ("norm", options.norm, ("batch", "group", "none")),
        ("padding", options.padding, (0, 1)),
    ):
        if value not in known:
            raise not_one_of(f"model.{name}", value, known)
    return Encoder(options, feature.shape)


def _blocks(options: Cnn, shape: tuple[int, int, int]) -> list[nn.Module]:
    """Raises RecipeError where the picture is too small for so many convolutions without padding."""
    channels, size, parts = shape[0], min(shape[1:]), list[nn.Module]()
    for block in range(options.depth):
        wide = options.width * 2**block
        for number in range(options.convolutions):
            layer = nn.Conv2d(channels, wide, KERNEL, padding=options.padding, bias=options.norm == "none")
            initial.start(layer, "relu")
            last = number == options.convolutions - 1
            size += 2 * options.padding - KERNEL + 1
            pool = [POOLING[options.pooling](POOL)] if last and size >= SMALLEST else []
            # A maximum is taken before ReLU: equal, and ReLU then reads a quarter.
            after = [*pool, nn.ReLU()] if options.pooling == "max" else [nn.ReLU(), *pool]
            parts += [layer, *_norm(options.norm, wide), *after]
            channels, size = wide, size // POOL if pool else size
    if size < 1:
        raise RecipeError(
            f"Nothing is left of a picture of {shape[1]} x {shape[2]} after {options.depth} blocks without padding.",
            where="model.padding",
            expected="fewer convolutions, or padding: 1",
            got=str(options.padding),
            fix="padding: 1",
        )
    return parts


def _step(parts: list[nn.Module]) -> tuple[nn.Conv2d, str] | None:
    """Convolution and kind of pooling, where these three are one step that the kernel is good at."""
    layer, *rest = parts
    kinds = {(nn.MaxPool2d, nn.ReLU): "max", (nn.ReLU, nn.AvgPool2d): "average"}
    pooling = kinds.get(tuple(type(one) for one in rest))  # type: ignore[arg-type]
    if pooling is None or type(layer) is not nn.Conv2d or layer.bias is None or any(map(_is_watched, parts)):
        return None
    return (layer, pooling) if fused_convolution.pays(layer.in_channels, pooling) else None


def _is_watched(module: nn.Module) -> bool:
    """Whether somebody hangs on its inputs, outputs or gradients, or put something else in its place."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return any(hooks) or "forward" in module.__dict__


def _norm(kind: str, channels: int) -> list[nn.Module]:
    if kind == "batch":
        return [nn.BatchNorm2d(channels)]
    if kind == "group":
        return [nn.GroupNorm(max(g for g in (8, 4, 2, 1) if channels % g == 0), channels)]
    return []
