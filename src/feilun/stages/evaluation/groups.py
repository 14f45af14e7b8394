"""The main score in each value of a column, and how far it is from that of all other rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.errors import RecipeError
from feilun.parts.metrics.intervals import of_all, of_part, resampled
from feilun.parts.metrics.resampling import Draw

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Rows, Score

MOST = 20  # values of a column; the rest are judged together
FEWEST = 10  # rows of a value that are worth a score
DISTINCT = 12  # numbers with more values are cut into quarters
RESAMPLES = 500  # two scores per group: fewer resamples than for the score of all rows
ALL_ONE = "all judged rows have the same value, so nothing can be compared"
TOO_FEW = "fewer than two values have {fewest} judged rows, so nothing can be compared"
MISSING, REST = "(missing)", "(others)"


def described(recipe: Recipe, rows: Rows, main: Score, draw: Draw) -> list[dict[str, Any]]:
    """[{column, value, n, score: {value, low, high, better, unit}, gap: {difference, low, high, words}}].

    Raises RecipeError for a column that is not there.
    """
    found: list[dict[str, Any]] = []
    for column in recipe.evaluate.groups:
        if column not in rows:
            raise _missing(column, [name for name in rows if name != "_id"])
        parts_of = named(rows[column])
        values = [value for value in dict.fromkeys(parts_of) if value is not None]
        parts = [np.array([name == value for name in parts_of], bool) for value in values]
        several = len(parts)
        for value, part in sorted(zip(values, parts, strict=True), key=lambda pair: -int(pair[1].sum())):
            if several > 1:
                found.append({"column": column, "value": value, **_judged(main, part, draw, several)})
    return found


def named(values: Sequence[Any]) -> list[str | None]:
    """The name of each row's group: the value, a quarter of the numbers; rare values together; None: too few."""
    numbers = [float(value) for value in values if isinstance(value, int | float) and value == value]
    if len(set(numbers)) > DISTINCT:
        names: list[str] = _quarters(values, numbers)
    else:
        names = [_spelled(value) for value in values]
    counts = Counter(names)
    kept = {name for name, count in counts.most_common(MOST) if count >= FEWEST}
    rest = sum(count for name, count in counts.items() if name not in kept)
    other = REST if rest >= FEWEST else None
    return [name if name in kept else other for name in names]


def silent(recipe: Recipe, rows: Rows) -> list[dict[str, str]]:
    """[{column, words}] of the columns of `evaluate.groups` that tell no groups apart, and why."""
    found = []
    for column in recipe.evaluate.groups:
        names = named(rows[column]) if column in rows else []
        values = {name for name in names if name is not None}
        if len(values) > 1 or not names:
            continue
        is_one = len({_spelled(value) for value in rows[column]}) == 1
        found.append({"column": column, "words": ALL_ONE if is_one else TOO_FEW.format(fewest=FEWEST)})
    return found


def _judged(main: Score, part: np.ndarray, draw: Draw, several: int) -> dict[str, Any]:
    inside, outside = np.flatnonzero(part), np.flatnonzero(~part)
    ours, theirs = of_part(main, inside), of_part(main, outside)
    mine = draw.of(inside, RESAMPLES)
    score = {**mine.ends(ours), "better": main.better, "unit": main.unit}
    gap = _gap((ours, mine), (theirs, draw.of(outside, RESAMPLES)), several)
    return {"n": len(inside), "score": score, "gap": {**gap, "better": main.better, "unit": main.unit}}


def _gap(one: tuple[Score, Draw], other: tuple[Score, Draw], several: int) -> dict[str, Any]:
    """One score less the other, of other rows. With several groups it takes more to be called clear (Bonferroni)."""
    value = math.nan
    drawn = np.zeros(0)
    if one[1].n and other[1].n:
        value = of_all(one[0], one[1].n) - of_all(other[0], other[1].n)
        sides = [
            resampled(score, draw.seed + place, draw.resamples, draw.n, draw.groups)
            for place, (score, draw) in enumerate((one, other))
        ]
        drawn = sides[0] - sides[1] if len(sides[0]) == len(sides[1]) else drawn
        drawn = drawn[np.isfinite(drawn)]
    if not math.isfinite(value) or len(drawn) < 2:
        return {"difference": None, "low": None, "high": None, "words": "cannot be told from these rows"}
    low, high = np.quantile(drawn, (0.025, 0.975))
    spread = max(float(drawn.std()), _if_alike(one, other))
    away = NormalDist().inv_cdf(1 - 0.025 / max(1, several)) * spread
    is_up = (value > 0) == (one[0].better != "lower")
    words = ("clearly better" if is_up else "clearly worse") if abs(value) > away > 0 else "no clear difference"
    return {"difference": float(value), "low": float(low), "high": float(high), "words": words}


def _if_alike(one: tuple[Score, Draw], other: tuple[Score, Draw]) -> float:
    """Standard error of the gap if the group's rows spread as all others do: a few rows that are all right have no
    spread of their own, which says little."""
    rows = other[0].rows
    if rows is None or other[1].groups is not None:
        return 0.0
    return float(rows.std() * (1 / one[1].n + 1 / other[1].n) ** 0.5)


def _quarters(values: Sequence[Any], numbers: Sequence[float]) -> list[str]:
    cuts = np.unique(np.quantile(numbers, (0, 0.25, 0.5, 0.75, 1)))
    titles = [f"{low:.4g} – {high:.4g}" for low, high in pairwise(cuts)]
    return [
        titles[int(np.clip(np.searchsorted(cuts, value, side="right") - 1, 0, len(titles) - 1))]
        if isinstance(value, int | float) and value == value
        else MISSING
        for value in values
    ]


def _spelled(value: Any) -> str:
    if value is None or value != value or value == "":
        return MISSING
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))[:60]
    return f"{value:g}" if isinstance(value, float) else str(value)[:60]


def _missing(column: str, there: Sequence[str]) -> RecipeError:
    return RecipeError(
        f"evaluate.groups names {column!r}; the rows have: {', '.join(there) or 'no columns'}.",
        where="evaluate.groups",
        expected=", ".join(there),
        got=column,
        fix="take one of these columns",
    )
