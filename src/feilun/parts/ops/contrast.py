"""The loss of networks that compare: two views of a row must find each other among all views of the batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def contrastive(one: Tensor, other: Tensor, temperature: float = 0.1) -> Tensor:
    """NT-Xent: each of two views of a row must find the other among all views of the batch. Chen et al. 2020.

    one, other: (B, width), of any length. Returns the mean of both directions, (B,).
    """
    rows = len(one)
    views = functional.normalize(torch.cat([one, other]), dim=1)
    likeness = (views @ views.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(2 * rows, device=views.device).roll(rows)
    return functional.cross_entropy(likeness, partner, reduction="none").reshape(2, rows).mean(0)
