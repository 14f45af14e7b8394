"""Stochastic depth: while training, a row goes around a residual branch now and then (Huang et al. 2016)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class DropPath(nn.Module):
    """A residual branch, 0 for a share of the rows, and the others larger by as much, so that its mean stays."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, branch: Tensor) -> Tensor:
        """(B, ...) -> the same."""
        if not self.training or not self.share:
            return branch
        ones = branch.new_ones((len(branch), *(1 for _ in branch.shape[1:])))
        return branch * functional.dropout(ones, self.share)


def rising(last: float, layers: int) -> list[float]:
    """Shares of the layers, from last / layers of the first to `last`: what lies deeper is left out more often."""
    return [last * (place + 1) / layers for place in range(layers)]
