"""`--fail-under auc=0.8`: what a pipeline must reach, so that it stops with exit code 3 where it does not."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from feilun.cli.record import argument
from feilun.core import discover
from feilun.core.errors import InputError, ThresholdMissed

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe

Wanted: TypeAlias = Sequence[tuple[str, float]]
PERCENT = 2.0  # what is asked of a share from here on is meant in percent
UP_TO_1 = ("accuracy", "balanced_accuracy", "auc", "average_precision", "f1", "f1_positive", "micro_f1", "mcc", "r2")

FAIL_UNDER = argument(
    "--fail-under",
    dest="fail_under",
    metavar="SCORE=VALUE",
    action="append",
    help="exit 3 if a score misses this, such as auc=0.8; a bare number means the main score; may be repeated",
)


def parsed(given: Sequence[str] | None) -> list[tuple[str, float]]:
    """[(score name, "" for the main one, value)]: a score named twice must reach both.

    Raises InputError for what is neither 0.8 nor auc=0.8."""
    found: list[tuple[str, float]] = []
    for text in given or ():
        name, _, value = text.rpartition("=")
        try:
            found.append((name.strip(), float(value)))
            if not math.isfinite(found[-1][1]):
                raise ValueError
        except ValueError as error:
            raise InputError(
                f"--fail-under {text!r}: expected a number, or a score's name and a number, such as auc=0.8.",
                where="--fail-under",
                got=text,
                fix="--fail-under auc=0.8",
            ) from error
    return found


def early(thresholds: Wanted, recipe: Recipe) -> None:
    """Before anything is trained: raises InputError for a name that no task has, and for a metric of one's own."""
    task = discover.aliases("tasks").get(str(recipe.task), recipe.task)
    tasks = [task] if task in discover.names("tasks") else [] if task else list(discover.names("tasks"))
    known = list(dict.fromkeys(score for one in tasks for score in discover.scores(str(one))))
    for name, value in thresholds:
        if name in recipe.evaluate.metrics:
            raise _no_side(name, recipe.evaluate.score or "accuracy")
        if name and known and name not in known:  # a task may bring its own scores
            near = difflib.get_close_matches(name, known, n=1)
            raise InputError(
                f"--fail-under names {name!r}, which is no score. {f'Did you mean {near[0]}?' if near else ''} "
                f"There are: {', '.join(known)}.",
                where="--fail-under",
                expected=", ".join(known),
                got=name,
                fix=f"--fail-under {near[0] if near else 'accuracy'}={value:g}",
            )
        if name in UP_TO_1:
            _reachable(name, value)


def require(thresholds: Wanted, scores: Mapping[str, Any], main: str, version: str, over: str = "") -> None:
    """Raises ThresholdMissed naming every score that misses, or InputError for a name that is no score here.

    over: what the scores are of, such as "5 folds"; "" means the test rows.
    """
    check(thresholds, scores, main, version)
    missed = []
    for name, wanted in thresholds:
        score = scores[name or main]
        lower = score.get("better") == "lower"
        if score["value"] is None or (score["value"] > wanted if lower else score["value"] < wanted):
            missed.append((name or main, score["value"], wanted))
    if missed:
        values = ["not known" if value is None else f"{value:.4g}" for _, value, _ in missed]
        of = f" over {over}" if over else ""
        said = "; ".join(
            f"its {name}{of} of {value} misses --fail-under {wanted:g}"
            for value, (name, _, wanted) in zip(values, missed, strict=True)
        )
        raise ThresholdMissed(
            f"{version} is ready, and {said}.",
            where=", ".join(name for name, _, _ in missed),
            expected=", ".join(f"{wanted:g}" for _, _, wanted in missed),
            got=", ".join(values),
        )


def check(thresholds: Wanted, scores: Mapping[str, Any], main: str, version: str) -> None:
    """Raises InputError for a name that is no score here or has no better side, and for 95 where 0.95 is meant."""
    for name, value in thresholds:
        if (name or main) not in scores:
            raise InputError(
                f"--fail-under names {name!r}; the scores of {version} are: {', '.join(scores)}. {version} is kept.",
                where="--fail-under",
                expected=", ".join(scores),
                got=name,
            )
        if scores[name or main].get("of") == "business":  # whether more of it is better, the recipe does not say
            raise _no_side(name, main)
        if (name or main) in UP_TO_1 or scores[name or main].get("unit") == "%":
            _reachable(name or main, value)


def _no_side(name: str, main: str) -> InputError:
    return InputError(
        f"--fail-under {name}: whether a high {name} is good or bad is not known. Name a score such as {main}.",
        where="--fail-under",
        expected="a score with a better side",
        got=name,
        fix=f"--fail-under {main}=...",
    )


def _reachable(name: str, value: float) -> None:
    if value >= PERCENT:
        raise InputError(
            f"--fail-under {name}={value:g}: {name} lies between 0 and 1. Did you mean {value / 100:g}?",
            where="--fail-under",
            expected="a number between 0 and 1",
            got=f"{value:g}",
            fix=f"--fail-under {name}={value / 100:g}",
        )
