"""Linear: one layer from the inputs to the answer: linear, logistic and softmax regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from feilun.parts.models import stems


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Numbers as they are, categories one-hot (over 64 values: a vector), pictures as pixels, texts as mean vectors.

    How numbers are encoded is theirs to say: `transform: standard` under inputs gives the textbook's straight line;
    left out, large tables get a line that bends at quantiles.
    """

    embedding: int = 64  # width of a token's vector


MODEL = Linear
KINDS = ("number", "time", "category", "image", "text")


def encoder(options: Linear, feature: Any) -> nn.Module:
    """The plain encoder of each kind."""
    return stems.plain(feature, embedding=options.embedding, one_hot=True)
