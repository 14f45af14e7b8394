"""The losses of networks that compare: what belongs to a row must be found among all that is in the batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

NOWHERE = -1e9  # likeness of what is not there
FACTOR = 6364136223846793005  # odd: Knuth's multiplier of a linear congruential generator modulo 2^64


def contrastive(one: Tensor, other: Tensor, temperature: float = 0.1) -> Tensor:
    """NT-Xent: each of two views of a row must find the other among all views of the batch. Chen et al. 2020.

    one, other: (B, width), of any length. Returns the mean of both directions, (B,).
    """
    rows = len(one)
    views = functional.normalize(torch.cat([one, other]), dim=1)
    likeness = (views @ views.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(2 * rows, device=views.device).roll(rows)
    return functional.cross_entropy(likeness, partner, reduction="none").reshape(2, rows).mean(0)


def found(likeness: Tensor, right: Tensor, wrong: Tensor) -> Tensor:
    """InfoNCE (van den Oord et al. 2018; in-batch negatives: Henderson et al. 2017). Returns (B,).

    likeness: (B, M), already divided by the temperature.  right, wrong: bool (B, M): what must be found, and among
    what; the rest counts for nothing.  Of several right ones each is looked for among the wrong ones alone; the mean.
    """
    others = likeness.masked_fill(~wrong, NOWHERE).logsumexp(1, keepdim=True)
    lost = functional.softplus(others - likeness)  # -log of e^right / (e^right + the sum over all wrong ones)
    return (lost * right).sum(1) / right.sum(1).clamp(min=1)


def same(tokens: Tensor) -> Tensor:
    """int64 (B,): a number by which equal rows of tokens (B, T) are told, however far they are padded with 0."""
    powers = torch.full((tokens.shape[1],), FACTOR, dtype=torch.int64, device=tokens.device).cumprod(0)
    return (tokens.to(torch.int64) * powers).sum(1)  # modulo 2^64
