"""The one training loop: every task and every way of training goes through `fit`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from feilun.core.errors import FeilunError, InputError, Stopped
from feilun.core.recipe import Train
from feilun.parts.engine import checkpoints, interrupts, optimizers, randomness, weights
from feilun.parts.engine.batches import gatherer
from feilun.parts.engine.plan import Batch, Fitted, Index, Learning, Progress, Run
from feilun.parts.engine.randomness import Stream
from feilun.parts.engine.schedule import learning_rate

DRAWN_EVERY_S = 0.2  # a progress line changes at most so often


def fit(
    networks: Mapping[str, nn.Module],
    arrays: Mapping[str, Any],
    index: Index,
    learning: Learning,
    plan: Train,
    run: Run | None = None,
) -> Fitted:
    """Train the players in place, going on from the checkpoint in `run.folder` if there is one.

    networks: {player: network}.  arrays: {batch name: ndarray (N, ...) or Ragged}, possibly memory-mapped.
    One step = one batch = one turn of one player.  An epoch is one pass over `index.train`, dealt into
    ceil(N / batch_size) batches whose sizes differ by one at most (no stray batch of one row).
    Raises InputError if the loss stops being a number or a checkpoint cannot be written, IntegrityError if the
    checkpoint is damaged, Stopped after Ctrl-C or SIGTERM, with a checkpoint made.
    """
    run = run or Run()
    if not len(index.train):
        raise InputError("There are no training rows. Give more data, or smaller shares in data.split.", where="data")
    loop = _Loop(networks, arrays, index, learning, plan, run)
    with _threads(plan.threads), _generator_restored(), interrupts.watched() as stop:
        loop.resume()
        loop.train(stop)
    return loop.finish()


class _Loop:
    """One training under way. A class because resume, train and finish share a dozen values; nothing else sees it."""

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        arrays: Mapping[str, Any],
        index: Index,
        learning: Learning,
        plan: Train,
        run: Run,
    ) -> None:
        self.networks, self.index, self.learning, self.plan, self.run = dict(networks), index, learning, plan, run
        self.gather = gatherer(arrays)
        self.row_weights = None if index.weights is None else torch.from_numpy(index.weights.astype(np.float32))
        self.steps_per_epoch = math.ceil(len(index.train) / plan.batch_size)
        self.steps = self.steps_per_epoch * plan.epochs
        players = dict.fromkeys(learning.turns)
        self.parameters = {
            player: [parameter for parameter in self.networks[player].parameters() if parameter.requires_grad]
            for player in players
        }
        self.weights = {player: optimizers.weights(self.parameters[player]) for player in players}
        self.optimizers = {
            player: optimizers.make(plan, self.parameters[player], _vectors(self.networks[player]))
            for player in players
        }
        self.learner = ""
        self.generator = torch.Generator()
        self.progress = Progress()
        self.order = torch.zeros(0, dtype=torch.int64)
        self.saved_step = 0
        self.threads = torch.get_num_threads()

    def resume(self) -> None:
        """Take over the checkpoint, if there is one."""
        found = checkpoints.read(self.run.folder) if self.run.folder else None
        if found is None:
            return
        tensors, progress = found
        weights.put(self.networks, _under("weights/", tensors), str(self.run.folder))
        checkpoints.put_optimizers(self.optimizers, tensors)
        self.progress = Progress(**progress, best=_under("best/", tensors))
        self.saved_step = self.progress.step
        if self.progress.step % self.steps_per_epoch:
            self._start_epoch()
        self.run.say.line(f"Going on from step {self.progress.step:,} of {self.steps:,}.")

    def train(self, stop: interrupts.Stop) -> None:
        """Steps until the last one, until validation says enough, or until somebody stops it."""
        now = self.progress
        self.threads = torch.get_num_threads()
        started = drawn = checkpointed = tick = time.monotonic()
        first = now.step
        while now.step < self.steps and not self._had_enough() and not self._is_late():
            if now.step % self.steps_per_epoch == 0:
                self._start_epoch()
            self._step(now.step)
            now.step += 1
            tick, before = time.monotonic(), tick
            now.seconds += tick - before
            now.spent_s += tick - before
            if now.step % self.steps_per_epoch == 0 or self._is_late():
                self._end_epoch()
                tick, before = time.monotonic(), tick  # rows/s is about training: validation is not counted
                now.spent_s += tick - before
            if tick - drawn >= DRAWN_EVERY_S or now.step == self.steps:
                drawn = tick
                self._draw((tick - started) / (now.step - first))
            if stop.asked:
                self._stop()
            if self.run.folder and tick - checkpointed >= self.plan.checkpoint_s:
                self._checkpoint()
                checkpointed = tick = time.monotonic()

    def finish(self) -> Fitted:
        """Put the best weights back and say what came of it."""
        now = self.progress
        if now.best:
            weights.put(self.networks, now.best, "the best weights")
        for parameters in self.parameters.values():
            for parameter in parameters:
                parameter.requires_grad_(True)
        for network in self.networks.values():
            network.eval()
        rates = sorted(point["rows_per_s"] for point in now.curves)
        return Fitted(
            epochs=len(now.curves),
            best_epoch=now.best_epoch or len(now.curves),
            steps=now.step,
            parameters=sum(tensor.numel() for tensor in _parameters(self.networks)),
            rows_per_s=rates[len(rates) // 2],
            threads=self.threads,
            curves=tuple(now.curves),
            in_time=not self._is_late(),
        )

    def _start_epoch(self) -> None:
        epoch = self.progress.step // self.steps_per_epoch
        self.order = randomness.epoch_order(self.index.train, self.run.seed, epoch, self.index.chances)
        for network in self.networks.values():
            network.train()

    def _step(self, step: int) -> None:
        player = self.learning.turns[step % len(self.learning.turns)]
        rows = self._rows(step)
        batch = self._batch(step, rows)
        randomness.seed_networks(self.run.seed, step)
        if len(self.parameters) > 1 and player != self.learner:
            self._only(player)
        losses = self.learning.objective(self.networks, batch, player)
        if losses.ndim != 1:
            raise FeilunError(f"The objective must return one loss per row, (B,); it returned {tuple(losses.shape)}.")
        losses = self._weighted(losses, rows)
        loss = losses.mean()
        value = loss.item()
        if not math.isfinite(value):
            self._not_a_number(value, "loss")
        loss.backward()  # type: ignore[no-untyped-call]
        self._update(player, step)
        now = self.progress
        now.sums[player] = now.sums.get(player, 0.0) + value * len(losses)
        now.rows[player] = now.rows.get(player, 0) + len(losses)

    def _rows(self, step: int) -> Tensor:
        """Numbers of the examples in batch k of the epoch's order."""
        number, rows = step % self.steps_per_epoch, len(self.order)
        return self.order[number * rows // self.steps_per_epoch : (number + 1) * rows // self.steps_per_epoch]

    def _weighted(self, losses: Tensor, rows: Tensor) -> Tensor:
        """Each row's loss times its weight, in validation too: what decides when to stop is what is learnt."""
        return losses if self.row_weights is None else losses * self.row_weights[rows]

    def _batch(self, step: int, rows: Tensor) -> Batch:
        """These examples, with noise and augmentation of this step."""
        batch = self.gather(rows)
        if self.learning.noise:
            self.generator.manual_seed(randomness.mix(self.run.seed, Stream.NOISE, step))
            batch.update(randomness.noise(self.learning.noise, len(rows), self.generator))
        if self.learning.augment is not None:
            self.generator.manual_seed(randomness.mix(self.run.seed, Stream.AUGMENTATION, step))
            batch = self.learning.augment(batch, self.generator)
        return batch

    def _update(self, player: str, step: int) -> None:
        """Penalties, clipping and one step of the player's optimizer at the rate of this step."""
        plan = self.plan
        if plan.l1 or plan.l2:
            optimizers.add_penalties(self.weights[player], plan.l1, plan.l2)
        if plan.clip is not None:
            length = clip_grad_norm_(self.parameters[player], plan.clip).item()
            if not math.isfinite(length):
                self._not_a_number(length, "gradient's length")
        rate = self.run.rates[step] if self.run.rates else learning_rate(plan, step, self.steps)
        for optimizer in self.optimizers[player]:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def _only(self, player: str) -> None:
        """Gradients for the player whose turn it is alone: the others' would be computed in vain and pile up."""
        self.learner = player
        for other, parameters in self.parameters.items():
            for parameter in parameters:
                parameter.requires_grad_(other == player)
        for parameter in self.parameters[player]:  # again, for what two players share
            parameter.requires_grad_(True)

    def _end_epoch(self) -> None:
        now = self.progress
        losses = {player: total / now.rows[player] for player, total in now.sums.items()}
        validation_loss = self._validate()
        rows = sum(now.rows.values())
        point: dict[str, Any] = {
            "epoch": len(now.curves) + 1,
            "loss": sum(now.sums.values()) / rows,
            "validation_loss": validation_loss,
            "rows_per_s": round(rows / max(now.seconds, 1e-9), 1),
            "learning_rate": learning_rate(self.plan, now.step - 1, self.steps),
        }
        now.curves.append({**point, "losses": losses} if len(losses) > 1 else point)
        now.sums, now.rows, now.seconds = {}, {}, 0.0
        if validation_loss is not None and self.plan.patience is not None:
            now.waited += 1
            if now.best_loss is None or validation_loss < now.best_loss:
                now.best_loss, now.best_epoch, now.waited = validation_loss, len(now.curves), 0
                now.best = weights.copies(self.networks)
        if self.run.watch is not None and now.step < self.steps and self.run.watch(now.curves, self.plan.epochs):
            self._stop()

    def _validate(self) -> float | None:
        """Mean loss of the validation rows in eval mode, with the same noise every time; None where it says nothing."""
        rows = torch.from_numpy(self.index.validation)
        if not self.learning.early_stop or not len(rows):
            return None
        for network in self.networks.values():
            network.eval()
        total = 0.0
        with torch.no_grad():
            for number, part in enumerate(torch.split(rows, max(256, self.plan.batch_size))):
                batch = self.gather(part)
                self.generator.manual_seed(randomness.mix(self.run.seed, Stream.VALIDATION, number))
                batch.update(randomness.noise(self.learning.noise, len(part), self.generator))
                torch.default_generator.manual_seed(randomness.mix(self.run.seed, Stream.VALIDATION, number))
                for player in self.parameters:
                    losses = self.learning.objective(self.networks, batch, player)
                    total += self._weighted(losses, part).sum().item()
        loss = total / len(rows) / len(self.parameters)
        if not math.isfinite(loss):
            self._not_a_number(loss, "validation loss")
        return loss

    def _is_late(self) -> bool:
        """Whether the time limit is over; epochs were cut to fit, so only a slower machine gets here."""
        limit = self.plan.time_limit_s
        return limit is not None and self.progress.spent_s >= limit and self.progress.step < self.steps

    def _had_enough(self) -> bool:
        return self.plan.patience is not None and self.progress.waited >= self.plan.patience

    def _draw(self, step_s: float) -> None:
        now = self.progress
        rows = sum(now.rows.values())
        last = now.curves[-1] if now.curves else {}
        self.run.say.progress(
            "train",
            epoch=min(now.step // self.steps_per_epoch + 1, self.plan.epochs),
            of=self.plan.epochs,
            loss=sum(now.sums.values()) / rows if rows else last.get("loss"),
            validation_loss=last.get("validation_loss"),
            rows_per_s=rows / now.seconds if rows and now.seconds else last.get("rows_per_s"),
            left_s=(self.steps - now.step) * step_s,
        )

    def _stop(self) -> None:
        now, again = self.progress, self.run.again
        if self.run.folder:
            self._checkpoint()
        raise Stopped(
            f"Stopped after step {now.step:,} of {self.steps:,} (epoch {now.step // self.steps_per_epoch + 1}). "
            f"Type {again} to go on from there.",
            where="train",
            fix=again,
        )

    def _checkpoint(self) -> None:
        now = self.progress
        live = weights.named(self.networks)
        if self.run.folder is None or now.step == self.saved_step:
            return
        if not all(bool(torch.isfinite(tensor).all()) for tensor in live.values()):
            self._not_a_number(math.nan, "weights")
        tensors = {f"weights/{name}": tensor.detach().contiguous() for name, tensor in live.items()}
        tensors |= {f"best/{name}": tensor for name, tensor in now.best.items()}
        checkpoints.write(
            self.run.folder,
            now.step,
            tensors | checkpoints.optimizer_tensors(self.optimizers),
            now.to_json(),
        )
        self.saved_step = now.step

    def _not_a_number(self, value: float, what: str) -> None:
        rate = self.plan.learning_rate
        kept = f" The checkpoint of step {self.saved_step} is kept." if self.saved_step else ""
        raise InputError(
            f"The {what} became {value} at step {self.progress.step + 1} (epoch {len(self.progress.curves) + 1})."
            f"{kept} Lower train.learning_rate (now {rate}), set train.clip (now {self.plan.clip}), "
            "or look for extreme values in the inputs.",
            where="train.learning_rate",
            expected=f"a finite {what}",
            got=str(value),
            fix=f"train.learning_rate: {rate / 10:g}",
        )


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _generator_restored() -> Iterator[None]:
    before = torch.default_generator.get_state()
    try:
        yield
    finally:
        torch.default_generator.set_state(before)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _vectors(network: nn.Module) -> set[int]:
    """Ids of the weights that are looked up by number: a row each, no matrix that multiplies."""
    return {id(module.weight) for module in network.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)}


def _parameters(networks: Mapping[str, nn.Module]) -> list[nn.Parameter]:
    return list({id(p): p for network in networks.values() for p in network.parameters()}.values())
