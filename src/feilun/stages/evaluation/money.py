"""Answers in money on the test rows: at the threshold in use, at every other, and without a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.errors import FeilunError
from feilun.core.task import Score
from feilun.parts.metrics import labels as judged
from feilun.parts.metrics import money
from feilun.parts.metrics.resampling import Draw
from feilun.parts.metrics.wording import title

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Json


def described(recipe: Recipe, answers: Sequence[Json], truths: Sequence[Json], draw: Draw) -> dict[str, Any]:
    """{costs, positive, threshold, per_row: {value, low, high}, curve: [[threshold, money]], others: {name: money}}.

    per_row is at the threshold in use, which validation rows chose; threshold, and `baselines: {name: {threshold,
    value}}` at theirs, are filled in by the caller that knows them. The curve and the others are of the same test rows
    and chose nothing.
    """
    costs = recipe.evaluate.costs
    if costs is None:
        raise FeilunError("There are no costs; nothing can be said in money.")
    labels, said, true, chances = judged.arrays(answers, truths)
    place = judged.positive(labels, recipe.evaluate.positive)
    yes, truth = said == place, true == place
    every = np.ones(len(truth), bool)
    others = {
        "always yes": every,
        "always no": ~every,
        "threshold 0.5": chances[:, place] >= 0.5,
    }
    return {
        "costs": costs.model_dump(),
        "positive": labels[place],
        "threshold": None,
        "per_row": draw.ends(Score(rows=money.made(costs, yes, truth))),
        "curve": money.curve(costs, chances[:, place], truth),
        "others": {name: float(money.made(costs, one, truth).mean()) for name, one in others.items()},
    }


def line(found: dict[str, Any]) -> str:
    """What the terminal shows."""
    per_row, others = found["per_row"], dict(found["others"])
    others |= {title(name): one["value"] for name, one in found.get("baselines", {}).items()}
    beside = ", ".join(f"{name} {value:.4g}" for name, value in others.items())
    at = "" if found["threshold"] is None else f" (yes from {found['threshold']:.2f} on)"
    return f"  money per row {per_row['value']:.4g} [{per_row['low']:.4g}, {per_row['high']:.4g}]{at}; {beside}"
