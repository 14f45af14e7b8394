"""Why the model answers as it does, in a first form: how much each column matters, and looks at whether it is sane."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.errors import FeilunError
from feilun.core.task import Score
from feilun.parts.metrics.resampling import Draw, drawn, known
from feilun.parts.metrics.wording import opening, shown, title
from feilun.stages.evaluation import judging, looks
from feilun.stages.evaluation.asking import Model, part

if TYPE_CHECKING:
    from feilun.core.task import Json, Rows

ROWS_OF_TABLE, ROWS = 2000, 300  # test rows looked at: texts and pictures take longer to answer
SHUFFLES, MANY_COLUMNS = 3, 30  # beyond so many columns each is shuffled once
RESAMPLES = 300
SECONDS = 60.0  # columns that are not reached in this time are named
TABLE = {"number", "category", "time"}
FORETOLD = "The only column is what is foretold, so that shuffling it says nothing of why."


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """Test rows with what is true of them and what the model said."""

    rows: Rows
    truths: Sequence[Json]
    answers: Sequence[Json]

    def some(self, most: int, seed: int) -> Seen:
        """At most so many of them, drawn from the seed."""
        count = len(self.truths)
        places = np.sort(np.random.default_rng(seed).permutation(count)[:most])
        if count <= most:
            return self
        return Seen(
            rows=part(self.rows, places),
            truths=[self.truths[place] for place in places],
            answers=[self.answers[place] for place in places],
        )


def explained(model: Model, seen: Seen, train: Rows, found: Mapping[str, Any]) -> dict[str, Any]:
    """The content of why.json.  train: training rows.  found: the content of scores.json."""
    kinds = {column.kind for column in model.recipe.inputs.values()}
    is_table = bool(kinds) and kinds <= TABLE
    few = seen.some(ROWS_OF_TABLE if is_table else ROWS, model.recipe.seed)
    main = str(found["main"])
    foretold = model.task.foretell is not None and model.recipe.target is None
    matters, left = ([], []) if foretold else importance(model, few, main)
    said = words(matters, main, judging.points(found["scores"][main]["unit"]), left)
    return {
        "score": main,
        "unit": found["scores"][main]["unit"],
        "rows": len(few.truths),
        "importance": matters,
        "words": FORETOLD if foretold else said,
        "looks": looks.all_of(model, seen, train, found, matters),
    }


def importance(model: Model, seen: Seen, main: str) -> tuple[list[dict[str, Any]], list[str]]:
    """([{input, value, low, high}], columns there was no time for): the drop of the main score when a column's values
    are dealt anew among these rows (Breiman 2001; Fisher et al. 2019), the largest first.

    Above 0 the column helps, whatever is better for the score. The interval is over rows.
    """
    columns = model.columns()
    rows = {column: list(seen.rows[column]) for column in model.read()}
    arrays = model.encoded(rows)
    ours = model.task.scores(seen.answers, seen.truths, model.recipe).get(main)
    if ours is None:  # such as AUC, where the rows that are looked at are all of one class
        return [], []
    draw = drawn(model.recipe, len(seen.truths), seen.rows)
    draw = Draw(n=draw.n, seed=draw.seed, resamples=min(draw.resamples, RESAMPLES), groups=draw.groups)
    random = np.random.default_rng(model.recipe.seed)
    started = time.monotonic()
    found: list[dict[str, Any]] = []
    for place, column in enumerate(columns):
        if time.monotonic() - started > SECONDS:
            return _ordered(found), columns[place:]
        dealt: list[Score] = []
        for _ in range(SHUFFLES if len(columns) <= MANY_COLUMNS else 1):
            if dealt and time.monotonic() - started > SECONDS:
                break
            order = random.permutation(draw.n)
            answers = model.shuffled(arrays, rows, column, order)
            dealt.append(model.task.scores(answers, seen.truths, model.recipe)[main])
        found.append({"input": column, **known(*draw.difference(_drop(ours, dealt)))})
    return _ordered(found), []


def words(matters: Sequence[Mapping[str, Any]], main: str, unit: str, left: Sequence[str] = ()) -> str:
    """What the importance says, in two or three sentences."""
    if not matters:
        return f"The rows that were looked at have no {title(main)}, so nothing can be said of columns."
    helps = [row for row in matters if (row["low"] or 0) > 0]
    if not helps:
        said = f"No single column is missed when it is shuffled: {title(main)} stays as it is. "
        said += "Columns that say the same can stand in for each other."
    else:
        listed = ", ".join(f"{row['input']} ({shown(row['value'], unit)})" for row in helps[:3])
        said = f"{opening(title(main))} suffers most when one of these columns is shuffled: {listed}."
        idle = [str(row["input"]) for row in matters if row not in helps]
        if idle:
            more = f" and {len(idle) - 5} more" if len(idle) > 5 else ""
            said += f" Not missed: {', '.join(idle[:5])}{more}."
    return said + (f" There was no time for: {', '.join(left[:10])}." if left else "")


def _drop(ours: Score, dealt: Sequence[Score]) -> Score:
    """How much the score gets worse, on the same rows, mean over the shuffles."""
    sign = 1.0 if ours.better != "lower" else -1.0
    whole, parts = ours.statistic, [score.statistic for score in dealt]
    if ours.rows is not None:
        rows = np.mean([np.asarray(score.rows, np.float64) for score in dealt], axis=0)
        return Score(rows=sign * (np.asarray(ours.rows, np.float64) - rows))
    if whole is None:
        raise FeilunError("A score needs rows or a statistic.")
    return Score(statistic=lambda index: sign * (whole(index) - float(np.mean([one(index) for one in parts if one]))))


def _ordered(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda row: -(row["value"] or 0.0))
