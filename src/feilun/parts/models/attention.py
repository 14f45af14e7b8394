"""Layers of Transformers: attention to what came before or to another text, feed-forward parts, norms, positions."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.core.errors import RecipeError, not_one_of
from feilun.parts.models import depth as stochastic

NORMS, POSITIONS = ("rms", "layer"), ("rotary", "learned")
Between = Callable[[Tensor], Tensor]
GATED: dict[str, Between] = {"swiglu": functional.silu, "geglu": partial(functional.gelu, approximate="tanh")}
PLAIN: dict[str, Between] = {"gelu": functional.gelu, "gelu_tanh": partial(functional.gelu, approximate="tanh")}
PLAIN |= {"relu": functional.relu, "silu": functional.silu}
ACTIVATIONS = (*GATED, *PLAIN)
BIASES = ("none", "looks", "attention", "all")
OPTIONAL = ("epsilon", "bias", "query_norm", "norm_last")  # sizes that not every family has as an option
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
    head: int  # numbers of one head
    epsilon: float = 0.0  # added to what a norm divides by; 0: 1e-6, for layer norms 1e-5
    bias: str = "none"  # what has a constant: queries, keys and values (looks), attention, or all matrices and norms
    query_norm: bool = False  # queries and keys are normed, head by head (Henry et al. 2020)
    norm_last: bool = False  # normed is the sum after each part (Vaswani et al. 2017), not what each part reads
    scaled: bool = True  # scores are divided by the root of head


def check(sizes: Sizes) -> None:
    """Raises RecipeError for sizes that do not fit each other."""
    if sizes.norm not in NORMS:
        raise not_one_of("model.norm", sizes.norm, NORMS)
    if sizes.activation not in ACTIVATIONS:
        raise not_one_of("model.activation", sizes.activation, ACTIVATIONS)
    if sizes.bias not in BIASES:
        raise not_one_of("model.bias", sizes.bias, BIASES)
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
    share = 2 / 3 if options.activation in GATED else 1.0  # three matrices instead of two, as many numbers
    if not getattr(options, "head", 0):
        _divides("heads", options.heads, "width", options.width)
    more = {name: getattr(options, name) for name in OPTIONAL if hasattr(options, name)}
    sizes = Sizes(
        width=options.width,
        heads=options.heads,
        groups=options.groups or options.heads,
        inner=getattr(options, "middle", 0) or max(8, round(options.inner * options.width * share / 8) * 8),
        norm=options.norm,
        activation=options.activation,
        rotary=rotary,
        dropout=options.dropout,
        head=getattr(options, "head", 0) or options.width // options.heads,
        **more,
    )
    check(sizes)
    return sizes


def counted(tokens: Tensor) -> Tensor:
    """int64 (B, T): 0, 1, 2, … in every row, not shared, or gradients per example would be silently wrong."""
    return torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0).expand(tokens.shape)


def norm(sizes: Sizes) -> nn.Module:
    """Over the last axis: mean and deviation (Ba et al. 2016), or the root of the mean square alone (Zhang 2019)."""
    if sizes.norm == "rms":
        return RootMeanSquare(sizes.width, sizes.epsilon or 1e-6)
    return nn.LayerNorm(sizes.width, eps=sizes.epsilon or 1e-5)


class RootMeanSquare(nn.Module):
    """x / sqrt(mean x² + epsilon), times a learnt scale; torch's own has no form in ONNX."""

    def __init__(self, width: int, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, state: Tensor) -> Tensor:
        """(..., width) -> the same."""
        root = torch.sqrt(state.pow(2).mean(-1, keepdim=True) + self.epsilon)
        return state / root * self.weight  # in this form onnxruntime makes it one operator


