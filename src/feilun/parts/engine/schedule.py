"""The learning rate over a run: linear warm-up, then cosine, linear or no decay down to a floor."""

from __future__ import annotations

import math

from feilun.core.recipe import Train


def learning_rate(plan: Train, step: int, steps: int) -> float:
    """The rate of this step, 0 <= step < steps.

    Warm-up: (step + 1) / w of the peak for the first w = warmup * steps steps, so no step is wasted at rate 0.
    Then, with p = the share of the remaining steps already done: cosine floor + (1 - floor)(1 + cos(pi p)) / 2
    (Loshchilov & Hutter 2017, without restarts), linear 1 - (1 - floor) p, or none.
    """
    warmup = int(plan.warmup * steps)
    if step < warmup:
        return plan.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    if plan.decay == "cosine":
        share = plan.floor + (1 - plan.floor) * (1 + math.cos(math.pi * done)) / 2
    elif plan.decay == "linear":
        share = 1 - (1 - plan.floor) * done
    else:
        share = 1.0
    return plan.learning_rate * share
