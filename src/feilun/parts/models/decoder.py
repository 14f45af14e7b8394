"""Decoder: each token from those before it (GPT: Radford et al. 2019; Llama: Touvron et al. 2023)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.core.errors import RecipeError, not_one_of
from feilun.parts.models import attention, positions, stems
from feilun.parts.models import depth as stochastic

SIZES = {  # width, layers, heads; about 1, 5, 26 and 124 million numbers beside the tokens' vectors
    "tiny": (128, 4, 4),
    "small": (256, 6, 8),
    "medium": (512, 8, 8),
    "base": (768, 12, 12),
}
ENOUGH = 0.8  # rows are put together if that leaves at most so many times as many
HIDDEN = -1e9  # added to the score of what must not be seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder:
    """Options of the family. size decides about width, depth and heads, where these are left out."""

    size: str = "small"  # tiny, small, medium or base
    width: int = 0  # of every token's state
    depth: int = 0  # layers
    heads: int = 0  # of attention; they must divide width
    groups: int = 0  # heads of keys and values; 0: as many as heads
    inner: float = 4.0  # width of the middle of each feed-forward part, in widths; a gate makes it two thirds
    norm: str = "rms"  # rms or layer
    activation: str = "swiglu"  # swiglu, geglu, gelu, gelu_tanh, relu or silu
    positions: str = "rotary"  # rotary or learned
    tied: bool = True  # tokens are read and written by one table
    head: int = 0  # numbers of one head; 0: width / heads
    middle: int = 0  # width of the middle of each feed-forward part, whatever inner says
    epsilon: float = 0.0  # added to what a norm divides by; 0: 1e-6, for layer norms 1e-5
    bias: str = "none"  # what has a constant: looks (queries, keys, values), attention, or all
    query_norm: bool = False  # queries and keys are normed, head by head
    rotation: float = attention.ROTATION  # the longest wavelength of rotary positions, over 2 pi
    stretch: Mapping[str, float] = field(default_factory=dict)  # of rotary positions, see `positions.rates`
    symbols: int = 0  # rows of the table of tokens; 0: as many as the tokens need
    dropout: float = 0.1  # share left out while training
    drop_path: float = 0.0  # share of rows that go around the last layer's parts while training, falling to the first


MODEL = Decoder


class Network(nn.Module):
    """Tokens int64 (B, T) -> logits (B, T, symbols).

    longest: places there are, for learned positions.
    """

    writes: ClassVar[bool] = True  # tokens mean the same wherever they are written: nothing of it is a task's own

    def __init__(self, options: Decoder, symbols: int, longest: int) -> None:
        super().__init__()
        sizes, layers = sizes_of(options)
        self.sizes, self.symbols = sizes, symbols
        self.rates = positions.rates(options.rotation, sizes.head, options.stretch)
        self.vectors = nn.Embedding(symbols, sizes.width)
        self.places = None if sizes.rotary else nn.Embedding(longest, sizes.width)
        shares = stochastic.rising(options.drop_path, layers)
        self.layers = nn.ModuleList(attention.Block(sizes, share) for share in shares)
        self.norm = attention.norm(sizes)
        self.head = None if options.tied else nn.Linear(sizes.width, symbols, bias=False)
        self.dropout = nn.Dropout(sizes.dropout)
        attention.start(self, layers)

    def forward(
        self, tokens: Tensor, documents: Tensor | None = None, places: Tensor | None = None
    ) -> dict[str, Tensor]:
        """documents: int64 (B, T), which of several texts in a row each token is of: none sees another.  places: of
        each token in its text; counted along the row where left out."""
        mask = None if documents is None else _within(documents)
        states, _ = self.states(tokens, attention.counted(tokens) if places is None else places, mask)
        return {"logits": self.logits(states)}

    def states(
        self, tokens: Tensor, places: Tensor, mask: Tensor | None, past: Sequence[attention.Memory] = ()
    ) -> tuple[Tensor, list[attention.Memory]]:
        """((B, T, width), each layer's keys and values to be remembered: (B, groups, T, head) twice).

        places: int64 (B, T).  mask: as for `Attention`.  past: what each layer remembers of the places before.
        """
        state = self.vectors(tokens)
        if self.places is not None:  # a token that is only foretold may stand one place behind the last
            state = state + self.places(places.clamp(max=self.places.num_embeddings - 1))
        state = self.dropout(state)
        turn = attention.turns(places, self.sizes.head, self.rates) if self.sizes.rotary else None
        fresh = []
        for number, layer in enumerate(self.layers):
            state, kept = layer(state, mask, turn, past[number] if past else None)
            fresh.append(kept)
        return self.norm(state), fresh

    def logits(self, states: Tensor) -> Tensor:
        """(..., width) -> (..., symbols)."""
        return functional.linear(states, self.vectors.weight if self.head is None else self.head.weight)


class Step(nn.Module):
    """The graph that goes on writing: new tokens after what is remembered, which may be nothing."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, tokens: Tensor, length: Tensor, past: Tensor, targets: Tensor, **held: Tensor
    ) -> dict[str, Tensor]:
        """tokens int64 (B, T), of which `length` (B,) are there; targets int64 (B, N): what came behind the first N of
        them, N may be 0; held: `keys_0`, `values_0`, … of each layer, (B, groups, P, head), of which `past` (B,) places
        are.

        -> logits (B, symbols) after the last token, fresh (layers, 2, B, groups, T, head), nats (B, N): of each target.
        Only of these places are logits made: of a long prompt they take longer than all layers.
        """
        layers = range(len(self.network.layers))
        memory = [(held[f"keys_{layer}"], held[f"values_{layer}"]) for layer in layers]
        new, before = attention.counted(tokens), torch.arange(memory[0][0].shape[2], device=tokens.device)
        remembered = (before.unsqueeze(0) < past.unsqueeze(1)).unsqueeze(1).expand(-1, tokens.shape[1], -1)
        seen = torch.cat([remembered, new.unsqueeze(2) >= new.unsqueeze(1)], 2)
        mask = torch.where(seen, 0.0, HIDDEN).unsqueeze(1)
        states, kept = self.network.states(tokens, new + past.unsqueeze(1), mask, memory)
        last = (length - 1).clamp(min=0)[:, None, None].expand(-1, 1, states.shape[2])
        logits = self.network.logits(torch.cat([states.gather(1, last), states[:, : targets.shape[1]]], 1))
        fresh = torch.cat([part for one in kept for part in one])  # stacking takes three operators a part
        shape = (len(layers), 2, tokens.shape[0], -1, tokens.shape[1], self.network.sizes.head)
        return {"logits": logits[:, 0], "fresh": fresh.reshape(shape), "nats": _nats(logits[:, 1:], targets)}


