"""Encoder-decoder: one text is read whole, another written token by token, looking back (Vaswani et al. 2017).

With its options it is T5 (Raffel et al. 2020) and Marian (Junczys-Dowmunt et al. 2018), see published_translators.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.core.errors import not_one_of
from feilun.parts.models import attention, distances, stems
from feilun.parts.models import depth as stochastic

HIDDEN = -1e9  # added to the score of what must not be seen
POSITIONS = ("rotary", "waves", "distances")


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderDecoder:
    """Options of the family."""

    width: int = 256  # of every token's state
    depth: int = 3  # layers that read, and as many that write
    writing: int = 0  # layers that write, where they are not as many
    heads: int = 4  # of attention; they must divide width
    groups: int = 0  # heads of keys and values; 0: as many as heads
    head: int = 0  # numbers of one head; 0: width / heads
    inner: float = 4.0  # width of the middle of each feed-forward part, in widths; a gate makes it two thirds
    middle: int = 0  # the same as a number, whatever inner says
    norm: str = "rms"  # rms or layer
    norm_last: bool = False  # normed is the sum after each part, not what it reads
    epsilon: float = 0.0  # added to what a norm divides by; 0: 1e-6, for layer norms 1e-5
    activation: str = "swiglu"  # swiglu, geglu, gelu, gelu_tanh, relu or silu
    bias: str = "none"  # what has a constant: looks (queries, keys, values), attention, or all
    positions: str = "rotary"  # rotary; waves, added to the tokens; or distances, learnt, scores then unscaled
    buckets: int = 32  # kinds of distances
    farthest: int = 128  # from this distance on all are of one kind
    shared: bool = False  # one table for both texts, whose tokens must be the same ones
    tied: bool = True  # tokens are read and written by one table; with distances states are then scaled down
    shift: bool = False  # a constant is added to each logit, which does not learn
    dropout: float = 0.2  # share left out while training
    drop_path: float = 0.0  # share of rows that go around the last layer's parts while training, falling to the first


MODEL = EncoderDecoder


class Network(nn.Module):
    """forward(source int64 (B, S), source_length (B,), prefix int64 (B, T)) -> logits (B, T, target_size).

    Texts are padded with 0 at the end; padding changes no answer. Positions are rotary: texts may be of any length.
    """

    axes: ClassVar[dict[str, dict[int, str]]] = {
        "memory": {0: "rows", 4: "places"},
        "state": {0: "rows", 4: "written"},
        "next_state": {0: "rows", 4: "written next"},
    }

    def __init__(self, options: EncoderDecoder, source_size: int, target_size: int) -> None:
        super().__init__()
        if options.positions not in POSITIONS:
            raise not_one_of("model.positions", options.positions, POSITIONS)
        far = options.positions == "distances"
        sizes = replace(attention.sizes_of(options, rotary=options.positions == "rotary"), scaled=not far)
        self.sizes, self.symbols = sizes, target_size
        self.writes = options.shared  # tokens mean the same wherever they are written: nothing of it is a task's own
        self.waves = options.positions == "waves"
        writing = options.writing or options.depth
        read, written = (stochastic.rising(options.drop_path, layers) for layers in (options.depth, writing))
        self.source_vectors = None if options.shared else nn.Embedding(source_size, sizes.width)
        self.reading = nn.ModuleList(attention.Block(sizes, share) for share in read)
        self.read_norm = nn.Identity() if options.norm_last else attention.norm(sizes)
        rows = max(source_size, target_size) if options.shared else target_size  # a source may have tags behind
        self.target_vectors = nn.Embedding(rows, sizes.width)
        self.writing = nn.ModuleList(attention.Block(sizes, share, crossed=True) for share in written)
        self.norm = nn.Identity() if options.norm_last else attention.norm(sizes)
        self.head = None if options.tied else nn.Linear(sizes.width, target_size, bias=False)
        self.shift = Shift(target_size) if options.shift else None
        kinds = (sizes.heads, options.buckets, options.farthest)
        self.read_distances = distances.Distances(*kinds, both=True) if far else None
        self.distances = distances.Distances(*kinds, both=False) if far else None
        self.dropout = nn.Dropout(sizes.dropout)
        attention.start(self, writing)

    def forward(self, source: Tensor, source_length: Tensor, prefix: Tensor) -> dict[str, Tensor]:
        """Every token of the prefix sees itself, those before it, and the whole source."""
        memory = self.encode(source, source_length)
        logits, _ = self.decode(prefix, memory, source_length, None)
        return {"logits": logits}

    def pieces(self) -> tuple[nn.Module, nn.Module]:
        """What reads the source once, and what writes one token."""
        return Encoder(self), Step(self)

    def encode(self, source: Tensor, length: Tensor) -> Tensor:
        """Keys and values for every layer that writes: (B, layers, 2, groups, S, head)."""
        places = attention.counted(source)
        mask = _hiding(source, length).expand(-1, 1, source.shape[1], -1)
        if self.read_distances is not None:
            mask = mask + self.read_distances(places, places)
        state = self._states(
            source, places, self.target_vectors if self.source_vectors is None else self.source_vectors
        )
        turn = self._turn(places)
        for layer in self.reading:
            state, _ = layer(state, mask, turn)
        state = self.read_norm(state)
        looks: list[Any] = [layer.cross for layer in self.writing]
        return torch.stack([torch.stack(look.remembered(state), 1) for look in looks], 1)

    def decode(self, prefix: Tensor, memory: Tensor, length: Tensor, cache: Tensor | None) -> tuple[Tensor, Tensor]:
        """(logits (B, T, ids), what is remembered of the prefix: (B, layers, 2, groups, T, head)).

        cache: the same of all tokens before; None: there are none.
        """
        past = 0 if cache is None else cache.shape[4]
        places = attention.counted(prefix) + past
        turn = self._turn(places)
        known = torch.arange(memory.shape[4], device=prefix.device)
        other = torch.where(known.unsqueeze(0) < length.clamp(min=1).unsqueeze(1), 0.0, HIDDEN)[:, None, None]
        other = other.expand(-1, 1, prefix.shape[1], -1)
        mask = None if cache is None and self.distances is None else self._after(prefix, past)
        state, kept = self._states(prefix, places, self.target_vectors), []
        for number, layer in enumerate(self.writing):
            before = None if cache is None else (cache[:, number, 0], cache[:, number, 1])
            state, fresh = layer(state, mask, turn, before, ((memory[:, number, 0], memory[:, number, 1]), other))
            kept.append(torch.stack(fresh, 1))
        return self._logits(self.norm(state)), torch.stack(kept, 1)

    def _states(self, tokens: Tensor, places: Tensor, table: nn.Embedding) -> Tensor:
        """What the first layer reads: (B, T, width)."""
        state = table(tokens)
        if self.waves:
            state = state * math.sqrt(self.sizes.width) + distances.waves(places, self.sizes.width)
        made: Tensor = self.dropout(state)
        return made

    def _turn(self, places: Tensor) -> Tensor | None:
        return attention.turns(places, self.sizes.head) if self.sizes.rotary else None

    def _logits(self, state: Tensor) -> Tensor:
        """(B, T, width) -> (B, T, symbols)."""
        if self.distances is not None and self.head is None:
            state = state / math.sqrt(self.sizes.width)
        table = self.target_vectors.weight if self.head is None else self.head.weight
        table = table if len(table) == self.symbols else table[: self.symbols]
        return functional.linear(state, table, None if self.shift is None else self.shift.bias)

    def looked(self, source: Tensor, source_length: Tensor, prefix: Tensor) -> Tensor:
        """(B, T, S): what the token behind each of the prefix looked at, the mean of the last layer's heads."""
        memory = self.encode(source, source_length)
        last: Any = self.writing[-1]
        return attention.watched(last.cross, lambda: self.decode(prefix, memory, source_length, None)).mean(1)

    def _after(self, prefix: Tensor, past: int) -> Tensor:
        """Mask (B, 1 or heads, T, past + T): all that was before, and of the new ones those up to each."""
        new = attention.counted(prefix)
        seen = new.unsqueeze(2) >= new.unsqueeze(1)
        before = torch.ones(prefix.shape[0], prefix.shape[1], past, dtype=torch.bool, device=prefix.device)
        mask = torch.where(torch.cat([before, seen], 2), 0.0, HIDDEN).unsqueeze(1)
        if self.distances is None:
            return mask
        whole = torch.arange(mask.shape[3], device=prefix.device).unsqueeze(0).expand(prefix.shape[0], -1)
        made: Tensor = mask + self.distances(new + past, whole)
        return made


class Shift(nn.Module):
    """What is added to the logit of each token."""

    bias: Tensor

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.register_buffer("bias", torch.zeros(symbols))


class Encoder(nn.Module):
    """The graph that reads the source once."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, source: Tensor, source_length: Tensor) -> dict[str, Tensor]:
        """memory (B, layers, 2, groups, S, head), and state of the same form with no places."""
        memory = self.network.encode(source, source_length)
        return {"memory": memory, "state": memory[..., :0, :]}


class Step(nn.Module):
    """The graph that writes one token: all that came before is in `state`."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, token: Tensor, state: Tensor, memory: Tensor, source_length: Tensor) -> dict[str, Tensor]:
        """token int64 (B,) -> logits (B, ids), next_state: one place longer."""
        logits, fresh = self.network.decode(token[:, None], memory, source_length, state)
        return {"logits": logits[:, 0], "next_state": torch.cat([state, fresh], 4)}


writer = Network


def _hiding(tokens: Tensor, length: Tensor) -> Tensor:
    """(B, 1, 1, T), added to the scores: padding is not seen; an empty text shows its first place."""
    return ((1 - stems.present(tokens, length.clamp(min=1))) * HIDDEN).unsqueeze(1).unsqueeze(1)
