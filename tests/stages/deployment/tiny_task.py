"""A task of an outside package, as small as a task can be: two numbers in, their sign out."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError
from feilun.core.task import Score, Task

LABELS = ("minus", "plus")


def _features(recipe: Any) -> dict[str, Any]:
    return {"numbers": discover.feature("number", columns=("width", "height"))}


def _answer(run: Any, inputs: Any, features: Any, state: Any, wait_s: float = 0.0) -> list[Any]:
    if wait_s:
        threading.Event().wait(wait_s)
    logits = run("main", numbers=inputs["numbers"])["logits"][:, 0] + state["bias"][0]
    chance = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return [{"label": LABELS[int(p > 0.5)], "probabilities": {"minus": 1 - p, "plus": p}} for p in chance.tolist()]


def _correct(row: dict[str, Any], feedback: Any, recipe: Any) -> dict[str, Any]:
    if feedback not in LABELS:
        raise DataError(
            f"label {feedback!r} is not one of {', '.join(LABELS)}.", expected=", ".join(LABELS), got=str(feedback)
        )
    return {**row, "sign": feedback}


def _scores(answers: Any, truths: Any, recipe: Any) -> dict[str, Score]:
    right = [float(answer["label"] == truth) for answer, truth in zip(answers, truths, strict=True)]
    return {"accuracy": Score(rows=np.array(right))}


TASK = Task(
    summary="the sign of a sum",
    example=lambda seed: [{"width": 1.0, "height": 2.0, "sign": "plus"}],
    example_recipe={},
    features=_features,
    build=lambda recipe, features: {},
    objective=lambda networks, batch, player: None,  # type: ignore[arg-type, return-value]
    graphs=lambda networks, batch: {},
    answer=_answer,
    options={"wait_s": 0.0},
    truth=lambda row, recipe: row["sign"],
    correct=_correct,
    scores=_scores,
    paired="accuracy",
    baselines=lambda rows, recipe: {},
)
