"""Text in, text out: a bidirectional GRU encoder and a GRU decoder that looks back at every source position."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class Seq2Seq:
    """Options of the family."""

    hidden: int = 128  # width of both GRUs; even
    embedding: int = 64
    dropout: float = 0.1


MODEL = Seq2Seq


class Network(nn.Module):
    """Encoder and decoder with attention (Luong et al. 2015, "general"; GRU: Cho et al. 2014).

    All texts are ids padded with 0 at the end; padding changes no answer: it is masked, and the backward direction
    reads each source from its own last token.
    """

    axes: ClassVar[dict[str, dict[int, str]]] = {
        "memory": {0: "rows", 1: "places"},
        "state": {0: "rows"},
        "next_state": {0: "rows"},
    }

    def __init__(self, options: Seq2Seq, source_size: int, target_size: int) -> None:
        super().__init__()
        hidden, width = options.hidden, options.embedding
        self.source_embedding = nn.Embedding(source_size, width)
        self.forwards = nn.GRU(width, hidden // 2, batch_first=True)
        self.backwards = nn.GRU(width, hidden // 2, batch_first=True)
        self.first_state = nn.Linear(hidden, hidden)
        self.target_embedding = nn.Embedding(target_size, width)
        self.decoder = nn.GRU(width, hidden, batch_first=True)
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.combine = nn.Linear(2 * hidden, hidden)
        self.last = nn.Linear(hidden, target_size)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, source: Tensor, source_length: Tensor, prefix: Tensor) -> dict[str, Tensor]:
        """source int64 (B, S), source_length int64 (B,), prefix int64 (B, T) -> logits (B, T, target_size)."""
        memory, state = self.encode(source, source_length)
        logits, _ = self.decode(prefix, state, memory, source_length)
        return {"logits": logits}

    def pieces(self) -> tuple[nn.Module, nn.Module]:
        """What reads the source once, and what writes one token."""
        return Encoder(self), Step(self)

    def encode(self, source: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """memory (B, S, hidden) and the decoder's first state (B, hidden)."""
        embedded = self.dropout(self.source_embedding(source))
        place = torch.arange(source.shape[1], device=source.device).expand(source.shape)
        end = length.clamp(min=1)[:, None]
        mirrored = torch.where(place < end, end - 1 - place, place)[:, :, None]
        one, _ = self.forwards(embedded)
        other, _ = self.backwards(embedded.gather(1, mirrored.expand_as(embedded)))
        last = (end - 1)[:, :, None].expand(-1, 1, one.shape[2])
        state = torch.tanh(self.first_state(torch.cat([one.gather(1, last), other.gather(1, last)], 2)[:, 0]))
        return torch.cat([one, other.gather(1, mirrored.expand_as(other))], 2), state

    def decode(self, prefix: Tensor, state: Tensor, memory: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """logits (B, T, ids) after each token of the prefix, and the state (B, hidden) after the last."""
        hidden, after = self._heard(prefix, state)
        context = self._shares(hidden, memory, length) @ memory
        return self.last(self.dropout(torch.tanh(self.combine(torch.cat([hidden, context], 2))))), after[0]

    def looked(self, source: Tensor, source_length: Tensor, prefix: Tensor) -> Tensor:
        """(B, T, S): what the token behind each of the prefix looked at; padding has none of it."""
        memory, state = self.encode(source, source_length)
        return self._shares(self._heard(prefix, state)[0], memory, source_length)

    def _heard(self, prefix: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's own states (B, T, hidden), and the last one."""
        hidden, after = self.decoder(self.dropout(self.target_embedding(prefix)), state[None].contiguous())
        return hidden, after

    def _shares(self, hidden: Tensor, memory: Tensor, length: Tensor) -> Tensor:
        """(B, T, S): how much of each place of the memory is taken."""
        weights = self.query(hidden) @ memory.transpose(1, 2)
        place = torch.arange(memory.shape[1], device=memory.device)
        hide = (place[None, :] >= length.clamp(min=1)[:, None])[:, None, :]
        shares: Tensor = weights.masked_fill(hide, -1e9).softmax(2)
        return shares


class Encoder(nn.Module):
    """The graph that reads the source once."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, source: Tensor, source_length: Tensor) -> dict[str, Tensor]:
        """memory (B, S, hidden), state (B, hidden)."""
        memory, state = self.network.encode(source, source_length)
        return {"memory": memory, "state": state}


class Step(nn.Module):
    """The graph that writes one token: all that came before is in `state`."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, token: Tensor, state: Tensor, memory: Tensor, source_length: Tensor) -> dict[str, Tensor]:
        """token int64 (B,) -> logits (B, ids), next_state (B, hidden)."""
        logits, after = self.network.decode(token[:, None], state, memory, source_length)
        return {"logits": logits[:, 0], "next_state": after}


writer = Network


def loss(
    logits_of: Callable[..., dict[str, Tensor]],
    batch: Mapping[str, Tensor],
    of_token: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Loss per row (B,), mean over its tokens, the right tokens given as prefix (teacher forcing).

    of_token: from logits (N, symbols) and int64 (N,) to (N,), such as cross-entropy.

    batch: source, source_length, and target int64 (B, T) with start and end marks, padded with 0, target_length.
    """
    prefix, wanted = batch["target"][:, :-1], batch["target"][:, 1:]
    logits = logits_of(source=batch["source"], source_length=batch["source_length"], prefix=prefix)["logits"]
    losses = of_token(logits.flatten(0, 1), wanted.flatten()).reshape(wanted.shape)
    inside = torch.arange(wanted.shape[1], device=wanted.device)[None, :] < batch["target_length"][:, None] - 1
    return (losses * inside).sum(1) / inside.sum(1)
