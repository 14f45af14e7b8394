"""Recurrent networks over text and sequences: GRU, LSTM or the plain RNN, read forwards and backwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from feilun.parts.models import stems

NAMES = ("gru", "lstm", "rnn")
CELLS: dict[str, Callable[..., nn.RNNBase]] = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}
LOWEST = -1e4  # stands for minus infinity under a maximum, and survives half precision


@dataclass(frozen=True, kw_only=True)
class Recurrent:
    """Options of the family."""

    width: int = 64  # units per direction
    layers: int = 1  # stacked
    bidirectional: bool = True  # also read from the end
    embedding: int = 96  # width of a token's or a step's vector
    dropout: float | None = None  # share left out of vectors, between layers and before the answer while training;
    # left out, 0.5 for text and 0.3 for sequences of numbers
    token_dropout: float | None = None  # share of whole tokens left out while training; left out, 0.3 and 0


MODEL = Recurrent
KINDS = ("text", "sequence")
DROPOUT = {"text": (0.5, 0.3), "sequence": (0.3, 0.0)}  # of parts of vectors, of whole tokens


class Encoder(nn.Module):
    """Tokens int64 (B, T), or steps float (B, T, channels), and lengths -> (B, width).

    Mean and maximum of states and of token vectors over what is there; of sequences also the last step's, where most
    of what matters in time stands. The vectors go around the cells as well: much of what a text says, it says in
    single words.

    Packed sequences do not export; instead the backward direction reads each row reversed within its own length, so
    that padding comes last for both directions and no answer depends on it.
    """

    def __init__(self, options: Recurrent, cell: str, feature: Any) -> None:
        super().__init__()
        self.vectors = stems.steps(feature, options.embedding)
        self.in_time = feature.kind == "sequence"
        directions = 2 if options.bidirectional else 1
        joined = options.width * directions
        self.layers = nn.ModuleList(
            nn.ModuleList(
                _started(CELLS[cell](joined if number else options.embedding, options.width, batch_first=True))
                for _ in range(directions)
            )
            for number in range(options.layers)
        )
        dropout, token_dropout = DROPOUT[feature.kind]
        self.dropout = nn.Dropout(dropout if options.dropout is None else options.dropout)
        self.token_dropout = token_dropout if options.token_dropout is None else options.token_dropout
        self.states_width = joined + options.embedding
        self.width = (3 if self.in_time else 2) * self.states_width

    def forward(self, tokens: Tensor, length: Tensor) -> Tensor:
        """Padding may be of any length."""
        mask = stems.present(tokens, length).unsqueeze(-1)
        state = self.states(tokens, length)
        mean = (state * mask).sum(1) / mask.sum(1).clamp(min=1)
        highest = (state * mask + (1 - mask) * LOWEST).amax(1)
        parts = [mean, highest, *([_last(state, length)] if self.in_time else [])]
        made: Tensor = self.dropout(torch.cat(parts, dim=1))
        return made

    def states(self, tokens: Tensor, length: Tensor) -> Tensor:
        """(B, T, states_width): what is known at every place; padding holds anything."""
        turned = _turned(tokens, length)
        read = state = self.dropout(self._thinned(self.vectors(tokens)))
        for number, cells in enumerate(self.layers):
            state = self.dropout(state) if number else state
            forwards, *backwards = cells.children()
            parts = [forwards(state)[0]]
            parts += [_reordered(cell(_reordered(state, turned))[0], turned) for cell in backwards]
            state = torch.cat(parts, dim=2)
        return torch.cat([state, read], dim=2)

    def _thinned(self, vectors: Tensor) -> Tensor:
        """Whole tokens left out while training: no single word may carry the answer."""
        if not self.training or not self.token_dropout:
            return vectors
        kept = torch.rand(vectors.shape[:2], device=vectors.device) >= self.token_dropout
        return vectors * kept.unsqueeze(-1) / (1 - self.token_dropout)


def encoder(options: Recurrent, feature: Any, name: str = "gru") -> nn.Module:
    """A text or a sequence read by the cell of this name."""
    return Encoder(options, name, feature)


def _last(state: Tensor, length: Tensor) -> Tensor:
    """(B, width) at each row's last step that is there."""
    places = (length - 1).clamp(min=0).reshape(-1, 1, 1).expand(-1, 1, state.shape[2])
    return state.gather(1, places).squeeze(1)


def _turned(tokens: Tensor, length: Tensor) -> Tensor:
    """(B, T): place t of a row reversed within its length; padding stays where it is."""
    places = torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0)
    back = length.unsqueeze(1) - 1 - places
    return torch.where(back >= 0, back, places.expand_as(back))


def _reordered(state: Tensor, places: Tensor) -> Tensor:
    """(B, T, width) with the places of each row in this order."""
    return state.gather(1, places.unsqueeze(-1).expand(-1, -1, state.shape[2]))


def _started(cell: nn.RNNBase) -> nn.RNNBase:
    """Xavier from the input, orthogonal from the state (Saxe et al. 2014); an LSTM's forget gate starts open (Gers)."""
    for name, weight in cell.named_parameters():
        if "weight_ih" in name:
            nn.init.xavier_uniform_(weight)
        elif "weight_hh" in name:
            for gate in torch.split(weight.detach(), cell.hidden_size):
                nn.init.orthogonal_(gate)
        else:
            nn.init.zeros_(weight)
    if isinstance(cell, nn.LSTM):
        bias: Tensor = cell.get_parameter("bias_ih_l0").detach()
        bias[cell.hidden_size : 2 * cell.hidden_size] = 1.0
    return cell
