"""Encoder-decoder: one text is read whole, another written token by token, looking back (Vaswani et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.parts.models import attention, stems
from feilun.parts.models import depth as stochastic

HIDDEN = -1e9  # added to the score of what must not be seen


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderDecoder:
    """Options of the family."""

    width: int = 256  # of every token's state
    depth: int = 3  # layers that read, and as many that write
    heads: int = 4  # of attention; they must divide width
    groups: int = 0  # heads of keys and values; 0: as many as heads
    inner: float = 4.0  # width of the middle of each feed-forward part, in widths; a gate makes it two thirds
    norm: str = "rms"  # rms or layer
    activation: str = "swiglu"  # swiglu or gelu
    tied: bool = True  # tokens are read and written by one table
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
        sizes = attention.sizes_of(options, rotary=True)
        self.sizes = sizes
        shares = stochastic.rising(options.drop_path, options.depth)
        self.source_vectors = nn.Embedding(source_size, sizes.width)
        self.reading = nn.ModuleList(attention.Block(sizes, share) for share in shares)
        self.read_norm = attention.norm(sizes)
        self.target_vectors = nn.Embedding(target_size, sizes.width)
        self.writing = nn.ModuleList(attention.Block(sizes, share, crossed=True) for share in shares)
        self.norm = attention.norm(sizes)
        self.head = None if options.tied else nn.Linear(sizes.width, target_size, bias=False)
        self.dropout = nn.Dropout(sizes.dropout)
        attention.start(self, options.depth)

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
        mask = _hiding(source, length).expand(-1, 1, source.shape[1], -1)
        turn = attention.turns(attention.counted(source), self.sizes.head)
        state = self.dropout(self.source_vectors(source))
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
        turn = attention.turns(places, self.sizes.head)
        known = torch.arange(memory.shape[4], device=prefix.device)
        other = torch.where(known.unsqueeze(0) < length.clamp(min=1).unsqueeze(1), 0.0, HIDDEN)[:, None, None]
        other = other.expand(-1, 1, prefix.shape[1], -1)
        mask = None if cache is None else self._after(prefix, past)
        state, kept = self.dropout(self.target_vectors(prefix)), []
        for number, layer in enumerate(self.writing):
            before = None if cache is None else (cache[:, number, 0], cache[:, number, 1])
            state, fresh = layer(state, mask, turn, before, ((memory[:, number, 0], memory[:, number, 1]), other))
            kept.append(torch.stack(fresh, 1))
        table = self.target_vectors.weight if self.head is None else self.head.weight
        return functional.linear(self.norm(state), table), torch.stack(kept, 1)

    def looked(self, source: Tensor, source_length: Tensor, prefix: Tensor) -> Tensor:
        """(B, T, S): what the token behind each of the prefix looked at, the mean of the last layer's heads."""
        memory = self.encode(source, source_length)
        last: Any = self.writing[-1]
        return attention.watched(last.cross, lambda: self.decode(prefix, memory, source_length, None)).mean(1)

    def _after(self, prefix: Tensor, past: int) -> Tensor:
        """Mask (B, 1, T, past + T): all that was before, and of the new ones those up to each."""
        new = attention.counted(prefix)
        seen = new.unsqueeze(2) >= new.unsqueeze(1)
        before = torch.ones(prefix.shape[0], prefix.shape[1], past, dtype=torch.bool, device=prefix.device)
        return torch.where(torch.cat([before, seen], 2), 0.0, HIDDEN).unsqueeze(1)


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
