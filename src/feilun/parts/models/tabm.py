"""TabM: many MLPs in one over tables; they share their weights, and each sees the first layer scaled in its own way."""

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
    """Options of the family (Gorishniy et al. 2024, a small form of BatchEnsemble: Wen et al. 2020)."""

    members: int = 16  # networks in one
    width: int = 192  # units of each hidden layer
    depth: int = 2  # hidden layers, at least one
    dropout: float = 0.1  # share of hidden units left out while training
    embedding: int = 16  # width of the vector that each number becomes


MODEL = Tabm
KINDS = ("number", "category", "time", "image", "text")


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
        self.mine: Tensor
        self.register_buffer("mine", mine, persistent=False)
        near = mine.sum(1).clamp(min=1).rsqrt()
        self.weight = nn.Parameter((torch.rand_like(mine) * 2 - 1) * near.unsqueeze(1) * mine)
        self.bias = nn.Parameter((torch.rand(len(mine)) * 2 - 1) * near)
        self.width = len(mine)

    def forward(self, values: Tensor, length: Tensor | None = None) -> Tensor:
        """(B, numbers) -> (B, width)."""
        return functional.linear(values, self.weight * self.mine, self.bias).relu()


class Members(nn.Module):
    """(B, inputs) -> (B, members, width): layers shared by all, but each member scales and shifts the first in its way.

    The paper scales the inputs instead. As good, measured on California housing, and the first layer, often the
    widest, is computed once and not once for each member.
    """

    def __init__(self, options: Tabm, inputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, options.width, bias=False)
        initial.start(self.first, "relu")
        self.scale = nn.Parameter(torch.randn(options.members, options.width))
        self.shift = nn.Parameter((torch.rand(options.members, options.width) * 2 - 1) * inputs**-0.5)
        parts: list[nn.Module] = [nn.ReLU(), Dropout(options.dropout)]
        for _ in range(options.depth - 1):
            layer = nn.Linear(options.width, options.width)
            initial.start(layer, "relu")
            parts += [layer, nn.ReLU(), Dropout(options.dropout)]
        self.layers = nn.Sequential(*parts)
        self.width = options.width

    def forward(self, joined: Tensor) -> Tensor:
        """(B, inputs) -> (B, members, width)."""
        made: Tensor = self.layers(self.first(joined).unsqueeze(1) * self.scale + self.shift)
        return made


class Dropout(nn.Module):
    """Units left out while training, the same for all members of a row: drawing for each took a third of the time."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, state: Tensor) -> Tensor:
        """(B, members, width) -> the same shape."""
        if not self.training or not self.share:
            return state
        return state * functional.dropout(torch.ones_like(state[:, :1]), self.share)


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
        """Each member has its own weights. Einsum, since int8 runtimes refuse a batch of matrices as weights."""
        made = torch.einsum("bkw,kwo->bko", state, self.weight) + self.bias
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
    if feature.kind in ("number", "time") and hasattr(feature, "owners"):
        return Columns(feature.owners, options.embedding)
    return stems.plain(feature)


def trunk(options: Tabm, inputs: int) -> nn.Module:
    """What comes after the inputs are joined."""
    return Members(options, inputs)


def head(options: Tabm, width: int, outputs: int, output: str) -> nn.Module:
    """The members' answers."""
    return Answers(options, width, outputs, output)
