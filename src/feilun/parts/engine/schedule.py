"""The learning rate over a run: linear warm-up, then cosine, linear, plateau or no decay; or one cycle."""

from __future__ import annotations

import math
from collections.abc import Sequence

from feilun.core.recipe import Train

RISE, FIRST, LAST = 0.3, 1 / 25, 1e-4 / 25  # one cycle: share of steps going up, first and last rate in peaks
PLATEAU_EPOCHS, CUT = 2, 0.5  # epochs without a better loss before a cut, and what a cut leaves
BETTER = 1e-4  # a loss is better from this share below the best on


def learning_rate(plan: Train, step: int, steps: int, cuts: int = 0) -> float:
    """The rate of this step, 0 <= step < steps. cuts: of the plateau so far, see `cuts`.

    Warm-up: (step + 1) / w of the peak for the first w = warmup * steps steps, so no step is wasted at rate 0.
    Then, with p = the share of the remaining steps already done: cosine floor + (1 - floor)(1 + cos(pi p)) / 2
    (Loshchilov & Hutter 2017, without restarts), linear 1 - (1 - floor) p, plateau max(floor, 1/2^cuts), or none.
    one_cycle (Smith & Topin 2018): cosine from 1/25 of the peak up to it in 30 % of the steps, cosine down to 4e-6 of
    it, or `floor` if that is more; it is its own warm-up.
    """
    if plan.decay == "one_cycle":
        return plan.learning_rate * _one_cycle(step, steps, plan.floor)
    warmup = int(plan.warmup * steps)
    if step < warmup:
        return plan.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    match plan.decay:
        case "cosine":
            share = _cosine(1.0, plan.floor, done)
        case "linear":
            share = 1 - (1 - plan.floor) * done
        case "plateau":
            share = max(plan.floor, CUT**cuts)
        case _:
            share = 1.0
    return plan.learning_rate * share


def cuts(losses: Sequence[float]) -> int:
    """How often the validation loss had not fallen for two epochs; after a cut the counting starts anew."""
    best, waited, found = math.inf, 0, 0
    for loss in losses:
        better = loss < best - BETTER * abs(best) if math.isfinite(best) else True
        best, waited = (loss, 0) if better else (best, waited + 1)
        if waited >= PLATEAU_EPOCHS:
            found, waited = found + 1, 0
    return found


def _one_cycle(step: int, steps: int, floor: float) -> float:
    rise = max(1, round(RISE * steps) - 1)
    if step <= rise:
        return _cosine(FIRST, 1.0, step / rise)
    return _cosine(1.0, max(floor, LAST), (step - rise) / max(1, steps - 1 - rise))


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
