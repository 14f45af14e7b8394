"""Scores with intervals, baselines on the same rows, and what the difference means in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feilun.core.errors import FeilunError, RecipeError
from feilun.core.task import Score
from feilun.parts.metrics.intervals import bootstrap
from feilun.parts.metrics.wording import full, interval, shown, title

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Json, Task

BETTER, EVEN, WORSE = "clearly better", "no clear difference", "clearly worse"


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """How intervals are drawn: resamples of n rows, from a seed."""

    n: int
    seed: int
    resamples: int


def judge(
    task: Task, recipe: Recipe, truths: Sequence[Json], answers: Sequence[Json], others: Mapping[str, Sequence[Json]]
) -> dict[str, Any]:
    """The content of scores.json. others: `{baseline: its answers to the same rows}`.

    Raises RecipeError if `evaluate.score` is no score of this task.
    """
    draw = Draw(n=len(truths), seed=recipe.seed, resamples=recipe.evaluate.bootstrap)
    ours = task.scores(answers, truths, recipe)
    main = main_score(ours, recipe)
    theirs = {name: task.scores(given, truths, recipe) for name, given in others.items()}
    against = {name: difference(ours[main], made[main], draw) for name, made in theirs.items()}
    found = {
        "main": main,
        "n": draw.n,
        "seed": draw.seed,
        "resamples": draw.resamples,
        "scores": described(ours, draw),
        "baselines": {name: described(made, draw) for name, made in theirs.items()},
        "against": against,
    }
    return {**found, "verdict": verdict(found)}


def main_score(scores: Mapping[str, Score], recipe: Recipe) -> str:
    """The score that decides: the recipe's, or the task's first. Raises RecipeError naming the scores there are."""
    name = recipe.evaluate.score or next(iter(scores))
    if name not in scores:
        there = ", ".join(scores)
        raise RecipeError(
            f"evaluate.score is {name!r}; this task's scores here are: {there}.",
            where="evaluate.score",
            expected=there,
            got=name,
            fix="take a name from this list, or leave the key out",
        )
    return name


def described(scores: Mapping[str, Score], draw: Draw) -> dict[str, dict[str, Any]]:
    """{name: {value, low, high, better, unit}}; low and high are the ends of the 95 % interval."""
    found = {}
    for name, score in scores.items():
        value, low, high = bootstrap(score, draw.seed, draw.resamples, draw.n)
        found[name] = {"value": value, "low": low, "high": high, "better": score.better, "unit": score.unit}
    return found


def difference(ours: Score, theirs: Score, draw: Draw) -> dict[str, Any]:
    """Our score less theirs, on the same resampled rows: {difference, low, high, words}.

    Paired, so that rows that are easy for both widen nothing. The words say whether the interval leaves out 0.
    """
    value, low, high = bootstrap(_gap(ours, theirs), draw.seed, draw.resamples, draw.n)
    up, down = (BETTER, WORSE) if ours.better == "higher" else (WORSE, BETTER)
    words = up if low > 0 else down if high < 0 else EVEN
    return {"difference": value, "low": low, "high": high, "words": words, "unit": ours.unit, "better": ours.better}


def verdict(found: Mapping[str, Any]) -> dict[str, str]:
    """{level: good | even | bad, baseline, words}: what to make of it, against the strongest baseline."""
    against, main = found["against"], found["main"]
    if not against:
        return {"level": "even", "baseline": "", "words": "There is no baseline beside it, so nobody can say."}
    unit, better = found["scores"][main]["unit"], found["scores"][main]["better"]
    values = {name: scores[main]["value"] for name, scores in found["baselines"].items()}
    strongest = (max if better == "higher" else min)(values, key=lambda name: values[name])
    worst = next((name for name in against if against[name]["words"] == WORSE), strongest)
    gap = against[worst]
    by = f"{shown(abs(gap['difference']), points(unit))}, 95 % interval of the difference {span(gap)}"
    if gap["words"] == WORSE:
        words = f"Not yet: {title(worst)} does better on {title(main)} by {by}. Use that, or improve this model."
        return {"level": "bad", "baseline": worst, "words": words}
    if gap["words"] == EVEN:
        words = f"No better than {title(worst)} that we can tell: they differ by {by}."
        return {"level": "even", "baseline": worst, "words": words}
    words = f"Better than every baseline; it beats the strongest, {title(worst)}, on {title(main)} by {by}."
    return {"level": "good", "baseline": worst, "words": words}


def span(gap: Mapping[str, Any]) -> str:
    """The interval of a difference, with signs."""
    return interval(gap["low"], gap["high"], points(gap["unit"]), sign=True)


def points(unit: str) -> str:
    """The unit of a difference: two percentages differ by points."""
    return "points" if unit == "%" else unit


def table(found: Mapping[str, Any], model: str) -> list[str]:
    """The lines that the terminal shows."""
    main = found["main"]
    rows = [(f"this model ({model})", full(found["scores"][main]), "")]
    for name, scores in found["baselines"].items():
        rows.append((title(name), full(scores[main]), against_words(found["against"][name]["words"])))
    width, wide = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    lines = [f"{title(main)}, {found['n']:,} untouched rows"]
    return lines + [f"  {name:<{width}}  {value:<{wide}}  {words}".rstrip() for name, value, words in rows]


def against_words(words: str) -> str:
    """What stands beside a baseline: how this model compares with it."""
    return words if words == EVEN else f"this model is {words}"


def _gap(ours: Score, theirs: Score) -> Score:
    if ours.rows is not None and theirs.rows is not None:
        return Score(rows=ours.rows - theirs.rows, better=ours.better, unit=ours.unit)
    if ours.statistic is None or theirs.statistic is None:
        raise FeilunError("A score must have the same form, rows or statistic, for every set of answers.")
    one, other = ours.statistic, theirs.statistic
    return Score(statistic=lambda index: one(index) - other(index), better=ours.better, unit=ours.unit)
