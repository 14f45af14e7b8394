"""`--fail-under auc=0.8`: what a pipeline must reach, so that it stops with exit code 3 where it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from feilun.cli.record import argument
from feilun.core.errors import InputError, ThresholdMissed

FAIL_UNDER = argument(
    "--fail-under",
    dest="fail_under",
    metavar="SCORE=VALUE",
    action="append",
    help="exit 3 if a score misses this, such as auc=0.8; a bare number means the main score; may be repeated",
)


def parsed(given: Sequence[str] | None) -> dict[str, float]:
    """{score name, "" for the main one: value}. Raises InputError for what is neither 0.8 nor auc=0.8."""
    found = {}
    for text in given or ():
        name, _, value = text.rpartition("=")
        try:
            found[name.strip()] = float(value)
            if not math.isfinite(found[name.strip()]):
                raise ValueError
        except ValueError as error:
            raise InputError(
                f"--fail-under {text!r}: expected a number, or a score's name and a number, such as auc=0.8.",
                where="--fail-under",
                got=text,
                fix="--fail-under auc=0.8",
            ) from error
    return found


def require(
    thresholds: Mapping[str, float], scores: Mapping[str, Any], main: str, version: str, over: str = ""
) -> None:
    """Raises ThresholdMissed naming every score that misses, or InputError for a name that is no score here.

    over: what the scores are of, such as "5 folds"; "" means the test rows.
    """
    check(thresholds, scores, main, version)
    missed = []
    for name, wanted in thresholds.items():
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


def check(thresholds: Mapping[str, float], scores: Mapping[str, Any], main: str, version: str) -> None:
    """Raises InputError for a name that is no score here, or has no better side."""
    for name in thresholds:
        if (name or main) not in scores:
            raise InputError(
                f"--fail-under names {name!r}; the scores of {version} are: {', '.join(scores)}. {version} is kept.",
                where="--fail-under",
                expected=", ".join(scores),
                got=name,
            )
        if scores[name or main].get("of") == "business":  # whether more of it is better, the recipe does not say
            raise InputError(
                f"--fail-under {name}: whether a high {name} is good or bad is not known. Name a score such as {main}.",
                where="--fail-under",
                expected="a score with a better side",
                got=name,
                fix=f"--fail-under {main}=...",
            )
