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


def threshold(recipe: Recipe, answers: Sequence[Json], truths: Sequence[Json], positive: str) -> float:
    """From which chance on a baseline says yes: chosen on validation rows by the rule that chose the model's own."""
    if recipe.evaluate.costs is None:
        raise FeilunError("There are no costs; no threshold follows from them.")
    chances = np.array([answer["scores"].get(positive, 0.0) for answer in answers], np.float64)
    return money.best_threshold(recipe.evaluate.costs, chances, np.array([one == positive for one in truths], bool))


def decided(answers: Sequence[Json], labels: Sequence[str], positive: str, threshold: float) -> list[Json]:
    """The same answers with yes said from this chance on; labels: both, in the order of the model's own answers."""
    other = next(label for label in labels if label != positive)
    found: list[Json] = []
    for answer in answers:
        scores = {label: answer["scores"].get(label, 0.0) for label in labels}
        label = positive if scores[positive] >= threshold else other
        found.append({"label": label, "score": scores[label], "scores": scores})
    return found


def line(found: dict[str, Any]) -> str:
    """What the terminal shows."""
    per_row, others = found["per_row"], dict(found["others"])
    others |= {title(name): one["value"] for name, one in found.get("baselines", {}).items()}
    beside = ", ".join(f"{name} {value:.4g}" for name, value in others.items())
    at = "" if found["threshold"] is None else f" (yes from {found['threshold']:.2f} on)"
    return f"  money per row {per_row['value']:.4g} [{per_row['low']:.4g}, {per_row['high']:.4g}]{at}; {beside}"
