"""ViT: a picture as a row of patches, read by a Transformer encoder (Dosovitskiy et al. 2021), as published."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.core.errors import RecipeError, not_one_of
from feilun.parts.models import depth as stochastic
from feilun.parts.models import pictures

SIZES = {  # width, layers, heads: 5.7, 22, 87 and 304 million numbers of 224 pixels with patches of 16
    "tiny": (192, 12, 3),
    "small": (384, 12, 6),
    "base": (768, 12, 12),
    "large": (1024, 24, 16),
}
PATCHES = 14  # a side, if the patch is left open; pictures below 64 pixels get half as many
INNER = 4  # times the width, in the middle of each feed-forward part
EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True)
class Vit:
    """Options of the family. size decides about width, depth and heads, where these are left out."""

    size: str = "tiny"  # tiny, small, base or large
    width: int = 0  # of every patch's state
    depth: int = 0  # layers
    heads: int = 0  # of attention; they must divide width
    patch: int = 0  # pixels of a side; left out, so many that 14 make a side, of small pictures 7
    dropout: float = 0.0  # share left out while training
    drop_path: float = 0.0  # share of rows that go around the last layer's parts while training, falling to the first


MODEL = Vit
KINDS = ("image",)


class Layer(nn.Module):
    """Every patch looks at every other, then a feed-forward part; each reads what is normed, and is added."""

    def __init__(self, width: int, heads: int, dropout: float, share: float) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width, eps=EPSILON)
        self.self_attention = nn.MultiheadAttention(width, heads)  # holds the weights under their published names
        self.ln_2 = nn.LayerNorm(width, eps=EPSILON)
        wide, narrow = nn.Linear(width, INNER * width), nn.Linear(INNER * width, width)
        self.mlp = nn.Sequential(wide, nn.GELU(), nn.Dropout(dropout), narrow, nn.Dropout(dropout))
        self.dropout, self.drop_path = nn.Dropout(dropout), stochastic.DropPath(share)

    def forward(self, state: Tensor) -> Tensor:
        """(B, T, width) -> the same."""
        state = state + self.drop_path(self.dropout(self._looked(self.ln_1(state))))
        made: Tensor = state + self.drop_path(self.mlp(self.ln_2(state)))
        return made

    def _looked(self, state: Tensor) -> Tensor:
        rows, places, width = state.shape
        held = self.self_attention
        all_three = functional.linear(state, held.in_proj_weight, held.in_proj_bias)
        parts = all_three.reshape(rows, places, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        seen = functional.scaled_dot_product_attention(query, key, value)
        made = seen.transpose(1, 2).reshape(rows, places, width)
        return functional.linear(made, held.out_proj.weight, held.out_proj.bias)


class Network(pictures.Body):
    """Patches, a token that gathers the answer, layers, a norm."""

    def __init__(self, options: Vit, shape: tuple[int, int, int]) -> None:
        super().__init__()
        width, layers, heads = (getattr(options, name) or value for name, value in _sizes(options).items())
        patch = options.patch or max(1, min(shape[1:]) // (PATCHES // (2 if min(shape[1:]) < pictures.SMALL else 1)))
        self.grid = (shape[1] // patch, shape[2] // patch)
        self.conv_proj = nn.Conv2d(shape[0], width, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder = nn.Module()
        self.encoder.pos_embedding = nn.Parameter(torch.empty(1, math.prod(self.grid) + 1, width).normal_(std=0.02))
        self.encoder.dropout = nn.Dropout(options.dropout)
        shares = stochastic.rising(options.drop_path, layers)
        self.encoder.layers = nn.Sequential()
        for number, share in enumerate(shares):
            self.encoder.layers.add_module(f"encoder_layer_{number}", Layer(width, heads, options.dropout, share))
        self.encoder.ln = nn.LayerNorm(width, eps=EPSILON)
        self.widths, self.width = (width,), width
        _start(self)

    def stages(self, picture: Tensor) -> list[Tensor]:
        """One map: the states of the patches."""
        states = self._states(picture)[:, 1:]
        return [states.transpose(1, 2).reshape(-1, self.width, *self.grid)]

    def forward(self, picture: Tensor) -> Tensor:
        """(B, width): the state of the gathering token."""
        return self._states(picture)[:, 0]

    def _states(self, picture: Tensor) -> Tensor:
        patches = self.conv_proj(picture).flatten(2).transpose(1, 2)
        state = torch.cat([self.class_token.expand(len(patches), -1, -1), patches], 1)
        coded: Any = self.encoder
        made: Tensor = coded.ln(coded.layers(coded.dropout(state + coded.pos_embedding)))
        return made


def encoder(options: Vit, feature: Any) -> nn.Module:
    """Raises RecipeError for an option that does not fit."""
    sizes = {name: getattr(options, name) or value for name, value in _sizes(options).items()}
    if sizes["width"] % sizes["heads"]:
        raise RecipeError(
            f"model.width {sizes['width']} does not divide by model.heads {sizes['heads']}.",
            where="model.heads",
            expected=f"a divisor of {sizes['width']}",
            got=str(sizes["heads"]),
            fix="leave heads out",
        )
    if options.patch < 0 or options.patch > min(feature.shape[1:]):
        raise RecipeError(
            f"model.patch is {options.patch}; the pictures have {feature.shape[1]} x {feature.shape[2]} pixels.",
            where="model.patch",
            expected=f"1 to {min(feature.shape[1:])}",
            got=str(options.patch),
            fix="leave patch out",
        )
    return pictures.Encoder(Network(options, feature.shape), feature.shape[0], 0.0, pictures.HALF)


def _sizes(options: Vit) -> dict[str, int]:
    if options.size not in SIZES:
        raise not_one_of("model.size", options.size, SIZES)
    return dict(zip(("width", "depth", "heads"), SIZES[options.size], strict=True))


def _start(network: nn.Module) -> None:
    for name, weight in network.named_parameters():
        if weight.ndim >= 2 and "embedding" not in name and "token" not in name:
            nn.init.trunc_normal_(weight, std=0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(weight)
