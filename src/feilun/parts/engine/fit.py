"""The one training loop: every task and every way of training goes through `fit`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from feilun.core.errors import InputError, Stopped
from feilun.core.recipe import Train
from feilun.parts.engine import (
    bare,
    checkpoints,
    compiling,
    divergence,
    execution,
    group,
    heap,
    interrupts,
    memory,
    mixing,
    randomness,
    weights,
)
from feilun.parts.engine.averaging import Average, remeasured
from feilun.parts.engine.batches import gatherer
from feilun.parts.engine.plan import Batch, Fitted, Index, Learning, Progress, Run
from feilun.parts.engine.randomness import Buffer, Stream
from feilun.parts.engine.schedule import cuts, learning_rate
from feilun.parts.engine.stepping import NotFiniteError, Stepper
from feilun.parts.engine.watching import Curves

DRAWN_EVERY_S = 0.2  # a progress line changes at most so often
ASKED_EVERY = 32  # steps after which a GPU is asked for their losses
NORM_BATCHES = 100  # over which batch norms are measured for averaged weights


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
    ceil(N / batch_size) batches whose sizes differ by one at most (no stray batch of one row). No epoch: no step.
    Raises InputError if the loss stops being a number or a checkpoint cannot be written, IntegrityError if the
    checkpoint is damaged, Stopped after Ctrl-C or SIGTERM, with a checkpoint made.
    """
    run = run or Run()
    if not len(index.train):
        raise InputError("There are no training rows. Give more data, or smaller shares in data.split.", where="data")
    with (
        execution.threads(plan.threads),
        heap.kept(),
        bare.optimizers(),
        randomness.generator_restored(),
        interrupts.watched() as stop,
    ):
        loop = _Loop(networks, arrays, index, learning, plan, run)
        for line in execution.notes(plan, loop.stepper.device, streamed=loop.gather.buffer is not None):
            run.say.line(line)
        with memory.told(plan), compiling.told():
            loop.resume()
            loop.compile()
            left = loop.steps - loop.progress.step
            with loop.curves.over(loop.progress.step), loop.profile.over(left, loop.run.folder):
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
        self.index, self.learning, self.plan, self.run = index, learning, plan, run
        self.group = group.current()
        self.gather = gatherer(arrays, self.group.decided(lambda: memory.for_rows(plan.memory_mb)))
        self.lengths = self.gather.lengths if plan.group_by_length else None
        self.row_weights = None if index.weights is None else torch.from_numpy(index.weights.astype(np.float32))
        self.steps_per_epoch = math.ceil(len(index.train) / plan.batch_size)
        self.steps = self.steps_per_epoch * plan.epochs
        self.stepper = Stepper(dict(networks), learning, plan, self.group)
        self.networks = self.stepper.networks
        self.profile = self.stepper.profile
        self.average = Average(plan, self.networks)
        self.generator = torch.Generator()
        self.progress = Progress(buffer=self.gather.buffer)
        self.curves = Curves(run.watchers, run.say)
        self.order = torch.zeros(0, dtype=torch.int64)
        self.cuts = 0
        self.waiting: list[tuple[str, Tensor, int]] = []  # losses that the GPU has not been asked for
        self.threads = torch.get_num_threads()

    def resume(self) -> None:
        """Take over the checkpoint, if there is one."""
        likes = checkpoints.likes(self.networks, self.stepper.optimizers) if self.plan.shard else {}
        found = checkpoints.read(self.run.folder, self.run.say, likes) if self.run.folder else None
        self.group.check_alike(found[1]["step"] if found else 0, self.run.folder)
        if found is None:
            return
        tensors, progress = found
        weights.put(self.networks, checkpoints.under("weights/", tensors), str(self.run.folder))
        checkpoints.put_optimizers(self.stepper.optimizers, tensors)
        self.progress = Progress(**progress, best=checkpoints.under("best/", tensors), saved=progress["step"])
        self.progress.buffer = self.progress.buffer and Buffer(*self.progress.buffer)
        self.average.tensors = {
            name: tensor.to(self.stepper.device) for name, tensor in checkpoints.under("average/", tensors).items()
        }
        self.average.count = self.progress.averaged
        if self.stepper.scaler is not None:
            self.stepper.scaler.load_state_dict(self.progress.scaler)
        if self.progress.step % self.steps_per_epoch:
            self._start_epoch()
        self.run.say.line(f"Going on from step {self.progress.step:,} of {self.steps:,}.")

    def compile(self) -> None:
        """Compile the networks where that pays, which a batch of the first rows tells."""
        self.order = torch.from_numpy(self.index.train) if not len(self.order) else self.order
        self.stepper.compile(lambda: self._batch(0, self._rows(0)), self.steps, self.run.folder)

    def train(self, stop: interrupts.Stop) -> None:
        """Steps until the last one, until validation says enough, or until somebody stops it."""
        now = self.progress
        started = drawn = checkpointed = tick = time.monotonic()
        first = now.step
        while now.step < self.steps and not self._had_enough() and not self._is_late():
            if now.step % self.steps_per_epoch == 0:
                self._start_epoch()
            with self.profile.part("step"):
                self._step(now.step)
            now.step += 1
            tick, before = time.monotonic(), tick
            now.seconds += tick - before
            now.spent_s += tick - before
            self.profile.stepped()
            if now.step % self.steps_per_epoch == 0 or self._is_late():
                with self.profile.part("waiting"):
                    self._end_epoch()
                tick, before = time.monotonic(), tick  # rows/s is about training: validation is not counted
                now.spent_s += tick - before
                stop.asked |= self._is_watched()
            if tick - drawn >= DRAWN_EVERY_S or now.step == self.steps:
                drawn = tick
                with self.profile.part("waiting"):
                    self._draw((tick - started) / (now.step - first))
            stopped, due = self.group.anywhere(stop.asked, tick - checkpointed >= self.plan.checkpoint_s)
            if stopped:
                self._stop()
            if self.run.folder and due:
                with self.profile.part("waiting"):
                    self._checkpoint()
                checkpointed = tick = time.monotonic()

    def finish(self) -> Fitted:
        """Put the best weights back, or the average, and say what came of it."""
        now = self.progress
        if now.best:
            weights.put(self.networks, now.best, "the best weights")
        elif self.average.tensors:
            weights.put(self.networks, self.average.tensors, "the average")
            self._measure_norms()
        self.stepper.finish()
        rates = sorted(point["rows_per_s"] for point in now.curves)
        return Fitted(
            epochs=len(now.curves),
            best_epoch=now.best_epoch or len(now.curves),
            steps=now.step,
            parameters=sum(tensor.numel() for tensor in _parameters(self.networks, self.stepper.parameters)),
            rows_per_s=rates[len(rates) // 2] if rates else 0.0,
            threads=self.threads,
            curves=tuple(now.curves),
            device=self.stepper.device.type,
            compiled=self.stepper.called is not self.networks,
            profile=self.profile.result(),
            in_time=not self._is_late(),
        )

    def _start_epoch(self) -> None:
        epoch, number = divmod(self.progress.step, self.steps_per_epoch)
        buffer = self.progress.buffer
        self.order = randomness.epoch_order(self.index.train, self.run.seed, epoch, self.index.chances, buffer)
        self.order = randomness.grouped(self.order, self.lengths, self.steps_per_epoch, self.run.seed, epoch)
        self.gather.follow(self.order, number * len(self.order) // self.steps_per_epoch, buffer)
        self.cuts = cuts([point["validation_loss"] or point["loss"] for point in self.progress.curves])
        self.stepper.begin(epoch)

    def _step(self, step: int) -> None:
        player = self.learning.turns[step % len(self.learning.turns)]
        rows = self._rows(step)
        with self.profile.part("data"):
            batch = self._batch(step, rows, mix=bool(self.plan.mixup or self.plan.cutmix))
            counts = self._counts(rows[self.group.part(len(rows))])
        randomness.seed_networks(self.run.seed, step, self.group.rank)
        spread = len(rows) * self.group.holders(len(rows))
        try:
            loss = self.stepper.step(player, batch, counts, self._rate(step), spread)
        except NotFiniteError as error:
            raise divergence.not_finite(error.what, error.value, self.progress, self.plan) from None
        self.average.after_step(step + 1)
        self.waiting.append((player, loss, len(rows)))
        if not self.stepper.waits or len(self.waiting) >= ASKED_EVERY or (step + 1) % self.steps_per_epoch == 0:
            self._count()

    def _count(self) -> None:
        """Add the losses that are waiting to the epoch's sums."""
        now = self.progress
        for player, loss, rows in self.waiting:
            value = loss.item()
            if not math.isfinite(value):
                raise divergence.not_finite("loss", value, now, self.plan)
            now.sums[player] = now.sums.get(player, 0.0) + value * rows
            now.rows[player] = now.rows.get(player, 0) + rows
            self.curves.add(value, rows)
            if self.learning.early_stop:
                divergence.watch(now, value, self.plan)
        self.waiting.clear()

    def _rate(self, step: int) -> float:
        return self.run.rates[step] if self.run.rates else learning_rate(self.plan, step, self.steps, self.cuts)

    def _rows(self, step: int) -> Tensor:
        """Numbers of the examples in batch k of the epoch's order."""
        number, rows = step % self.steps_per_epoch, len(self.order)
        return self.order[number * rows // self.steps_per_epoch : (number + 1) * rows // self.steps_per_epoch]

    def _counts(self, rows: Tensor) -> Tensor | None:
        return None if self.row_weights is None else self.row_weights[rows]

    def _batch(self, step: int, rows: Tensor, *, mix: bool = False) -> Batch:
        """Our part of these examples; noise, augmentation and mixing of this step are drawn for all of them."""
        part, seed, noise = self.group.part(len(rows)), self.run.seed, Batch()
        if self.learning.noise:
            self.generator.manual_seed(randomness.mix(seed, Stream.NOISE, step))
            noise = randomness.noise(self.learning.noise, len(rows), self.generator)
        if self.learning.augment is None and not mix and self.gather.buffer is None:  # no row needs the others
            return self.gather(rows[part]) | {name: tensor[part] for name, tensor in noise.items()}
        batch = self.gather(rows) | noise
        if self.learning.augment is not None:
            self.generator.manual_seed(randomness.mix(seed, Stream.AUGMENTATION, step))
            batch = self.learning.augment(batch, self.generator)
        if mix:
            drawn = randomness.mix(seed, Stream.MIXING, step)
            batch = mixing.mixed(batch, self._counts(rows), self.learning, self.plan, drawn)
        return {name: tensor[part] for name, tensor in batch.items()}

    def _end_epoch(self) -> None:
        self._count()
        now = self.progress
        losses = {player: total / now.rows[player] for player, total in now.sums.items()}
        averaged = self.average.after_epoch(len(now.curves) + 1)
        with self.average.in_place():
            if averaged:
                self._measure_norms()
            validation_loss = self._validate()
            rows = sum(now.rows.values())
            point: dict[str, Any] = {
                "epoch": len(now.curves) + 1,
                "loss": sum(now.sums.values()) / rows,
                "validation_loss": validation_loss,
                "rows_per_s": round(rows / max(now.seconds, 1e-9), 1),
                "learning_rate": self._rate(now.step - 1),
            }
            now.curves.append({**point, "losses": losses} if len(losses) > 1 else point)
            self.curves.epoch(now.step, now.curves[-1])
            now.sums, now.rows, now.seconds = {}, {}, 0.0
            divergence.watch_epoch(now, validation_loss, self.plan)
            if validation_loss is None or self.plan.patience is None:
                return
            now.waited += 1 if len(now.curves) >= (self.plan.unfreeze or 0) else 0  # the rest is still to learn
            if now.best_loss is None or validation_loss < now.best_loss:
                now.best_loss, now.best_epoch, now.waited = validation_loss, len(now.curves), 0
                now.best = weights.copies(self.networks)

    def _measure_norms(self) -> None:
        """Statistics of batch norms for averaged weights, over the first batches of this epoch's order."""
        if self.plan.average != "swa":
            return

        self.gather.follow(self.order, 0, self.progress.buffer)

        def run() -> None:
            self.stepper.begin(len(self.progress.curves))
            for number in range(min(NORM_BATCHES, self.steps_per_epoch)):
                step = self.progress.step - self.steps_per_epoch + number
                rows = self._rows(step)
                randomness.seed_networks(self.run.seed, step, self.group.rank)
                for player in self.stepper.parameters:
                    self.stepper.losses(player, self._batch(step, rows), None)

        frozen = self.stepper.freezing.norms if self.plan.unfreeze is None else ()
        remeasured(self.networks, run, frozen)
        self.group.share(self.stepper.buffers)

    def _validate(self) -> float | None:
        """Mean loss of the validation rows in eval mode, with the same noise every time; None where it says nothing."""
        rows = randomness.grouped(torch.from_numpy(self.index.validation), self.lengths, 1)
        if not self.learning.early_stop or not len(rows):
            return None
        for network in self.networks.values():
            network.eval()
        total = 0.0
        with torch.no_grad():
            for number, whole in enumerate(torch.split(rows, max(256, self.plan.batch_size))):
                mine, times = self.group.part(len(whole)), self.group.holders(len(whole))
                batch = self.gather(whole[mine])
                self.generator.manual_seed(randomness.mix(self.run.seed, Stream.VALIDATION, number))
                noise = randomness.noise(self.learning.noise, len(whole), self.generator)
                batch.update({name: tensor[mine] for name, tensor in noise.items()})
                randomness.seed_networks(self.run.seed, number, stream=Stream.VALIDATION)
                for player in self.stepper.parameters:
                    total += self.stepper.losses(player, batch, self._counts(whole[mine])).sum().item() / times
        loss = self.group.total(total) / len(rows) / len(self.stepper.parameters)
        if not math.isfinite(loss):
            raise divergence.not_finite("validation loss", loss, self.progress, self.plan)
        return loss

    def _is_watched(self) -> bool:
        """Whether somebody who watches the epochs says that it shall stop here."""
        now, watch = self.progress, self.run.watch
        return watch is not None and now.step < self.steps and watch(now.curves, self.plan.epochs)

    def _is_late(self) -> bool:
        """Whether the time limit is over; epochs were cut to fit, so only a machine that got slower comes here."""
        limit_s, now = self.plan.time_limit_s, self.progress
        if limit_s is None:
            return False
        return self.group.anywhere(now.spent_s >= limit_s and now.step < self.steps)[0]

    def _had_enough(self) -> bool:
        return self.plan.patience is not None and self.progress.waited >= self.plan.patience

    def _draw(self, step_s: float) -> None:
        now = self.progress
        rows = sum(now.rows.values())
        last = now.curves[-1] if now.curves else {}
        rows_per_s = rows / now.seconds if rows and now.seconds else last.get("rows_per_s")
        self.curves.step(now.step, self._rate(now.step - 1), rows_per_s)
        self.run.say.progress(
            "train",
            epoch=min(now.step // self.steps_per_epoch + 1, self.plan.epochs),
            of=self.plan.epochs,
            loss=sum(now.sums.values()) / rows if rows else last.get("loss"),
            validation_loss=last.get("validation_loss"),
            rows_per_s=rows_per_s,
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
        self._count()
        live = weights.named(self.networks)
        if self.run.folder is None or now.step == now.saved:
            return
        if self.group.anywhere(not weights.finite(live))[0]:
            raise divergence.not_finite("weights", math.nan, now, self.plan)
        now.averaged = self.average.count
        now.scaler = self.stepper.scaler.state_dict() if self.stepper.scaler is not None else {}
        tensors = {f"weights/{name}": tensor.detach().contiguous() for name, tensor in live.items()}
        tensors |= {f"best/{name}": tensor for name, tensor in now.best.items()}
        tensors |= {f"average/{name}": tensor for name, tensor in self.average.tensors.items()}
        tensors |= checkpoints.optimizer_tensors(self.stepper.optimizers)
        if self.plan.shard:
            checkpoints.write_parts(self.run.folder, now.step, tensors, now.to_json(), self.plan.keep)
        elif self.group.writes:
            checkpoints.write(self.run.folder, now.step, tensors, now.to_json(), self.plan.keep)
        self.group.wait()
        now.saved = now.step


def _parameters(networks: Mapping[str, nn.Module], players: Iterable[str]) -> list[nn.Parameter]:
    return list({id(p): p for player in players for p in networks[player].parameters()}.values())
