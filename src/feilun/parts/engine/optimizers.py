"""The update rules by name, and the L1 and L2 penalties."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from feilun.core.recipe import Train

EPSILON = 1e-8


def make(plan: Train, parameters: Sequence[Tensor]) -> Optimizer:
    """The optimizer of one player.

    sgd       θ -= α g
    momentum  v = β v + g, θ -= α v: the classical form (Polyak 1964), whose steps are 1/(1-β) longer in the long run
              than those of v = β v + (1-β) g
    rmsprop   v = β v + (1-β) g², then θ -= α g / (√v + ε): Hinton 2012; β is `train.momentum`, 0.9 as in the lecture
    adam      Kingma & Ba 2015, algorithm 1, bias-corrected, ε outside the root
    adamw     the same with θ -= α·weight_decay·θ first: Loshchilov & Hutter 2019. Only weights decay, see `weights`
    """
    rate = plan.learning_rate
    match plan.optimizer:
        case "sgd":
            return SGD(parameters, lr=rate, fused=True)
        case "momentum":
            return SGD(parameters, lr=rate, momentum=plan.momentum, fused=True)
        case "rmsprop":
            return RMSprop(parameters, lr=rate, alpha=plan.momentum, eps=EPSILON, foreach=True)
        case "adam":
            return Adam(parameters, lr=rate, betas=plan.betas, eps=EPSILON, fused=True)
        case "adamw":
            return AdamW(_groups(plan, parameters), lr=rate, betas=plan.betas, eps=EPSILON, fused=True)


def weights(parameters: Sequence[Tensor]) -> list[Tensor]:
    """What penalties and decay act on: matrices and kernels. Biases and norms, which have one axis, are left free."""
    return [parameter for parameter in parameters if parameter.ndim >= 2]


@torch.no_grad()
def add_penalties(parameters: Sequence[Tensor], l1: float, l2: float) -> None:
    """Add the gradient of l1·Σ|w| + l2/2·Σw², that is l1·sign(w) + l2·w, to the gradients. 0 has slope 0."""
    pairs = [(parameter, parameter.grad) for parameter in parameters if parameter.grad is not None]
    if not pairs:
        return
    held, gradients = [parameter for parameter, _ in pairs], [gradient for _, gradient in pairs]
    if l2:
        torch._foreach_add_(gradients, held, alpha=l2)
    if l1:
        torch._foreach_add_(gradients, torch._foreach_sign(held), alpha=l1)


def _groups(plan: Train, parameters: Sequence[Tensor]) -> list[dict[str, object]]:
    decayed = weights(parameters)
    free = [parameter for parameter in parameters if parameter.ndim < 2]
    groups = [(decayed, plan.weight_decay), (free, 0.0)]
    return [{"params": some, "weight_decay": decay} for some, decay in groups if some]
