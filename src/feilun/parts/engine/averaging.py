"""Averages of the weights over the training: judged and kept in place of the last ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from feilun.core.recipe import Train
from feilun.parts.engine import weights

SWA_FROM = 0.75  # share of all epochs after which their ends are averaged


class Average:
    """The average of the weights of all players so far; empty before the first.

    ema  a += (1 - d) (w - a) after every step, where d = min(average_decay, (1 + t) / (10 + t)) after t steps, so that
         the untrained start does not weigh on short runs (Polyak & Juditsky 1992 in the exponential form)
    swa  the mean of the weights at the ends of the last quarter of all epochs (Izmailov et al. 2018)
    Batch norms' statistics: ema follows them as it follows weights; swa measures them anew, see `remeasured`.
    """

    def __init__(self, plan: Train, networks: Mapping[str, nn.Module]) -> None:
        self.plan, self.networks = plan, networks
        self.tensors: dict[str, Tensor] = {}
        self.count = 0  # of what went into it

    def after_step(self, step: int) -> None:
        """step: steps made so far."""
        if self.plan.average == "ema":
            self._towards(1 - min(self.plan.average_decay, (1 + step) / (10 + step)))
            self.count += 1

    def after_epoch(self, epochs: int) -> bool:
        """epochs: made so far. Returns whether this end went into the average."""
        if self.plan.average != "swa" or epochs <= SWA_FROM * self.plan.epochs:
            return False
        self.count += 1
        self._towards(1 / self.count)
        return True

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The networks hold the average inside, if there is one."""
        if not self.tensors:
            yield
            return
        live = weights.copies(self.networks)
        weights.put(self.networks, self.tensors, "the average")
        try:
            yield
        finally:
            weights.put(self.networks, live, "the weights")

    @torch.no_grad()
    def _towards(self, share: float) -> None:
        if not self.tensors:
            self.tensors = weights.copies(self.networks)
            return
        live = weights.named(self.networks)
        floats = [name for name, tensor in live.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([self.tensors[name] for name in floats], [live[name].detach() for name in floats], share)
        for name in live.keys() - set(floats):
            self.tensors[name].copy_(live[name])


def remeasured(networks: Mapping[str, nn.Module], run: Callable[[], None], but: Collection[nn.Module] = ()) -> None:
    """Measure the statistics of batch norms anew, as the mean over the batches that `run` passes through them.

    but: frozen ones, which keep theirs.
    """
    parts = [part for network in networks.values() for part in network.modules() if part not in but]
    norms = [part for part in parts if isinstance(part, _BatchNorm)]
    if not norms:
        return
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean
    try:
        with torch.no_grad():
            run()
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
