"""The plain encoders of each kind of column: what `linear` and `mlp` read, and what the others put beside their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.core.errors import RecipeError
from feilun.parts.models import initial

ONE_HOT = 64  # values of a category up to which it is one-hot for a linear model; beyond, a learnt vector
LINEAR_WIDTH = 16


class Numbers(nn.Module):
    """float (B, width) as it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, values: Tensor, length: Tensor | None = None) -> Tensor:
        """(B, width) -> (B, width)."""
        return values


class Categories(nn.Module):
    """int64 (B, columns): a learnt vector per value; or one-hot, which keeps a linear model linear."""

    def __init__(self, sizes: tuple[int, ...], width: Callable[[int], int], *, one_hot: bool = False) -> None:
        super().__init__()
        plain = [size if one_hot and size <= ONE_HOT else 0 for size in sizes]
        self.one_hot = tuple(plain)
        widths = [size or width(real) for size, real in zip(plain, sizes, strict=True)]
        self.vectors = nn.ModuleList(
            nn.Identity() if size else _embedding(real, wide)
            for size, real, wide in zip(plain, sizes, widths, strict=True)
        )
        self.width = sum(widths)

    def forward(self, values: Tensor, length: Tensor | None = None) -> Tensor:
        """(B, columns) -> (B, width)."""
        parts = []
        for place, vectors in enumerate(self.vectors):
            column, size = values[:, place], self.one_hot[place]
            parts.append(functional.one_hot(column, size).to(torch.float32) if size else vectors(column))
        return torch.cat(parts, dim=1)


class Pixels(nn.Module):
    """A picture as one long row of numbers, moved from [0, 1] to [-1, 1]."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.width = math.prod(shape)

    def forward(self, picture: Tensor, length: Tensor | None = None) -> Tensor:
        """(B, channels, height, width) -> (B, all of them)."""
        return picture.flatten(1) * 2 - 1


class MeanTokens(nn.Module):
    """The mean of a text's token vectors."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.vectors = _embedding(vocabulary, width)
        self.width = width

    def forward(self, tokens: Tensor, length: Tensor | None = None) -> Tensor:
        """int64 (B, T), lengths (B,) -> (B, width); padding counts for nothing."""
        mask = present(tokens, length).unsqueeze(-1)
        mean: Tensor = (self.vectors(tokens) * mask).sum(1) / mask.sum(1).clamp(min=1)
        return mean


def present(tokens: Tensor, length: Tensor | None) -> Tensor:
    """float (B, T): 1 where a row has a token or a step, 0 where it is padded."""
    if length is None:
        return torch.ones(tokens.shape[:2], dtype=torch.float32, device=tokens.device)
    places = torch.arange(tokens.shape[1], device=tokens.device)
    return (places.unsqueeze(0) < length.unsqueeze(1)).to(torch.float32)


def steps(feature: Any, width: int) -> nn.Module:
    """What makes vectors of a ragged input's steps: of tokens int64 (B, T), or of numbers float (B, T, channels)."""
    if feature.kind == "sequence":
        layer = nn.Linear(feature.channels, width)
        initial.start(layer, "linear")
        return layer
    return _embedding(feature.vocabulary_size, width)


def plain(feature: Any, *, embedding: int | None = None, one_hot: bool = False) -> nn.Module:
    """The plain encoder of a feature's kind. embedding: width of token and category vectors; None: by their number.

    Raises RecipeError for a kind that these networks do not read.
    """
    if feature.kind in ("number", "time"):
        return Numbers(feature.width)
    if feature.kind == "category":
        width = (lambda size: LINEAR_WIDTH) if one_hot else (lambda size: embedding or category_width(size))
        return Categories(tuple(feature.sizes), width, one_hot=one_hot)
    if feature.kind == "image":
        return Pixels(feature.shape)
    if feature.kind == "text":
        return MeanTokens(feature.vocabulary_size, embedding or 64)
    raise RecipeError(
        f"No network here reads a column of kind {feature.kind!r}. Drop it, or give it another kind.",
        where=f"inputs.{feature.columns[0]}.kind",
        expected="number, time, category, text or image",
        got=feature.kind,
        fix=f"data.drop: [{feature.columns[0]}]",
    )


def category_width(size: int) -> int:
    """Width of the vectors of a category with so many values: 1.6 size^0.56, at most 64 (as fast.ai found by trial)."""
    return min(64, max(2, int(1.6 * float(size) ** 0.56 + 0.5)))


def _embedding(rows: int, width: int) -> nn.Embedding:
    """Vectors of length about 1, whatever their width."""
    made = nn.Embedding(rows, width)
    nn.init.normal_(made.weight, std=width**-0.5)
    return made
