"""Scores with intervals, baselines on the same rows, and what the difference means in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from feilun.core.errors import RecipeError
from feilun.parts.metrics import paired, spans
from feilun.parts.metrics.intervals import OfCells
from feilun.parts.metrics.labels import by_class
from feilun.parts.metrics.resampling import Draw, drawn, known
from feilun.parts.metrics.wording import full, interval, opening, shown, title
from feilun.stages.evaluation import business, groups, money

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Json, Rows, Score, Task

WORST = 5  # groups that the terminal names
BESIDE = 200  # resamples for side scores of baselines, which are many
BETTER, EVEN, WORSE = "clearly better", "no clear difference", "clearly worse"
UNKNOWN = groups.UNKNOWN  # of too few rows, or of a score that they do not have
MORE, LESS = "clearly higher", "clearly lower"  # of a business metric: whether more is better, nobody said
WHY = {"right_at_90": "no answer is 90 % sure"}  # why rows may have no such score


def judge(
    task: Task,
    recipe: Recipe,
    truths: Sequence[Json],
    answers: Sequence[Json],
    others: Mapping[str, Sequence[Json]],
    rows: Rows | None = None,
) -> dict[str, Any]:
    """The content of scores.json. others: `{baseline: its answers to the same rows}`.  rows: the columns, for groups
    and business metrics.

    Raises RecipeError if `evaluate.score` is no score of this task.
    """
    seen = rows or {}
    draw = drawn(recipe, len(truths), seen)
    ours = task.scores(answers, truths, recipe)
    main = main_score(ours, recipe)
    theirs = {name: task.scores(given, truths, recipe) for name, given in others.items()}
    found: dict[str, Any] = {
        "main": main,
        "n": draw.n,
        "seed": draw.seed,
        "resamples": draw.resamples,
        "resampled": f"groups of {recipe.data.split.column}" if draw.groups is not None else "rows",
        "scores": {**described(ours, draw, main), **business.described(recipe, seen, answers, truths, draw)},
        "baselines": {
            name: {
                **described(made, draw, main, BESIDE),
                **business.described(recipe, seen, others[name], truths, draw),
            }
            for name, made in theirs.items()
        },
        "against": {name: difference(ours[main], made[main], draw) for name, made in theirs.items()},
        "classes": classes(answers, truths, draw),
        "groups": groups.described(recipe, seen, ours[main], draw),
        "silent_groups": groups.silent(recipe, seen),
    }
    if recipe.evaluate.costs is not None:
        found["money"] = money.described(recipe, answers, truths, draw)
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


def described(
    scores: Mapping[str, Score], draw: Draw, main: str = "", beside: int | None = None
) -> dict[str, dict[str, Any]]:
    """{name: {value, low, high, better, unit}}; low and high are the ends of the 95 % interval.

    beside: resamples of side scores that must be counted row by row, such as a baseline's AUC where it is not the main.
    A score that these rows do not have (of those answered, where none is) is left out, but for the main one.
    """
    found = {}
    for name, score in scores.items():
        is_slow = score.statistic is not None and not isinstance(score.statistic, OfCells)
        resamples = min(draw.resamples, beside or draw.resamples) if is_slow and name != main else draw.resamples
        ends = draw.ends(score, resamples)
        if name == main or len(scores) == 1 or ends["value"] is not None:
            found[name] = {**ends, "better": score.better, "unit": score.unit}
    return found


def classes(answers: Sequence[Json], truths: Sequence[Json], draw: Draw) -> list[dict[str, Any]]:
    """[{label, n, said, precision, recall, f1: {value, low, high}}], the most frequent first; [] if not labels.

    Of labels of rows or of spans; n: rows that have the label, or spans."""
    found = []
    for row in by_class(answers, truths) or spans.by_label(answers, truths):
        made = {name: row[name] for name in ("precision", "recall", "f1")}
        ends = {
            name: {
                **draw.ends(score),
                "better": score.better,
                "unit": score.unit,
            }
            for name, score in made.items()
        }
        found.append({"label": row["label"], "n": row["n"], "said": row["said"], **ends})
    return found


def difference(ours: Score, theirs: Score, draw: Draw) -> dict[str, Any]:
    """Our score less theirs, on the same resampled rows: {difference, low, high, words}.

    Paired, so that rows that are easy for both widen nothing. The words say whether the interval leaves out 0, or that
    so few rows do not tell.
    """
    value, low, high = draw.difference(paired.gap(ours, theirs))
    sides = {"higher": (BETTER, WORSE), "lower": (WORSE, BETTER)}
    up, down = sides.get(ours.better, (MORE, LESS))
    ends = known(value, low, high)
    words = up if low > 0 else down if high < 0 else UNKNOWN if None in ends.values() else EVEN
    return {
        "difference": ends["value"],
        "low": ends["low"],
        "high": ends["high"],
        "words": words,
        "unit": ours.unit,
        "better": ours.better,
    }


def verdict(found: Mapping[str, Any]) -> dict[str, str]:
    """{level: good | even | bad, baseline, words}: what to make of it, against the strongest baseline."""
    against, main = found["against"], found["main"]
    if not against:
        return {"level": "even", "baseline": "", "words": "There is no baseline beside it, so nobody can say."}
    unit, better = found["scores"][main]["unit"], found["scores"][main]["better"]
    values = {name: scores[main]["value"] for name, scores in found["baselines"].items()}
    if found["scores"][main]["value"] is None:
        why = WHY.get(main, "these rows have none")
        return {
            "level": "even",
            "baseline": "",
            "words": f"{opening(title(main))} is not known: {why}. So nobody can say.",
        }
    clear = [[name for name in values if against[name]["words"] == words] for words in (WORSE, UNKNOWN, EVEN)]
    up = 1 if better == "higher" else -1
    rank = {name: -math.inf if value is None else up * value for name, value in values.items()}
    worst = max(next((names for names in clear if names), list(values)), key=lambda name: rank[name])
    gap = against[worst]
    if gap["difference"] is None:
        words = f"{opening(title(main))} of {title(worst)} is not known, so nobody can say which is better."
        return {"level": "even", "baseline": worst, "words": words}
    if gap["words"] == UNKNOWN:
        size = shown(abs(gap["difference"]), points(unit))
        words = f"Too few rows to tell: {title(worst)} differs by {size} on {title(main)}, which may be chance."
        return {"level": "even", "baseline": worst, "words": words}
    by = f"{shown(abs(gap['difference']), points(unit))}, 95 % interval of the difference {span(_positive(gap))}"
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


def _positive(gap: Mapping[str, Any]) -> Mapping[str, Any]:
    """The difference as its size is told: a lead of 3.2 has the interval [1.1, 5.3], whichever of the two leads."""
    if gap["difference"] >= 0 or gap["low"] is None or gap["high"] is None:
        return gap
    return {**gap, "low": -gap["high"], "high": -gap["low"]}


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
    lines += [f"  {name:<{width}}  {value:<{wide}}  {words}".rstrip() for name, value, words in rows]
    own = {name: score for name, score in found["scores"].items() if score.get("of") == "business"}
    lines += [f"  {name} {score['words'] or full(score)}" for name, score in own.items()]
    worse = [row for row in found.get("groups", ()) if row["gap"]["words"] == WORSE]
    lines += [f"  groups of {row['column']}: {row['words']}" for row in found.get("silent_groups", ())]
    return lines + [
        f"  {row['column']} {row['value']}: {full(row['score'])}, {row['n']:,} rows, clearly worse than the others"
        for row in worse[:WORST]
    ]


def against_words(words: str) -> str:
    """What stands beside a baseline: how this model compares with it."""
    return words if words in (EVEN, UNKNOWN) else f"this model is {words}"