class Told(nn.Module):
    """The graph that says how unlikely texts are, and no more."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """tokens int64 (B, T), targets (B, N) -> nats (B, N), as `Step` gives them."""
        return {"nats": _nats(self.network(tokens)["logits"][:, : targets.shape[1]], targets)}


def loss(
    logits_of: Callable[..., dict[str, Tensor]],
    batch: Mapping[str, Tensor],
    of_token: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Loss per row (B,): the mean over the tokens that are to be learnt, each from those before it.

    See `losses` for the batch.
    """
    each, counts = losses(logits_of, batch, of_token)
    return (each * counts).sum(1) / counts.sum(1).clamp(min=1)


def losses(
    logits_of: Callable[..., dict[str, Tensor]],
    batch: Mapping[str, Tensor],
    of_token: Callable[[Tensor, Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """(loss of every token but the first, and which of them count), each (B, T - 1).

    Short texts are put side by side into rows as long as the longest, so that little is computed for padding.
    batch: text int64 (B, T); text_length (B,), left out if all are T long; learnt (B, T), 1 where a token counts, if
    not all do.  of_token: from logits (N, symbols) and int64 (N,) to (N,), such as cross-entropy.
    """
    text = batch["text"]
    prefix, wanted = text[:, :-1], text[:, 1:]
    if "text_length" not in batch:  # nothing to put together, and a GPU is not asked for lengths
        each = of_token(logits_of(tokens=prefix)["logits"].flatten(0, 1), wanted.flatten()).reshape(wanted.shape)
        return each, _counting(torch.ones_like(each), batch)
    length = batch["text_length"] - 1
    counts = stems.present(prefix, length)
    starts, rows = packing(length.tolist(), prefix.shape[1])
    if rows > ENOUGH * len(text):
        logits = logits_of(tokens=prefix)["logits"].flatten(0, 1)
        each = of_token(logits, wanted.flatten()).reshape(wanted.shape)
    else:
        there = counts > 0
        into = (torch.tensor(starts, device=text.device).unsqueeze(1) + attention.counted(prefix))[there]
        numbers = torch.arange(1, len(text) + 1, device=text.device).unsqueeze(1).expand(prefix.shape)
        parts = (prefix, numbers, attention.counted(prefix))
        tokens, documents, places = (_put(part[there], into, rows, prefix.shape[1]) for part in parts)
        logits = logits_of(tokens=tokens, documents=documents, places=places)["logits"].flatten(0, 1)[into]
        found = of_token(logits, wanted[there])
        each = torch.zeros(prefix.shape, dtype=found.dtype, device=text.device).masked_scatter(there, found)
    return each, _counting(counts, batch)


def packing(lengths: Sequence[int], longest: int) -> tuple[list[int], int]:
    """(where each text begins in rows of `longest` laid end to end, how many rows): each goes into the first row with
    room, the longest first (Johnson 1973)."""
    free: list[int] = []
    starts = [0] * len(lengths)
    for number in sorted(range(len(lengths)), key=lambda one: -lengths[one]):
        row = next((place for place, room in enumerate(free) if room >= lengths[number]), len(free))
        if row == len(free):
            free.append(longest)
        starts[number] = row * longest + longest - free[row]
        free[row] -= lengths[number]
    return starts, len(free)


def build(options: Decoder, symbols: int, longest: int) -> Network:
    """Raises RecipeError for options that do not fit."""
    if options.symbols and symbols > options.symbols:
        raise RecipeError(
            f"The texts have {symbols:,} tokens, model.symbols is {options.symbols:,}: published weights go with their "
            "own tokenizer. Leave tokens out.",
            where="model.symbols",
            expected=f"{symbols:,} or more",
            got=f"{options.symbols:,}",
            fix="leave out model.symbols and inputs.*.tokens",
        )
    return Network(options, options.symbols or symbols, longest)


def _counting(counts: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """Of the tokens that are there (B, T - 1), those that are to be learnt."""
    return counts * batch["learnt"][:, 1:] if "learnt" in batch else counts


def _nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Of each of the targets (B, N), by logits (B, N, symbols)."""
    return -logits.log_softmax(-1).gather(2, targets.unsqueeze(2))[:, :, 0]


def _put(values: Tensor, into: Tensor, rows: int, longest: int) -> Tensor:
    """(rows, longest) with these values at these places, 0 elsewhere."""
    return (
        torch.zeros(rows * longest, dtype=values.dtype, device=values.device)
        .index_copy(0, into, values)
        .reshape(rows, longest)
    )


def sizes_of(options: Decoder) -> tuple[attention.Sizes, int]:
    if options.size not in SIZES:
        raise not_one_of("model.size", options.size, SIZES)
    if options.positions not in attention.POSITIONS:
        raise not_one_of("model.positions", options.positions, attention.POSITIONS)
    width, layers, heads = SIZES[options.size]
    chosen = replace(options, width=options.width or width, heads=options.heads or heads)
    return attention.sizes_of(chosen, rotary=options.positions == "rotary"), options.depth or layers


def _within(documents: Tensor) -> Tensor:
    """Mask (B, 1, T, T): each token sees those of its own text up to itself."""
    places = torch.arange(documents.shape[1], device=documents.device)
    seen = (documents.unsqueeze(2) == documents.unsqueeze(1)) & (places.unsqueeze(1) >= places.unsqueeze(0))
    return torch.where(seen, 0.0, HIDDEN).unsqueeze(1)
