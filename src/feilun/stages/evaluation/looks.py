"""Looks at whether a model is sane: chance, memory, one column that tells all, test rows seen in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.parts.metrics.intervals import of_all, resampled
from feilun.parts.metrics.resampling import drawn
from feilun.parts.metrics.wording import shown, title
from feilun.stages.evaluation import judging
from feilun.stages.evaluation.asking import Model, part

if TYPE_CHECKING:
    from feilun.core.task import Json, Row, Rows, Score
    from feilun.stages.evaluation.why import Seen

NEARLY_ALL = 0.9  # of what all columns lose together
ROWS = 500  # training rows answered
RESAMPLES = 300
FORGETS = 0.25  # share of what training rows are above chance that test rows may miss


def all_of(
    model: Model, seen: Seen, train: Rows, found: Mapping[str, Any], matters: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """[{title, words, ok}]. Likelihoods dealt to other rows say nothing of chance."""
    if model.task.foretell is not None:
        return [of_copies(model, seen, train), *one_column(matters)]
    main = str(found["main"])
    ours = model.task.scores(seen.answers, seen.truths, model.recipe)[main]
    order = np.random.default_rng(model.recipe.seed).permutation(len(seen.truths))
    dealt: list[Json] = [seen.answers[place] for place in order]
    chance = model.task.scores(dealt, seen.truths, model.recipe)[main]
    return [
        against_chance(model, seen, main, (ours, chance)),
        of_memory(model, train, main, (ours, chance), len(seen.truths)),
        of_copies(model, seen, train),
        *one_column(matters),
    ]


def against_chance(model: Model, seen: Seen, main: str, scores: tuple[Score, Score]) -> dict[str, Any]:
    """Whether the answers fit their own rows better than the same answers dealt anew among the rows."""
    draw = drawn(model.recipe, len(seen.truths), seen.rows)
    gap = judging.difference(*scores, draw.of(np.arange(draw.n), RESAMPLES))
    ok = gap["words"] == judging.BETTER
    chance = shown(of_all(scores[1], draw.n), scores[1].unit)
    said = f"{title(main)} of the same answers dealt to the rows at random: {chance}. "
    said += (
        "The model is clearly better." if ok else "The model is not clearly better: it has not learnt from its inputs."
    )
    return {"title": "Better than chance", "words": said, "ok": ok}


def of_memory(model: Model, train: Rows, main: str, scores: tuple[Score, Score], count: int) -> dict[str, Any]:
    """Whether training rows are answered much better than test rows, which is overfitting.

    scores: of the test rows, and of answers dealt at random; how far training rows are above chance is the measure.
    """
    heading = "Training rows and test rows"
    new, chance = scores
    places = np.sort(np.random.default_rng(model.recipe.seed).permutation(len(next(iter(train.values()), ())))[:ROWS])
    some = part(train, places)
    rows: list[Row] = [dict(zip(some, values, strict=True)) for values in zip(*some.values(), strict=True)]
    truths = [model.task.truth(row, model.recipe) for row in rows]
    old = model.task.scores(model.answers(some), truths, model.recipe).get(main) if rows else None
    if old is None:
        return {"title": heading, "words": "There are too few training rows to compare.", "ok": True}
    sign = -1 if new.better == "lower" else 1
    before, after, random = of_all(old, len(truths)), of_all(new, count), of_all(chance, count)
    draws = sign * (resampled(old, 0, RESAMPLES, len(truths)) - resampled(new, 1, RESAMPLES, count))
    draws = draws[np.isfinite(draws)]
    clear = bool(len(draws) and np.quantile(draws, 0.025) > 0)
    if sign * (before - after) <= 0:
        return {"title": heading, "words": "Training rows are not answered better than test rows.", "ok": True}
    ok = not (clear and sign * (before - after) > FORGETS * sign * (before - random))
    said = f"{title(main)} {shown(before, new.unit)} on training rows, {shown(after, new.unit)} on test rows"
    said += (
        ": about as good on new rows."
        if ok
        else ": it knows its training rows by heart. More rows, fewer epochs, dropout or more weight decay help."
    )
    return {"title": heading, "words": said, "ok": ok}


def of_copies(model: Model, seen: Seen, train: Rows) -> dict[str, Any]:
    """Whether rows of the test stand in training too."""
    named = model.task.identity(model.recipe) if model.task.identity else tuple(model.recipe.inputs)
    columns = [column for column in named if column in train and column in seen.rows]
    known = set(_keys(train, columns))
    copies = sum(key in known for key in _keys(seen.rows, columns))
    said = "No test row stands among the training rows."
    if copies:
        said = (
            f"{copies:,} of {len(seen.truths):,} test rows have the same inputs as a training row: they ask for memory."
        )
    return {"title": "Test rows seen in training", "words": said, "ok": not copies}


def one_column(matters: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Whether one column carries nearly all; [] where there are too few columns to ask."""
    if len(matters) < 3:
        return []
    losses = [max(0.0, row["value"] or 0.0) for row in matters]
    first, whole = losses[0], sum(losses)
    ok = not (whole > 0 and first >= NEARLY_ALL * whole and (matters[0]["low"] or 0.0) > 0)
    name = matters[0]["input"]
    said = (
        "No single column carries nearly all of it."
        if ok
        else f"{name} carries {100 * first / whole:.0f} % of it. Make sure that it is known when you ask and not "
        f"the answer in other words; if it is, leave it out with data: {{drop: [{name}]}}."
    )
    return [{"title": "One column that tells all", "words": said, "ok": ok}]


def _keys(rows: Rows, columns: Sequence[str]) -> list[int]:
    """A hash of each row's values."""
    return [hash(tuple(map(_plain, values))) for values in zip(*(rows[column] for column in columns), strict=True)]


def _plain(value: Any) -> Any:
    return repr(value) if isinstance(value, list | dict | np.ndarray) else value
