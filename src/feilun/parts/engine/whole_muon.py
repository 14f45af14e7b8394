"""Muon with products in fp32, for processors that do not multiply bf16: torch's own are in bf16 everywhere."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.optim import Muon

ROUNDS = 5
FACTORS = (3.4445, -4.7750, 2.0315)  # of X, X X^T X and (X X^T)^2 X, by Jordan et al. 2024
TINY = 1e-7


class WholeMuon(Muon):
    """As torch's, with the lengths of steps that AdamW's would have: 0.2 √max(rows, columns) (Liu et al. 2025)."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step of every matrix that has a gradient. closure: not called, as nothing here asks twice for a loss."""
        for group in self.param_groups:
            rate, kept = float(group["lr"]), float(group["momentum"])
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(matrix.grad, memory_format=torch.preserve_format)
                moving = state["momentum_buffer"].lerp_(matrix.grad, 1 - kept)
                matrix.mul_(1 - rate * group["weight_decay"])
                turned = orthogonal(matrix.grad.lerp(moving, kept))
                matrix.add_(turned, alpha=-0.2 * math.sqrt(max(matrix.shape)) * rate)


def orthogonal(matrix: Tensor) -> Tensor:
    """(M, N) -> about the nearest matrix whose singular values are alike, between 0.7 and 1.2."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    made: Tensor = wide / wide.norm().clamp(min=TINY)
    once, cubed, fifth = FACTORS
    for _ in range(ROUNDS):
        gram = made @ made.T
        made = torch.addmm(made, torch.addmm(gram, gram, gram, beta=cubed, alpha=fifth), made, beta=once)
    return made if matrix.shape[0] <= matrix.shape[1] else made.T
