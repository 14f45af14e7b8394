"""Training that leads away: a loss that is no number any more, or far above where it began."""

from __future__ import annotations

import statistics

from feilun.core.errors import InputError
from feilun.core.recipe import Train
from feilun.parts.engine.plan import Progress

FIRST, RECENT = 50, 20  # losses at the start, and latest ones, whose medians are compared
EXPLODED = 1e4  # times the loss of the very first step, or 1: an explosion within the first ones would set its own bar
TIMES = 20.0  # the latest are so many times the first: no noise, and no batch with an outlier, does that to a median


def watch(progress: Progress, loss: float, plan: Train) -> None:
    """Note a step's loss; raise InputError if training leads away. Medians, as one strange batch says nothing."""
    if len(progress.first) < FIRST:
        progress.first.append(loss)
        return
    progress.recent.append(loss)
    if len(progress.recent) < RECENT:
        return
    before, now = statistics.median(progress.first), statistics.median(progress.recent)
    progress.recent.clear()
    if before > 0 and now > TIMES * before:
        raise _error(
            f"Training leads away: the loss was {before:.3g} in the first {FIRST} steps, and is {now:.3g} at step "
            f"{progress.step + 1:,}.",
            progress,
            plan,
            expected=f"a loss below {TIMES:g} times its start",
            got=f"{now:.3g}",
        )


def watch_epoch(progress: Progress, validation_loss: float | None, plan: Train) -> None:
    """Raise InputError after an epoch that ends beyond everything."""
    if not progress.first:
        return
    least = EXPLODED * max(1.0, progress.first[0])
    now = max(statistics.median(progress.recent or progress.first), validation_loss or 0.0)
    if now > least:
        raise _error(
            f"Training leads away: the loss was {progress.first[0]:.3g} in the first step, and is {now:.3g} after "
            f"epoch {len(progress.curves)}.",
            progress,
            plan,
            expected=f"a loss below {least:.3g}",
            got=f"{now:.3g}",
        )


def not_finite(what: str, value: float, progress: Progress, plan: Train) -> InputError:
    """The error for a number that is none any more."""
    return _error(
        f"The {what} became {value} at step {progress.step + 1} (epoch {len(progress.curves) + 1}).",
        progress,
        plan,
        expected=f"a finite {what}",
        got=str(value),
    )


def _error(said: str, progress: Progress, plan: Train, *, expected: str, got: str) -> InputError:
    kept = f" The checkpoint of step {progress.saved:,} is kept." if progress.saved else ""
    rate = plan.learning_rate
    return InputError(
        f"{said}{kept} Lower train.learning_rate (now {rate}), set train.clip (now {plan.clip}), "
        "or look for extreme values in the inputs.",
        where="train.learning_rate",
        expected=expected,
        got=got,
        fix=f"train.learning_rate: {rate / 10:g}",
    )
