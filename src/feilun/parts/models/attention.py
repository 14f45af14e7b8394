"""Layers of Transformers: attention to what came before or to another text, feed-forward parts, norms, positions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.core.errors import RecipeError, not_one_of
from feilun.parts.models import depth as stochastic

NORMS, ACTIVATIONS, POSITIONS = ("rms", "layer"), ("swiglu", "gelu"), ("rotary", "learned")
ROTATION = 10_000.0  # the longest wavelength of rotary positions, over 2 pi
START_DEVIATION = 0.02  # of weights (GPT-2: Radford et al. 2019)

Memory = tuple[Tensor, Tensor]  # keys and values


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """What every layer of one network shares."""

    width: int
    heads: int
    groups: int  # heads of keys and values, each read by heads / groups heads of queries (Ainslie et al. 2023)
    inner: int  # numbers in the middle of a feed-forward part
    norm: str
    activation: str
    rotary: bool
    dropout: float

    @property
    def head(self) -> int:
        """Numbers of one head."""
        return self.width // self.heads


def check(sizes: Sizes) -> None:
    """Raises RecipeError for sizes that do not fit each other."""
    if sizes.norm not in NORMS:
        raise not_one_of("model.norm", sizes.norm, NORMS)
    if sizes.activation not in ACTIVATIONS:
        raise not_one_of("model.activation", sizes.activation, ACTIVATIONS)
    _divides("heads", sizes.heads, "width", sizes.width)
    _divides("groups", sizes.groups, "heads", sizes.heads)
    if sizes.rotary and sizes.head % 2:
        raise RecipeError(
            f"Rotary positions turn pairs of numbers; model.width / model.heads is {sizes.head}, an odd number.",
            where="model.heads",
            expected="an even number per head",
            got=str(sizes.head),
            fix="positions: learned, or another width",
        )


def sizes_of(options: Any, *, rotary: bool) -> Sizes:
    """Of a family's options: width, heads, groups, inner, norm, activation, dropout. Raises RecipeError."""
    share = 2 / 3 if options.activation == "swiglu" else 1.0  # three matrices instead of two, as many numbers
    sizes = Sizes(
        width=options.width,
        heads=options.heads,
        groups=options.groups or options.heads,
        inner=max(8, round(options.inner * options.width * share / 8) * 8),
        norm=options.norm,
        activation=options.activation,
        rotary=rotary,
        dropout=options.dropout,
    )
    check(sizes)
    return sizes


def counted(tokens: Tensor) -> Tensor:
    """int64 (B, T): 0, 1, 2, … in every row, not shared, or gradients per example would be silently wrong."""
    return torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0).expand(tokens.shape)


def norm(sizes: Sizes) -> nn.Module:
    """Over the last axis: mean and deviation (Ba et al. 2016), or the root of the mean square alone (Zhang 2019)."""
    return RootMeanSquare(sizes.width) if sizes.norm == "rms" else nn.LayerNorm(sizes.width)


class RootMeanSquare(nn.Module):
    """x / sqrt(mean x² + 1e-6), times a learnt scale; torch's own has no form in ONNX."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, state: Tensor) -> Tensor:
        """(..., width) -> the same."""
        return state / torch.sqrt(state.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight  # onnxruntime makes it one


class FeedForward(nn.Module):
    """Each place for itself: two matrices with GELU between, or three with a gate (SwiGLU: Shazeer 2020)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.gated = sizes.activation == "swiglu"
        self.wide = nn.Linear(sizes.width, sizes.inner * (2 if self.gated else 1), bias=False)
        self.narrow = nn.Linear(sizes.inner, sizes.width, bias=False)

    def forward(self, state: Tensor) -> Tensor:
        """(B, T, width) -> the same."""
        inner = self.wide(state)
        if self.gated:
            gate, value = inner.split(self.narrow.in_features, -1)
            made: Tensor = self.narrow(functional.silu(gate) * value)
            return made
        made = self.narrow(functional.gelu(inner))
        return made