class FeedForward(nn.Module):
    """Each place for itself: two matrices with GELU between, or three with a gate (SwiGLU: Shazeer 2020)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.gated, bias = sizes.activation in GATED, sizes.bias == "all"
        self.between = {**GATED, **PLAIN}[sizes.activation]
        self.wide = nn.Linear(sizes.width, sizes.inner * (2 if self.gated else 1), bias=bias)
        self.narrow = nn.Linear(sizes.inner, sizes.width, bias=bias)

    def forward(self, state: Tensor) -> Tensor:
        """(B, T, width) -> the same."""
        inner = self.wide(state)
        if self.gated:
            gate, value = inner.split(self.narrow.in_features, -1)
            made: Tensor = self.narrow(self.between(gate) * value)
            return made
        made = self.narrow(self.between(inner))
        return made


class Attention(nn.Module):
    """Queries of one text over keys and values of the same text, or of another."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads, self.groups, self.head = sizes.heads, sizes.groups, sizes.head
        self.scale = None if sizes.scaled else 1.0
        looks, joins = sizes.bias != "none", sizes.bias in ("attention", "all")
        self.query = nn.Linear(sizes.width, sizes.heads * sizes.head, bias=looks)
        self.key_value = nn.Linear(sizes.width, 2 * sizes.groups * sizes.head, bias=looks)
        self.join = nn.Linear(sizes.heads * sizes.head, sizes.width, bias=joins)
        small = RootMeanSquare(sizes.head, sizes.epsilon or 1e-6)
        self.query_norm, self.key_norm = (copy.deepcopy(small) if sizes.query_norm else None for _ in range(2))

    def remembered(self, state: Tensor, turn: Tensor | None = None) -> Memory:
        """Keys and values, each (B, groups, T, head), of (B, T, width). turn: rotations of these places."""
        key, value = (self._in_heads(part) for part in self.key_value(state).split(self.groups * self.head, -1))
        key = key if self.key_norm is None else self.key_norm(key)
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

        mask: float, added to the scores, (B, 1 or heads, T, K); None: each place sees itself and those before it.
        past: keys and values (B, groups, P, head) of the places before; the mask then has P + K of them.
        """
        query = self._asked(state, turn)
        if past is not None:
            seen = self._over_both(query, past, memory, mask)
        else:
            key, value = (_repeated(part, self.heads // self.groups) for part in memory)
            seen = functional.scaled_dot_product_attention(
                query, key, value, attn_mask=mask, is_causal=mask is None, scale=self.scale
            )
        seen = seen.transpose(1, 2)
        made: Tensor = self.join(seen.reshape(seen.shape[0], seen.shape[1], self.heads * self.head))
        return made

    def shares(self, state: Tensor, memory: Memory, mask: Tensor) -> Tensor:
        """(B, heads, T, K): how much of each of the memory's values `forward` takes; of a place they add up to 1."""
        keys = _repeated(memory[0], self.heads // self.groups)
        scores = self._asked(state, None) @ keys.transpose(2, 3) * (self.scale or self.head**-0.5)
        made: Tensor = (scores + mask).softmax(-1)
        return made

    def _asked(self, state: Tensor, turn: Tensor | None) -> Tensor:
        """Queries (B, heads, T, head)."""
        query = self._in_heads(self.query(state))
        query = query if self.query_norm is None else self.query_norm(query)
        return query if turn is None else rotated(query, turn, self.head // 2)

    def _in_heads(self, state: Tensor) -> Tensor:
        """(B, T, heads x head) -> (B, heads, T, head)."""
        return state.reshape(state.shape[0], state.shape[1], -1, self.head).transpose(1, 2)

    def _over_both(self, query: Tensor, past: Memory, fresh: Memory, mask: Tensor | None) -> Tensor:
        """Over what was before and what is new, (B, heads, T, head), without laying them end to end: copying what is
        remembered took longer than all else where eight rows are written."""
        rows, _, tokens, _ = query.shape
        times = self.heads // self.groups
        asked = query * (self.scale or self.head**-0.5)
        asked = asked if times == 1 else asked.reshape(rows, self.groups, times * tokens, self.head)
        scores = torch.cat([asked @ key.transpose(2, 3) for key, _ in (past, fresh)], -1)
        scores = scores if times == 1 else scores.reshape(rows, self.heads, tokens, -1)
        shares = (scores if mask is None else scores + mask).softmax(-1)
        shares = shares if times == 1 else shares.reshape(rows, self.groups, times * tokens, -1)
        before = past[0].shape[2]
        seen = shares[..., :before] @ past[1] + shares[..., before:] @ fresh[1]
        return seen if times == 1 else seen.reshape(rows, self.heads, tokens, self.head)


class Block(nn.Module):
    """Attention to what came before, then, if there is another text, to that, then a feed-forward part."""

    def __init__(self, sizes: Sizes, drop_path: float, *, crossed: bool = False) -> None:
        super().__init__()
        self.norms = nn.ModuleList(norm(sizes) for _ in range(3 if crossed else 2))
        self.attention = Attention(sizes)
        self.cross = Attention(sizes) if crossed else None
        self.feed_forward = FeedForward(sizes)
        self.norm_last = sizes.norm_last
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
        first = self._read(0, state)
        fresh = self.attention.remembered(first, turn)
        state = self._with(0, state, self.attention(first, fresh, mask, turn, past))
        if self.cross is not None and other is not None:
            state = self._with(1, state, self.cross(self._read(1, state), other[0], other[1]))
        return self._with(-1, state, self.feed_forward(self._read(-1, state))), fresh

    def _read(self, part: int, state: Tensor) -> Tensor:
        """What this part of the layer reads."""
        return state if self.norm_last else self._normed(part, state)

    def _with(self, part: int, state: Tensor, made: Tensor) -> Tensor:
        """The state and what this part made of it."""
        both = state + self.drop_path(self.dropout(made))
        return self._normed(part, both) if self.norm_last else both

    def _normed(self, part: int, state: Tensor) -> Tensor:
        made: Tensor = self.norms[part](state)
        return made


def watched(look: Attention, run: Callable[[], object]) -> Tensor:
    """`shares` of what this attention is given last while `run` goes through the network."""
    found: list[Tensor] = []
    hook = look.register_forward_pre_hook(lambda _, given: found.append(look.shares(*given)))
    try:
        run()
    finally:
        hook.remove()
    return found[-1]


def start(network: nn.Module, layers: int) -> None:
    """Normal with deviation 0.02; what is added to the state 1 / sqrt(2 layers) of that, so that sums keep their size
    (Radford et al. 2019)."""
    for name, weight in network.named_parameters():
        if weight.ndim >= 2:
            added = name.endswith(("join.weight", "narrow.weight"))
            nn.init.normal_(weight, std=START_DEVIATION / math.sqrt(2 * layers) if added else START_DEVIATION)


def turns(places: Tensor, head: int, rates: Sequence[float] = ()) -> Tensor:
    """Cosines and sines (2, B, 1, T, head) of the angles that rotary positions turn by, see `rotated`.

    places: int64 (B, T).  rates: radians a place, of each pair of numbers; those of ROTATION where left out.
    """
    if rates:
        rate = torch.tensor(rates, device=places.device, dtype=torch.float32)
    else:
        rate = ROTATION ** (-2 * torch.arange(head // 2, device=places.device, dtype=torch.float32) / head)
    angles = places.to(torch.float32).unsqueeze(-1) * rate
    cosine, sine = angles.cos(), angles.sin()
    return torch.stack([torch.cat([cosine, cosine], -1), torch.cat([-sine, sine], -1)]).unsqueeze(2)


def rotated(state: Tensor, turn: Tensor, half: int) -> Tensor:
    """(B, heads, T, head): number k and k + half, half a head, are turned together (RoFormer: Su et al. 2021)."""
    one, two = torch.split(state, half, -1)
    return state * turn[0] + torch.cat([two, one], -1) * turn[1]


def _repeated(part: Tensor, times: int) -> Tensor:
    """(B, groups, K, head) -> (B, groups x times, K, head), each group's copies side by side."""
    if times == 1:
        return part
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
