"""Reader: an encoder's state at every token of a question and a passage, and how well an answer starts and ends there.

The start and the end of the best span, or the first token for none: Devlin et al. 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from feilun.core.errors import RecipeError
from feilun.parts.models import fused, initial, pretrained, stems

if TYPE_CHECKING:
    from feilun.core.recipe import Model

LOWEST = -1e4  # the score of a place where no answer may be; it survives half precision
KINDS = 3  # of tokens: of the question, of the passage, of the passage and in the question too
TOKENS_AT_ONCE = 1024  # that go through the network together on a CPU while training; like lengths together


class Network(nn.Module):
    """forward(window int64 (B, T, 2), window_length) -> starts, ends (B, T): scores, place 0 for no answer.

    window: of each token its number and its kind, see `ops.reading.windows`.
    """

    def __init__(self, encoder: Any, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        self.is_published = isinstance(encoder, pretrained.Encoder)
        if not self.is_published:
            encoder.vectors = Marked(encoder.vectors)
        self.dropout = nn.Dropout(dropout)
        # Without a bias: the same for all places, it changes no probability, and would learn rounding errors.
        self.head = nn.Linear(int(encoder.states_width), 2, bias=False)
        initial.start(self.head, "linear")

    def forward(self, window: Tensor, window_length: Tensor) -> dict[str, Tensor]:
        """Padding changes no answer."""
        tokens, kinds = window.unbind(2)
        read: Any = self.encoder.states
        if self.is_published:
            states = read(tokens, window_length, kinds.clamp(max=1))
        else:
            states = read(tokens * KINDS + kinds, window_length)
        places = torch.arange(window.shape[1], device=window.device).unsqueeze(0)
        may = ((kinds > 0) | (places == 0)) & (stems.present(tokens, window_length) > 0)
        starts, ends = self.head(self.dropout(states)).masked_fill(~may.unsqueeze(2), LOWEST).unbind(2)
        return {"starts": starts, "ends": ends}


class Marked(nn.Module):
    """Vectors of tokens with one of their kind added: whether a token is asked, told, or both (Chen et al. 2017).

    int64 (B, T), number * KINDS + kind -> (B, T, width).
    """

    def __init__(self, vectors: nn.Embedding) -> None:
        super().__init__()
        self.vectors = vectors
        self.kinds = nn.Embedding(KINDS, vectors.embedding_dim)
        nn.init.normal_(self.kinds.weight, std=vectors.embedding_dim**-0.5)

    def forward(self, marked: Tensor) -> Tensor:
        """Each kind has a vector of its own."""
        made: Tensor = self.vectors(marked // KINDS) + self.kinds(marked % KINDS)
        return made


def build(model: Model, feature: Any) -> Network:
    """The recipe's encoder with two scores a token. feature: of a text.  Raises RecipeError for one without states."""
    encoder = fused.encoder(model, feature)
    if not hasattr(encoder, "states"):
        raise RecipeError(
            f"model {model.name} knows nothing of single tokens, and an answer is some of them. Take transformer, lstm "
            "or gru, or published weights.",
            where="model.name",
            expected="transformer, lstm, gru or pretrained",
            got=str(model.name),
            fix="model: transformer",
        )
    options = {name: model.options[name] for name in ("dropout",) if model.options.get(name) is not None}
    return Network(encoder, **options)


def loss(network: Callable[..., dict[str, Tensor]], batch: Mapping[str, Tensor]) -> Tensor:
    """(B,): minus the mean log-probability that an answer starts, and ends, where a right one does; any of several.

    batch: window, window_length; firsts, lasts: ragged int64 (B, A), places of the window, 0 for none; their lengths.
    On a CPU windows of like length go through the network together, as padding costs as much as text there.
    """
    window, length = batch["window"], batch["window_length"]
    parts = -(-window.shape[0] * window.shape[1] // TOKENS_AT_ONCE) if window.device.type == "cpu" else 1
    if parts == 1 or window.shape[0] == 1:
        return _loss(network, batch)
    order = length.argsort(stable=True)
    losses = []
    for rows in order.tensor_split(min(parts, len(order))):
        part = {name: values[rows] for name, values in batch.items()}
        part["window"] = part["window"][:, : int(part["window_length"].max())]
        losses.append(_loss(network, part))
    return torch.cat(losses)[order.argsort(stable=True)]


def _loss(network: Callable[..., dict[str, Tensor]], batch: Mapping[str, Tensor]) -> Tensor:
    made = network(window=batch["window"], window_length=batch["window_length"])
    starts = _missed(made["starts"], batch["firsts"], batch["firsts_length"])
    return (starts + _missed(made["ends"], batch["lasts"], batch["lasts_length"])) / 2


def _missed(scores: Tensor, places: Tensor, count: Tensor) -> Tensor:
    """(B,): minus the log-probability of all these places together."""
    right = scores.log_softmax(1).gather(1, places)
    right = right.masked_fill(stems.present(places, count) == 0, LOWEST)
    return -right.logsumexp(1)
