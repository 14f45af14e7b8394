"""Of a few trained models the one to keep, by their answers to the validation rows; test rows are never read here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover, manifest
from feilun.core.recipe import AUTO
from feilun.parts.bundle.answering import answer_rows, by_row
from feilun.parts.dataset import Table
from feilun.parts.engine import trained
from feilun.parts.engine.runner import TorchRunner
from feilun.parts.metrics.resampling import Draw, drawn
from feilun.parts.metrics.wording import full, title
from feilun.stages.evaluation import judging

if TYPE_CHECKING:
    from feilun.core.errors import FeilunError
    from feilun.core.recipe import Recipe
    from feilun.core.task import Json, Score

ERRORS_OF_95 = 2 * 1.96  # standard errors in a 95 % interval


def choose(
    tried: Sequence[tuple[Recipe, Mapping[str, Path]]],
    failed: Sequence[tuple[Recipe, FeilunError]],
    stopped: Sequence[tuple[Recipe, Mapping[str, Any] | None]] = (),
) -> dict[str, Any]:
    """auto.json, with `chosen` (a place in tried) and `lines` for the terminal. tried: simplest model first.

    stopped: trials that fell behind, with {curves, epochs, seconds}; None for one for which no time was left.

    Kept is the simplest whose paired difference to the best is within one standard error (Breiman et al. 1984, for
    pruning trees): on thirty validation rows the largest model would often win by chance.
    """
    made = [_judged(recipe, stages) for recipe, stages in tried]
    recipe = tried[0][0]
    main = judging.main_score(made[0][0], recipe)
    draw = made[0][1]
    described = [judging.described({main: scores[main]}, draw)[main] for scores, _ in made]
    up = 1 if described[0]["better"] == "higher" else -1
    values = [-math.inf if one["value"] is None else up * one["value"] for one in described]
    best = max(range(len(made)), key=lambda place: values[place])
    chosen = next(
        place for place in range(len(made)) if _within(made[place][0][main], made[best][0][main], draw, up=up)
    )
    rows = [
        {**_about(*tried[place]), **described[place], "chosen": place == chosen, "words": _words(place, chosen, best)}
        for place in range(len(made))
    ]
    rows += [{**_named(recipe), "chosen": False, "words": _halted(about), **_spent(about)} for recipe, about in stopped]
    rows += [{**_named(recipe), "chosen": False, "words": "failed", "error": str(error)} for recipe, error in failed]
    return {"score": main, "rows": draw.n, "models": rows, "chosen": chosen, "lines": _lines(main, draw.n, rows)}


def chosen(asked: Recipe, evaluation: Path) -> dict[str, str]:
    """{model: the one that was chosen for this evaluation}; {} unless the recipe asked for `auto`."""
    found = manifest.read(evaluation)
    return {"model": str(found.recipe["model"]["name"])} if found and asked.model.name == AUTO else {}


def _judged(recipe: Recipe, stages: Mapping[str, Path]) -> tuple[dict[str, Score], Draw]:
    """Scores over the validation rows, and how intervals over them are drawn."""
    task = discover.task(str(recipe.task))
    table = Table.open(stages["data"])
    networks = trained.networks(task, recipe, table.features, stages["training"])
    example = trained.batch(task, recipe, table.arrays, np.asarray(table.index("train")[:2]))
    runner = TorchRunner(task.graphs(networks, example))
    seen = {split: table.columns(split) for split in ("train", "validation")}
    state = task.settle(runner, seen, table.features, recipe) if task.settle else {}
    answers: list[Json] = answer_rows(task, runner, table.features, state, seen["validation"], judged=True)
    truths = [task.truth(row, recipe) for row in by_row(seen["validation"])]
    return task.scores(answers, truths, recipe), drawn(recipe, len(truths), seen["validation"])


def _within(score: Score, best: Score, draw: Draw, *, up: int) -> bool:
    """Whether a score is no more than one standard error of the difference behind the best, or nobody can tell."""
    if score is best:
        return True
    gap = judging.difference(score, best, draw)
    if gap["low"] is None or gap["high"] is None:  # so few rows show nothing: the simplest is kept
        return True
    error = (gap["high"] - gap["low"]) / ERRORS_OF_95
    return bool(up * gap["difference"] + error >= 0)


def _about(recipe: Recipe, stages: Mapping[str, Path]) -> dict[str, Any]:
    found = manifest.read(stages["training"])
    facts = found.facts if found else {}
    return {**_named(recipe), "parameters": facts.get("parameters", 0), "seconds": _seconds(found)}


def _named(recipe: Recipe) -> dict[str, Any]:
    options = {**recipe.model.options, "learning_rate": recipe.train.learning_rate}
    return {"model": str(recipe.model.name), "options": options, "error": ""}


def _seconds(training: manifest.Manifest | None) -> float:
    """Of a trial that was halted in between, too."""
    return round(training.seconds + training.facts.get("seconds_before", 0.0), 3) if training else 0.0


def _halted(about: Mapping[str, Any] | None) -> str:
    if about is None:
        return "not tried: the time limit was reached"
    return f"stopped after {len(about['curves'])} of {about['epochs']} epochs, behind the others"


def _spent(about: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"seconds": about["seconds"]} if about else {}


def _words(place: int, chosen: int, best: int) -> str:
    if place == chosen:
        return "best on validation rows" if chosen == best else "the simplest within one standard error of the best"
    return "ahead by less than chance explains" if place == best else ""


def _lines(main: str, count: int, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    shown = [
        (
            f"{'*' if row['chosen'] else ' '} {row['model']}, rate {row['options']['learning_rate']:g}",
            row["error"] or (full(row) if "value" in row else ""),
            row["words"],
        )
        for row in rows
    ]
    wide, width = max(len(row[0]) for row in shown), max(len(row[1]) for row in shown)
    lines = [f"{title(main)} of each model, {count:,} validation rows"]
    return lines + [f"{name:<{wide}}  {value:<{width}}  {words}".rstrip() for name, value, words in shown]
