"""The update rules by name, and the L1 and L2 penalties."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Muon, Optimizer, RMSprop

from feilun.core.recipe import Train
from feilun.parts.engine.execution import multiplies_bf16
from feilun.parts.engine.whole_muon import WholeMuon

EPSILON = 1e-8
AS_ADAMW = "match_rms_adamw"  # length of muon's steps


def make(plan: Train, parameters: Sequence[Tensor], looked_up: Collection[int] = ()) -> tuple[Optimizer, ...]:
    """The optimizers of one player, each for some of its parameters. looked_up: ids of embeddings' weights.

    sgd       θ -= α g.  A batch of all rows is batch gradient descent, of one row the stochastic kind
    momentum  v = β v + g, θ -= α v: the classical form (Polyak 1964), whose steps are 1/(1-β) longer in the long run
              than those of v = β v + (1-β) g
    nesterov  v = β v + g, θ -= α (g + β v): Nesterov 1983 as Sutskever et al. 2013 write it, after one step's shift
    adagrad   v += g², θ -= α g / (√v + ε): Duchi, Hazan & Singer 2011
    rmsprop   v = β v + (1-β) g², then θ -= α g / (√v + ε): Hinton 2012; β is `train.momentum`, 0.9 as in the lecture
    adam      Kingma & Ba 2015, algorithm 1, bias-corrected, ε outside the root
    adamw     the same with θ -= α·weight_decay·θ first: Loshchilov & Hutter 2019. Only weights decay, see `weights`
    muon      for matrices: Nesterov's momentum, made orthogonal by five Newton-Schulz steps, 0.2 √max(rows, columns)
              long, so that rate and decay are those of adamw (Jordan et al. 2024; Liu et al. 2025); everything else,
              and embeddings, by adamw
    """
    rate, fused = plan.learning_rate, not plan.shard  # torch fuses only Adam and AdamW for divided weights
    match plan.optimizer:
        case "sgd":
            return (SGD(parameters, lr=rate, fused=fused),)
        case "momentum" | "nesterov":
            return (
                SGD(parameters, lr=rate, momentum=plan.momentum, nesterov=plan.optimizer == "nesterov", fused=fused),
            )
        case "adagrad":
            on_cpu = all(one.device.type == "cpu" for one in parameters)  # torch fuses it for no GPU
            return (Adagrad(parameters, lr=rate, eps=EPSILON, fused=fused and on_cpu),)
        case "rmsprop":
            return (RMSprop(parameters, lr=rate, alpha=plan.momentum, eps=EPSILON, foreach=True),)
        case "adam":
            return (Adam(parameters, lr=rate, betas=plan.betas, eps=EPSILON, fused=True),)
        case "adamw":
            return (_adamw(plan, parameters),)
        case "muon":
            matrices = [one for one in parameters if one.ndim == 2 and id(one) not in looked_up]
            chosen = {id(one) for one in matrices}
            others = [one for one in parameters if id(one) not in chosen]
            decay, beta = plan.weight_decay, plan.momentum
            kind = Muon if all(multiplies_bf16(one.device) for one in matrices) else WholeMuon
            about: dict[str, Any] = {"lr": rate, "weight_decay": decay, "momentum": beta, "adjust_lr_fn": AS_ADAMW}
            return (*([kind(matrices, **about)] if matrices else []), *([_adamw(plan, others)] if others else []))


def grade(optimizers: Sequence[Optimizer], scales: Mapping[int, float]) -> None:
    """Give each parameter its share of the rate: groups by `scale`, which whoever sets the rate multiplies by it.

    scales: {id of a parameter: its share}.
    """
    for optimizer in optimizers:
        made = []
        for group in optimizer.param_groups:
            rest = {key: value for key, value in group.items() if key != "params"}
            by_scale: dict[float, list[Tensor]] = {}
            for parameter in group["params"]:
                by_scale.setdefault(scales.get(id(parameter), 1.0), []).append(parameter)
            made += [{**rest, "params": some, "scale": scale} for scale, some in by_scale.items()]
        optimizer.param_groups[:] = made


def vectors(network: nn.Module) -> set[int]:
    """Ids of the weights that are looked up by number: a row each, no matrix that multiplies."""
    return {id(module.weight) for module in network.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)}


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


def _adamw(plan: Train, parameters: Sequence[Tensor]) -> AdamW:
    decayed = weights(parameters)
    free = [parameter for parameter in parameters if parameter.ndim < 2]
    groups = [(decayed, plan.weight_decay), (free, 0.0)]
    named: list[dict[str, object]] = [{"params": some, "weight_decay": decay} for some, decay in groups if some]
    return AdamW(named, lr=plan.learning_rate, betas=plan.betas, eps=EPSILON, fused=True)
