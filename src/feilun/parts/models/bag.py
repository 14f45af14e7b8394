"""Bag: the weighted sum of the vectors of a text's words, word pairs and runs of characters; learns from few texts."""

from __future__ import annotations

import math
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
    """int64 (B, T) and lengths -> (B, width); padding counts for nothing.

    A token counts by how rare it is, and a text's weights have length 1 (Salton & Buckley 1988). Tokens are numbered
    from the commonest on, and by Zipf's law the log of that place rises with the log of inverse document frequency.
    """

    def __init__(self, options: Bag, vocabulary: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(vocabulary, options.width)
        nn.init.normal_(self.vectors.weight, std=START * options.width**-0.5)
        rarity = torch.log(torch.arange(vocabulary) + math.e)
        self.register_buffer("rarity", rarity, persistent=False)  # follows from the vocabulary's size
        self.rarity: Tensor
        self.token_dropout = options.token_dropout
        self.width = options.width

    def forward(self, tokens: Tensor, length: Tensor) -> Tensor:
        """The weighted sum over the tokens that are there; while training over those that are left."""
        weights = stems.present(tokens, length) * self.rarity[tokens]
        if self.training and self.token_dropout:
            weights = weights * (torch.rand_like(weights) >= self.token_dropout)
        # A product of matrices, not a sum of products: it needs no second (B, T, width).
        total: Tensor = (weights.unsqueeze(1) @ self.vectors(tokens)).squeeze(1)
        return total / weights.square().sum(1, keepdim=True).sqrt().clamp(min=1)


def encoder(options: Bag, feature: Any) -> nn.Module:
    """A text as the weighted sum of its tokens' vectors."""
    return Encoder(options, feature.vocabulary_size)
