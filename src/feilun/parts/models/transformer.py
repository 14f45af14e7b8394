"""Transformer encoder over text and sequences (Vaswani et al. 2017), normalised before each part, mean at the end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from feilun.core.errors import RecipeError, not_one_of
from feilun.parts.models import depth, initial, stems

POSITIONS = ("learned", "sinusoidal")
HIDDEN = -1e9  # added to the attention of padding


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """Options of the family."""

    width: int = 128  # of every token's state
    depth: int = 2  # layers
    heads: int = 4  # of attention; they must divide width
    inner: int = 2  # width of the middle of each feed-forward part, in widths
    positions: str = "sinusoidal"  # learned or sinusoidal
    dropout: float = 0.2  # share left out while training
    drop_path: float = 0.0  # share of rows that go around the last layer's parts while training, falling to the first


MODEL = Transformer
KINDS = ("text", "sequence")


class Attention(nn.Module):
    """Every token looks at every token that is there."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        for layer in (self.query_key_value, self.join):
            initial.start(layer, "linear")

    def forward(self, state: Tensor, hidden: Tensor) -> Tensor:
        """state: (B, T, width); hidden: (B, 1, 1, T), added to the scores."""
        rows, tokens, width = state.shape
        parts = self.query_key_value(state).reshape(rows, tokens, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        scores = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads) + hidden
        looked = scores.softmax(-1) @ value  # (B, heads, T, width / heads)
        made: Tensor = self.join(looked.transpose(1, 2).reshape(rows, tokens, width))
        return made


class Layer(nn.Module):
    """Attention, then a feed-forward part, each added to what came in (norm first: Xiong et al. 2020)."""

    def __init__(self, options: Transformer, drop_path: float) -> None:
        super().__init__()
        inner = options.inner * options.width
        self.norms = nn.ModuleList(nn.LayerNorm(options.width) for _ in range(2))
        self.attention = Attention(options.width, options.heads)
        self.wide, self.narrow = nn.Linear(options.width, inner), nn.Linear(inner, options.width)
        initial.start(self.wide, "gelu")
        initial.start(self.narrow, "linear")
        self.dropout, self.drop_path = nn.Dropout(options.dropout), depth.DropPath(drop_path)

    def forward(self, state: Tensor, hidden: Tensor) -> Tensor:
        """(B, T, width) -> the same."""
        state = state + self.drop_path(self.dropout(self.attention(self.norms[0](state), hidden)))
        inner = nn.functional.gelu(self.wide(self.norms[1](state)))
        made: Tensor = state + self.drop_path(self.dropout(self.narrow(inner)))
        return made


class Encoder(nn.Module):
    """Tokens int64 (B, T), or steps float (B, T, channels), and lengths -> (B, width)."""

    def __init__(self, options: Transformer, feature: Any) -> None:
        super().__init__()
        self.vectors = stems.steps(feature, options.width)
        longest = int(feature.max_length)
        places = _sinusoids(longest, options.width)
        self.places = nn.Embedding(longest, options.width)
        with torch.no_grad():
            self.places.weight.copy_(places * options.width**-0.5)
        self.places.weight.requires_grad_(options.positions == "learned")
        shares = depth.rising(options.drop_path, options.depth)
        self.layers = nn.ModuleList(Layer(options, share) for share in shares)
        self.norm = nn.LayerNorm(options.width)
        self.dropout = nn.Dropout(options.dropout)
        self.width = self.states_width = options.width

    def forward(self, tokens: Tensor, length: Tensor) -> Tensor:
        """Padding may be of any length up to the longest text."""
        mask = stems.present(tokens, length)
        seen = self.states(tokens, length) * mask.unsqueeze(-1)
        made: Tensor = self.dropout(seen.sum(1) / mask.sum(1, keepdim=True).clamp(min=1))
        return made

    def states(self, tokens: Tensor, length: Tensor) -> Tensor:
        """(B, T, states_width): what is known at every place; padding holds anything."""
        mask = stems.present(tokens, length)
        # One row of positions per row of tokens: a shared (1, T) would make gradients per example silently wrong.
        places = torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0).expand(tokens.shape[:2])
        state = self.dropout(self.vectors(tokens) + self.places(places))
        hidden = ((1 - mask) * HIDDEN).unsqueeze(1).unsqueeze(1)
        for layer in self.layers:
            state = layer(state, hidden)
        made: Tensor = self.norm(state)
        return made


def encoder(options: Transformer, feature: Any) -> nn.Module:
    """Raises RecipeError for options that do not fit."""
    if options.positions not in POSITIONS:
        raise not_one_of("model.positions", options.positions, POSITIONS)
    if options.width % options.heads:
        raise RecipeError(
            f"model.width {options.width} does not divide by model.heads {options.heads}.",
            where="model.heads",
            expected=f"a divisor of {options.width}",
            got=str(options.heads),
            fix="heads: 4",
        )
    if not 0 <= options.drop_path < 1:
        raise RecipeError(
            f"model.drop_path is {options.drop_path}; expected a share from 0 to below 1, such as 0.1.",
            where="model.drop_path",
            expected="a share, 0 or more and below 1",
            got=str(options.drop_path),
            fix="drop_path: 0.1",
        )
    return Encoder(options, feature)


def _sinusoids(places: int, width: int) -> Tensor:
    """(places, width): sines in the first half, cosines in the second, wavelengths from 2π to 20,000π."""
    rates = torch.exp(-math.log(10_000) * torch.arange(0, width, 2) / width)
    angles = torch.arange(places).unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]
