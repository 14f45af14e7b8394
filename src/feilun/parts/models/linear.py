"""Linear: one layer from the inputs to the answer: linear, logistic and softmax regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from feilun.parts.models import stems


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Numbers as they are, categories one-hot (beyond 64 values a vector), pictures as pixels, texts as mean vectors."""

    embedding: int = 64  # width of a token's vector


MODEL = Linear
KINDS = ("number", "category", "image", "text")


def encoder(options: Linear, feature: Any) -> nn.Module:
    """The plain encoder of each kind."""
    return stems.plain(feature, embedding=options.embedding, one_hot=True)
