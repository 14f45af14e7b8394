"""One batch: forward, backward and update, in the precision and on the device of the plan."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from feilun.core.recipe import Train
from feilun.parts.engine import bare, compiling, execution, layers, mixing, optimizers, weights
from feilun.parts.engine.freezing import Freezing
from feilun.parts.engine.gradients import Gradients
from feilun.parts.engine.group import Group, apart
from feilun.parts.engine.plan import Batch, Learning
from feilun.parts.engine.profiling import TOGETHER, Profile

FEW_STEPS = 1000  # too few to win back what compiling takes


class NotFiniteError(Exception):
    """A loss or a gradient that is no number any more. what: which, as people call it."""

    def __init__(self, what: str, value: float) -> None:
        super().__init__(what)
        self.what, self.value = what, value


class Stepper:
    """The networks as they learn, and their optimizers. A class because every step needs the same dozen things."""

    def __init__(self, networks: Mapping[str, nn.Module], learning: Learning, plan: Train, group: Group) -> None:
        self.given, self.learning, self.plan, self.group = networks, learning, plan, group
        self.device = execution.device(plan.device)
        self.channels_last = execution.channels_last(plan, networks.values(), self.device)
        for network in networks.values():
            network.to(self.device)
            if self.channels_last:
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if plan.shard:
            from feilun.parts.engine import sharding  # a second of imports

            networks = sharding.sharded(networks, plan, self.device)
        self.networks = networks
        self.called: Mapping[str, Callable[..., Any]] = networks
        self.objective = learning.objective
        self.undo = execution.recomputed(networks.values()) if plan.recompute else None
        self.freezing = Freezing(networks, plan)
        never = self.freezing.ids if plan.unfreeze is None else set()
        self.parameters = {
            player: [p for p in networks[player].parameters() if p.requires_grad and id(p) not in never]
            for player in dict.fromkeys(learning.turns)
        }
        self.weights = {player: optimizers.weights(own) for player, own in self.parameters.items()}
        self.optimizers = {
            player: optimizers.make(plan, own, optimizers.vectors(networks[player]))
            for player, own in self.parameters.items()
        }
        if plan.layer_decay < 1:
            for player, own in self.optimizers.items():
                optimizers.grade(own, layers.scales(networks[player], plan.layer_decay))
        together = group.size > 1 and not plan.shard  # divided networks add up their gradients themselves
        self.gradients = {player: Gradients(own) for player, own in self.parameters.items()} if together else {}
        self.scaler = torch.amp.GradScaler(self.device.type) if plan.precision == "fp16" else None
        self.waits = self.device.type != "cpu"  # asking a GPU for a number makes it wait
        self.learner = ""
        self.buffers = [
            tensor
            for tensor in weights.named(networks).values()
            if not isinstance(tensor, nn.Parameter) and tensor.is_floating_point()
        ]
        self.profile = Profile(plan.profile and group.writes, self.device)
        self.held: set[int] = set()  # ids of what is frozen now

    def begin(self, epoch: int) -> None:
        """Training mode for this epoch, counted from 0; what is frozen in it stands still."""
        for network in self.networks.values():
            network.train()
        self.freezing.begin(epoch)
        self.held = self.freezing.ids if self.freezing.holds(epoch) else set()
        self.learner = ""

    def step(self, player: str, batch: Batch, counts: Tensor | None, rate: float, rows: int) -> Tensor:
        """Learn from our part of one batch at this rate; the mean loss of the whole batch, a tensor of no axes.

        counts: float (B,), how many times each row's loss counts.  rows: of the batch in all processes together.
        Raises NotFiniteError.
        """
        if len(self.parameters) > 1 and player != self.learner:
            self._only(player)
        mean = torch.zeros((), device=self.device)
        parts = min(self.plan.accumulate, rows // self.group.size)
        for number, (part, counted) in enumerate(_parts(batch, counts, parts), 1):
            with self.profile.part("forward"):
                losses = self.losses(player, part, counted)
            loss = losses.mean() if len(losses) == rows else losses.sum() / rows
            if self.group.size == 1:
                self._check(loss)
            if number == parts and self.gradients:
                self.gradients[player].listen()
            with self.profile.part("backward"):
                torch.autograd.backward(loss if self.scaler is None else self.scaler.scale(loss))
            mean += loss.detach()
        if self.group.size > 1:
            with self.profile.part(TOGETHER):
                self._together(player, mean)
        with self.profile.part("optimizer"):
            self._update(player, rate)
        return mean

    def compile(self, first: Callable[[], Batch], steps: int, folder: Path | None) -> None:
        """Compile networks and objective from now on, if the plan says so, or if it pays over so many steps."""
        auto = self.plan.compile == "auto"
        if self.plan.compile == "never" or (auto and (steps < FEW_STEPS or self.plan.shard)):
            return
        placed = execution.placed(first(), self.device, last=self.channels_last)

        fast = functools.cache(lambda: compiling.compiled_objective(self.learning.objective, self.plan))

        def loss(called: Mapping[str, Callable[..., Any]]) -> Tensor:
            objective = self.objective if called is self.networks else fast()
            with execution.cast(self.plan, self.device):
                each = [objective(called, placed, player).mean() for player in self.parameters]
            return torch.stack(each).sum()

        def pays() -> bool:
            with apart():  # an objective may ask the other processes, who do not measure
                return compiling.pays(self.networks, loss, steps, folder)

        if not auto or self.group.decided(pays):
            self.called, self.objective = compiling.compiled(self.networks), fast()

    def losses(self, player: str, batch: Batch, counts: Tensor | None) -> Tensor:
        """The loss of every row, (B,), times how often it counts: in validation too, as that decides when to stop."""
        placed = execution.placed(batch, self.device, last=self.channels_last)
        with execution.cast(self.plan, self.device):
            return mixing.losses(self.objective, self.called, placed, player, counts)

    def finish(self) -> None:
        """Leave the networks as a caller expects them: on the CPU, all learning, in eval mode."""
        if self.undo is not None:
            self.undo()
        for parameters in self.parameters.values():
            for parameter in parameters:
                parameter.requires_grad_(True)
        self.freezing.finish()
        if self.plan.shard:
            from feilun.parts.engine import sharding

            sharding.gather(self.networks, self.given)
        for network in self.given.values():
            network.to("cpu")
            if self.channels_last:
                network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
            network.eval()

    def _check(self, loss: Tensor) -> None:
        if not self.waits and not math.isfinite(loss.item()):
            raise NotFiniteError("loss", loss.item())

    def _together(self, player: str, mean: Tensor) -> None:
        """What several processes have found becomes one: gradients, loss, and buffers such as running means."""
        if self.gradients:
            self.gradients[player].add_up()
        self._check(self.group.add(mean))
        self.group.share(self.buffers)

    def _update(self, player: str, rate: float) -> None:
        """Penalties, clipping and one step of the player's optimizers."""
        plan, scaler = self.plan, self.scaler
        if scaler is not None:
            for optimizer in self.optimizers[player]:
                scaler.unscale_(optimizer)
        if plan.l1 or plan.l2:
            optimizers.add_penalties(self.weights[player], plan.l1, plan.l2)
        if plan.clip is not None:
            length = clip_grad_norm_(self.parameters[player], plan.clip)
            length = getattr(length, "full_tensor", lambda: length)()  # of divided gradients
            if not self.waits and scaler is None and not math.isfinite(length.item()):
                raise NotFiniteError("gradient's length", length.item())
        for optimizer in self.optimizers[player]:
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("scale", 1.0)
            if scaler is None:
                bare.step(optimizer)
            else:
                scaler.step(optimizer)
            optimizer.zero_grad(set_to_none=True)
        if scaler is not None:
            scaler.update()

    def _only(self, player: str) -> None:
        """Gradients for the player whose turn it is alone: the others' would be computed in vain and pile up."""
        self.learner = player
        for other, parameters in self.parameters.items():
            for parameter in parameters:
                parameter.requires_grad_(other == player and id(parameter) not in self.held)
        for parameter in self.parameters[player]:  # again, for what two players share
            parameter.requires_grad_(id(parameter) not in self.held)


def _parts(batch: Batch, counts: Tensor | None, parts: int) -> Iterator[tuple[Batch, Tensor | None]]:
    """The batch in so many parts whose sizes differ by one at most."""
    if parts == 1:
        yield batch, counts
        return
    rows = len(next(iter(batch.values())))
    for part in range(parts):
        some = slice(part * rows // parts, (part + 1) * rows // parts)
        yield {name: tensor[some] for name, tensor in batch.items()}, None if counts is None else counts[some]
