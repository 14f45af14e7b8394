"""What more labels would bring: the score by training rows, and where a power law through it goes on.

Test error against training rows falls about as a power law over a wide range (Hestness et al. 2017); here the score is
taken as a + b log(rows), a straight line over the few doublings that are measured, which is also the first order of it.
The interval resamples test rows, the same for every point, so that easy rows widen nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError
from feilun.parts.dataset import Table
from feilun.parts.metrics.intervals import draws
from feilun.parts.metrics.resampling import Draw
from feilun.parts.metrics.wording import interval, shown, title
from feilun.stages.evaluation import choosing, judging

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Score

LEAST_POINTS = 2
RESAMPLES = 300  # of the fit; each scores every point once


def learning(recipe: Recipe, points: Sequence[Mapping[str, Path]]) -> dict[str, Any]:
    """learning.json. points: the stage folders of each part, fewest training rows first.

    Raises DataError unless two points or more differ in their rows.
    """
    rows = [len(Table.open(stages["data"]).index("train")) for stages in points]
    if len(set(rows)) < LEAST_POINTS:
        raise DataError(
            f"A learning curve needs at least {LEAST_POINTS} numbers of training rows; there was {rows[:1]}.",
            where="data.source",
            expected="more training rows",
            got=str(rows),
            fix="add rows",
        )
    main, scores, draw = _scores(recipe, points)
    found = [judging.described({main: score}, draw)[main] for score in scores]
    better, unit = found[-1]["better"], judging.points(found[-1]["unit"])
    more = _round(max(rows) / 4)
    gain, low, high = _gain(np.array(rows, np.float64), scores, draw, more)
    about = f"{shown(gain, unit, sign=True)} {interval(low, high, unit, sign=True)}"
    drawn = [
        {
            "rows": number,
            **{key: item[key] for key in ("value", "low", "high")},
            **choosing.chosen(recipe, stages["evaluation"]),
        }
        for number, item, stages in zip(rows, found, points, strict=True)
    ]
    words = f"{more:,} more labels would move {title(main)} by about {about}; {better} is better."
    return {
        "score": main,
        "better": better,
        "unit": found[-1]["unit"],
        "n": draw.n,
        "points": drawn,
        "more": {"rows": more, "value": gain, "low": low, "high": high, "words": words},
    }


def _scores(recipe: Recipe, points: Sequence[Mapping[str, Path]]) -> tuple[str, list[Score], Draw]:
    """(name, the main score of every point, how test rows are drawn); all points answer the same test rows."""
    task = discover.task(str(recipe.task))
    found: list[Score] = []
    name, lines = "", list[dict[str, Any]]()
    for stages in points:
        text = (stages["evaluation"] / "answers.jsonl").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        made = task.scores([line["answer"] for line in lines], [line["truth"] for line in lines], recipe)
        name = judging.main_score(made, recipe)
        found.append(made[name])
    groups = np.array([line["group"] for line in lines]) if lines and "group" in lines[0] else None
    return name, found, Draw(n=len(lines), seed=recipe.seed, resamples=recipe.evaluate.bootstrap, groups=groups)


def _gain(rows: np.ndarray, scores: Sequence[Score], draw: Draw, more: int) -> tuple[float, float, float]:
    """(value, low, high): how much the fitted line rises from the most rows to `more` beyond them."""
    random = np.random.default_rng(draw.seed)
    picks = [np.arange(draw.n), *draws(draw.seed, RESAMPLES, draw.n, draw.groups)]
    length = math.log((rows.max() + more) / rows.max())
    values = np.array([[_value(score, pick) for score in scores] for pick in picks])
    slopes = np.array([np.polyfit(np.log(rows), line, 1)[0] for line in values])
    noise = _noise(np.log(rows), values[0])
    others = slopes[1:] if len(slopes) > 1 else slopes  # one group only: nothing to draw from
    others = others + random.normal(0.0, noise, len(others))  # how far training itself scatters around the line
    low, high = np.quantile(others, (0.025, 0.975))
    return float(slopes[0] * length), float(low * length), float(high * length)


def _noise(logs: np.ndarray, values: np.ndarray) -> float:
    """Standard error of the slope from the points' distances to the line."""
    if len(logs) <= LEAST_POINTS:
        return 0.0
    slope, level = np.polyfit(logs, values, 1)
    spread = float(((values - slope * logs - level) ** 2).sum() / (len(logs) - 2))
    return math.sqrt(spread / float(((logs - logs.mean()) ** 2).sum()))


def _value(score: Score, pick: np.ndarray) -> float:
    if score.rows is not None:
        return float(np.asarray(score.rows, np.float64)[pick].mean())
    return float(score.statistic(pick)) if score.statistic is not None else math.nan


def _round(value: float) -> int:
    """The nearest of 10, 20, 50, 100, 200, ... below."""
    power = 10 ** max(1, math.floor(math.log10(max(value, 10.0))))
    return int(max(step * power for step in (1, 2, 5) if step * power <= max(value, power)))
