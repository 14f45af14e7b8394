"""Bag: the mean vector of a text's words, word pairs and runs of characters; trained in seconds, good on few texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from feilun.parts.models import stems

START = 0.1  # length of a vector before training: what teaches nothing stays small


@dataclass(frozen=True, kw_only=True)
class Bag:
    """Options of the family (fastText: Joulin et al. 2016, Bojanowski et al. 2017).

    Its texts are encoded with `tokens: grams` where the recipe does not say otherwise.
    """

    width: int = 16  # of the vector of each token
    token_dropout: float = 0.3  # share of tokens left out while training


MODEL = Bag
KINDS = ("text",)


class Encoder(nn.Module):
    """int64 (B, T) and lengths -> (B, width); padding counts for nothing."""

    def __init__(self, options: Bag, vocabulary: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(vocabulary, options.width)
        nn.init.normal_(self.vectors.weight, std=START * options.width**-0.5)
        self.token_dropout = options.token_dropout
        self.width = options.width

    def forward(self, tokens: Tensor, length: Tensor) -> Tensor:
        """The mean over the tokens that are there; while training over those that are left."""
        mask = stems.present(tokens, length)
        if self.training and self.token_dropout:
            mask = mask * (torch.rand_like(mask) >= self.token_dropout)
        # A product of matrices, not a sum of products: it needs no second (B, T, width).
        total: Tensor = (mask.unsqueeze(1) @ self.vectors(tokens)).squeeze(1)
        return total / mask.sum(1, keepdim=True).clamp(min=1)


def encoder(options: Bag, feature: Any) -> nn.Module:
    """A text as the mean of its tokens' vectors."""
    return Encoder(options, feature.vocabulary_size)