class Attention(nn.Module):
    """Queries of one text over keys and values of the same text, or of another."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads, self.groups, self.head = sizes.heads, sizes.groups, sizes.head
        self.query = nn.Linear(sizes.width, sizes.width, bias=False)
        self.key_value = nn.Linear(sizes.width, 2 * sizes.groups * sizes.head, bias=False)
        self.join = nn.Linear(sizes.width, sizes.width, bias=False)

    def remembered(self, state: Tensor, turn: Tensor | None = None) -> Memory:
        """Keys and values, each (B, groups, T, head), of (B, T, width). turn: rotations of these places."""
        key, value = (self._in_heads(part) for part in self.key_value(state).split(self.groups * self.head, -1))
        return key if turn is None else rotated(key, turn, self.head // 2), value

    def forward(
        self,
        state: Tensor,
        memory: Memory,
        mask: Tensor | None,
        turn: Tensor | None = None,
        past: Memory | None = None,
    ) -> Tensor:
        """state (B, T, width), memory (B, groups, K, head) twice -> (B, T, width).

        mask: float, added to the scores, (B, 1, T, K); None: each place sees itself and those before it, and K is T.
        past: keys and values (B, groups, P, head) of the places before; the mask is then (B, 1, T, P + K).
        """
        query = self._in_heads(self.query(state))
        query = query if turn is None else rotated(query, turn, self.head // 2)
        key, value = memory
        if past is not None:
            seen = self._over_both(query, past, memory, mask)
        else:
            if self.groups != self.heads:
                times = self.heads // self.groups
                key, value = (_repeated(part, times) for part in (key, value))
            seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None)
        seen = seen.transpose(1, 2)
        made: Tensor = self.join(seen.reshape(seen.shape[0], seen.shape[1], self.heads * self.head))
        return made

    def _in_heads(self, state: Tensor) -> Tensor:
        """(B, T, heads x head) -> (B, heads, T, head)."""
        return state.reshape(state.shape[0], state.shape[1], -1, self.head).transpose(1, 2)

    def _over_both(self, query: Tensor, past: Memory, fresh: Memory, mask: Tensor | None) -> Tensor:
        """Over what was before and what is new, (B, heads, T, head), without laying them end to end: copying what is
        remembered took longer than all else where eight rows are written."""
        rows, _, tokens, _ = query.shape
        times = self.heads // self.groups
        asked = query * self.head**-0.5
        asked = asked if times == 1 else asked.reshape(rows, self.groups, times * tokens, self.head)
        scores = torch.cat([asked @ key.transpose(2, 3) for key, _ in (past, fresh)], -1)
        scores = scores if times == 1 else scores.reshape(rows, self.heads, tokens, -1)
        shares = (scores if mask is None else scores + mask).softmax(-1)
        shares = shares if times == 1 else shares.reshape(rows, self.groups, times * tokens, -1)
        before = past[0].shape[2]
        seen = shares[..., :before] @ past[1] + shares[..., before:] @ fresh[1]
        return seen if times == 1 else seen.reshape(rows, self.heads, tokens, self.head)


class Block(nn.Module):
    """Attention to what came before, then, if there is another text, to that, then a feed-forward part; norm first."""

    def __init__(self, sizes: Sizes, drop_path: float, *, crossed: bool = False) -> None:
        super().__init__()
        self.norms = nn.ModuleList(norm(sizes) for _ in range(3 if crossed else 2))
        self.attention = Attention(sizes)
        self.cross = Attention(sizes) if crossed else None
        self.feed_forward = FeedForward(sizes)
        self.dropout, self.drop_path = nn.Dropout(sizes.dropout), stochastic.DropPath(drop_path)

    def forward(
        self,
        state: Tensor,
        mask: Tensor | None,
        turn: Tensor | None,
        past: Memory | None = None,
        other: tuple[Memory, Tensor] | None = None,
    ) -> tuple[Tensor, Memory]:
        """((B, T, width), keys and values of these places, to be remembered).

        past: those of the places before.  other: keys and values of another text, and their mask.
        """
        first = self.norms[0](state)
        fresh = self.attention.remembered(first, turn)
        state = state + self.drop_path(self.dropout(self.attention(first, fresh, mask, turn, past)))
        if self.cross is not None and other is not None:
            seen = self.cross(self.norms[1](state), other[0], other[1])
            state = state + self.drop_path(self.dropout(seen))
        made = state + self.drop_path(self.dropout(self.feed_forward(self.norms[-1](state))))
        return made, fresh


def start(network: nn.Module, layers: int) -> None:
    """Normal with deviation 0.02; what is added to the state 1 / sqrt(2 layers) of that, so that sums keep their size
    (Radford et al. 2019)."""
    for name, weight in network.named_parameters():
        if weight.ndim >= 2:
            added = name.endswith(("join.weight", "narrow.weight"))
            nn.init.normal_(weight, std=START_DEVIATION / math.sqrt(2 * layers) if added else START_DEVIATION)


def turns(places: Tensor, head: int) -> Tensor:
    """Cosines and sines (2, B, 1, T, head) of the angles that rotary positions turn by, see `rotated`.

    places: int64 (B, T).
    """
    rates = ROTATION ** (-2 * torch.arange(head // 2, device=places.device, dtype=torch.float32) / head)
    angles = places.to(torch.float32).unsqueeze(-1) * rates
    cosine, sine = angles.cos(), angles.sin()
    return torch.stack([torch.cat([cosine, cosine], -1), torch.cat([-sine, sine], -1)]).unsqueeze(2)


def rotated(state: Tensor, turn: Tensor, half: int) -> Tensor:
    """(B, heads, T, head): number k and k + half, half a head, are turned together (RoFormer: Su et al. 2021)."""
    one, two = torch.split(state, half, -1)
    return state * turn[0] + torch.cat([two, one], -1) * turn[1]


def _repeated(part: Tensor, times: int) -> Tensor:
    """(B, groups, K, head) -> (B, groups x times, K, head), each group's copies side by side."""
    rows, groups, places, head = part.shape
    return part.unsqueeze(2).expand(rows, groups, times, places, head).reshape(rows, groups * times, places, head)


def _divides(less: str, small: int, more: str, large: int) -> None:
    if small < 1 or large % small:
        raise RecipeError(
            f"model.{more} {large} does not divide by model.{less} {small}.",
            where=f"model.{less}",
            expected=f"a divisor of {large}",
            got=str(small),
            fix=f"{less}: {math.gcd(max(1, small), large)}",
        )
