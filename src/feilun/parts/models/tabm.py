"""TabM: many MLPs in one over tables; they share their weights, each sees the inputs scaled in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.parts.models import initial, stems

LEAST = 1e-7  # a mean chance of exactly 0 or 1 would have an infinite logit


@dataclass(frozen=True, kw_only=True)
class Tabm:
    """Options of the family (Gorishniy et al. 2024, the small form of BatchEnsemble: Wen et al. 2020)."""

    members: int = 16  # networks in one
    width: int = 192  # units of each hidden layer
    depth: int = 2  # hidden layers
    dropout: float = 0.1  # share of hidden units left out while training
    embedding: int = 16  # width of the vector that each number becomes


MODEL = Tabm
KINDS = ("number", "category", "image", "text")


class Columns(nn.Module):
    """float (B, numbers) -> (B, columns * embedding): a hidden layer of its own for every number column.

    A column may be several numbers: its pieces, and whether it is missing (piecewise linear: Gorishniy et al. 2022).
    One matrix with zeros between the columns: quicker than a matrix for each.
    """

    def __init__(self, owners: Sequence[str], embedding: int) -> None:
        super().__init__()
        names = list(dict.fromkeys(owners))
        place = torch.tensor([names.index(owner) for owner in owners])
        column = torch.arange(len(names)).repeat_interleave(embedding)
        mine = (column.unsqueeze(1) == place.unsqueeze(0)).to(torch.float32)
        self.register_buffer("mine", mine, persistent=False)
        near = mine.sum(1).clamp(min=1).rsqrt()
        self.weight = nn.Parameter((torch.rand_like(mine) * 2 - 1) * near.unsqueeze(1) * mine)
        self.bias = nn.Parameter((torch.rand(len(mine)) * 2 - 1) * near)
        self.width = len(mine)

    def forward(self, values: Tensor, length: Tensor | None = None) -> Tensor:
        """(B, numbers) -> (B, width)."""
        return functional.linear(values, self.weight * self.mine, self.bias).relu()


class Members(nn.Module):
    """(B, inputs) -> (B, members, width): the same layers for all, behind scales of each member's own."""

    def __init__(self, options: Tabm, inputs: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(options.members, inputs))
        parts: list[nn.Module] = []
        for number in range(options.depth):
            layer = nn.Linear(options.width if number else inputs, options.width)
            initial.start(layer, "relu")
            parts += [layer, nn.ReLU(), nn.Dropout(options.dropout)]
        self.layers = nn.Sequential(*parts)
        self.width = options.width if options.depth else inputs

    def forward(self, joined: Tensor) -> Tensor:
        """(B, inputs) -> (B, members, width)."""
        made: Tensor = self.layers(joined.unsqueeze(1) * self.scale)
        return made


class Answers(nn.Module):
    """(B, members, width) -> (B, members, outputs) while training: each member learns from its own mistakes.

    In evaluation (B, outputs), what all of them say together: mean chances as logits, or mean numbers.
    """

    def __init__(self, options: Tabm, width: int, outputs: int, output: str) -> None:
        super().__init__()
        reach = width**-0.5
        self.weight = nn.Parameter((torch.rand(options.members, width, outputs) * 2 - 1) * reach)
        self.bias = nn.Parameter(torch.zeros(options.members, outputs))
        self.output = output

    def forward(self, state: Tensor) -> Tensor:
        """A member's answer is its own row of weights."""
        made = (state.transpose(0, 1) @ self.weight).transpose(0, 1) + self.bias
        return made if self.training else together(made, self.output)


def together(made: Tensor, output: str) -> Tensor:
    """(B, members, outputs) -> (B, outputs): logits of one label (softmax), marks (sigmoid each) or plain numbers."""
    if output == "logits":
        return made.softmax(2).mean(1).clamp(min=LEAST).log()
    if output == "marks":
        chance = made.sigmoid().mean(1).clamp(LEAST, 1 - LEAST)
        return chance.log() - (1 - chance).log()
    return made.mean(1)


def encoder(options: Tabm, feature: Any) -> nn.Module:
    """Numbers through a layer of their own; the plain encoder for every other kind."""
    if feature.kind == "number":
        return Columns(feature.owners, options.embedding)
    return stems.plain(feature)


def trunk(options: Tabm, inputs: int) -> nn.Module:
    """What comes after the inputs are joined."""
    return Members(options, inputs)


def head(options: Tabm, width: int, outputs: int, output: str) -> nn.Module:
    """The members' answers."""
    return Answers(options, width, outputs, output)
