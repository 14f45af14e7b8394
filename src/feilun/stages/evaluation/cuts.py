"""Baselines of two classes answer at thresholds of their own, found as the model's was: by its rule, on its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from feilun.parts.metrics import labels as judged

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Json


def threshold(recipe: Recipe, answers: Sequence[Json], truths: Sequence[Json], positive: str) -> float:
    """From which chance on a baseline says yes: chosen on validation rows by the rule that chose the model's own."""
    chances = np.array([answer["scores"].get(positive, 0.0) for answer in answers], np.float64)
    return judged.threshold(recipe, chances, np.array([one == positive for one in truths], bool))


def decided(answers: Sequence[Json], labels: Sequence[str], positive: str, threshold: float) -> list[Json]:
    """The same answers with yes said from this chance on; labels: both, in the order of the model's own answers."""
    other = next(label for label in labels if label != positive)
    found: list[Json] = []
    for answer in answers:
        scores = {label: answer["scores"].get(label, 0.0) for label in labels}
        label = positive if scores[positive] >= threshold else other
        found.append({"label": label, "score": scores[label], "scores": scores})
    return found
