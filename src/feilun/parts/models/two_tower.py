"""Two towers: users and items as vectors whose product says how well they go together, and an item's own appeal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoTower:
    """width: numbers in a vector.  dropout: share of them left out while training."""

    width: int = 32
    dropout: float = 0.2


MODEL = TwoTower


class Network(nn.Module):
    """Number 0 is an unknown user or item; a vector ends in 1 or the appeal, so that one product adds it."""

    def __init__(self, options: TwoTower, users: int, items: int) -> None:
        super().__init__()
        self.items = items
        self.user = nn.Embedding(users, options.width, padding_idx=0)
        self.item = nn.Embedding(items, options.width, padding_idx=0)
        self.appeal = nn.Embedding(items, 1, padding_idx=0)
        self.dropout = nn.Dropout(options.dropout)
        for table, spread in ((self.user, 0.1), (self.item, 0.1), (self.appeal, 0.0)):
            nn.init.normal_(table.weight, std=spread)
            with torch.no_grad():
                table.weight[0] = 0.0

    def forward(self, user: Tensor, item: Tensor, drawn: Tensor) -> dict[str, Tensor]:
        """How well users go with the item they took and with others drawn evenly from all.

        user, item: int64 (B, 1).  drawn: N(0, 1), (B, others).  Returns scores (B, 1 + others), the taken item first;
        an item drawn by accident that is the taken one scores minus infinity.
        """
        share = 0.5 * (1 + torch.erf(drawn * 0.5**0.5))  # evenly in (0, 1)
        others = 1 + (share * (self.items - 1)).long().clamp(0, max(self.items - 2, 0))
        vectors = self.of_items(torch.cat([item, others], dim=1))
        scores = (vectors * self.of_users(user)[:, None]).sum(-1)
        again = functional.pad(others == item, (1, 0))
        return {"scores": scores.masked_fill(again, -torch.inf)}

    def of_users(self, user: Tensor) -> Tensor:
        """int64 (B, 1) -> (B, width + 1)."""
        vector: Tensor = self.dropout(self.user(user[:, 0]))
        return torch.cat([vector, torch.ones_like(vector[:, :1])], dim=1)

    def of_items(self, item: Tensor) -> Tensor:
        """int64 (...) -> (..., width + 1)."""
        return torch.cat([self.item(item), self.appeal(item)], dim=-1)


class Users(nn.Module):
    """The user tower alone."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, user: Tensor) -> dict[str, Tensor]:
        """int64 (B, 1) -> vector (B, width + 1)."""
        return {"vector": self.network.of_users(user)}


class Items(nn.Module):
    """The item tower alone."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, item: Tensor) -> dict[str, Tensor]:
        """int64 (N, 1) -> vector (N, width + 1)."""
        return {"vector": self.network.of_items(item[:, 0])}


def loss(scores: Tensor, item: Tensor) -> Tensor:
    """(B,): sampled softmax, the cross-entropy of the taken item against those drawn; 0 for an unknown item."""
    lost = functional.cross_entropy(scores, torch.zeros_like(item[:, 0]), reduction="none")
    return lost * (item[:, 0] > 0)
