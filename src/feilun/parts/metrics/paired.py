"""Two sets of answers to the same rows: who is better, and could it be chance?"""

from __future__ import annotations

import math

import numpy as np

from feilun.core.task import Score
from feilun.parts.metrics.intervals import OfCells, OfSome, bootstrap


def sign_test(champion: np.ndarray, challenger: np.ndarray, better: str = "higher") -> tuple[int, int, float]:
    """(wins, losses, p) of the challenger, row by row; equal rows say nothing.

    champion, challenger: one value per row, (N,).  p: one-sided, exact: how often a fair coin would give at least so
    many wins in wins + losses throws (binomial); 1 if there are none.  Raises ValueError for different lengths.
    """
    before, after = np.asarray(champion, np.float64), np.asarray(challenger, np.float64)
    if before.shape != after.shape:
        raise ValueError(f"The same rows are needed on both sides: {before.shape} and {after.shape}.")
    up = after > before if better == "higher" else after < before
    wins = int(up.sum())
    losses = int((after != before).sum()) - wins
    return wins, losses, binomial_tail(wins, wins + losses)


def binomial_tail(wins: int, throws: int) -> float:
    """Chance of at least so many heads in throws of a fair coin, summed from the small end."""
    logs = [
        math.lgamma(throws + 1) - math.lgamma(k + 1) - math.lgamma(throws - k + 1) - throws * math.log(2)
        for k in range(throws, wins - 1, -1)
    ]
    return min(1.0, math.fsum(math.exp(log) for log in logs))


def difference(
    ours: Score, theirs: Score, seed: int, resamples: int = 1000, count: int | None = None
) -> tuple[float, float, float]:
    """(difference, low, high): our score less theirs on the same resampled rows, with its 95 % interval.

    count: as in `intervals.bootstrap`.  Raises ValueError if one has rows and the other only a statistic.
    """
    return bootstrap(gap(ours, theirs), seed, resamples, count)


def gap(ours: Score, theirs: Score) -> Score:
    """Our score less theirs, as a score."""
    if ours.rows is not None and theirs.rows is not None:
        return Score(rows=ours.rows - theirs.rows, better=ours.better, unit=ours.unit)
    one, other = ours.statistic, theirs.statistic
    if one is None or other is None:
        raise ValueError("Both scores must have the same form: rows, or a statistic.")
    differ = one.cells != other.cells if isinstance(one, OfCells) and isinstance(other, OfCells) else None
    marks = one.marks if isinstance(one, OfSome) else None
    apart = OfSome(of=lambda index: one(index) - other(index), marks=marks, differ=differ)
    return Score(statistic=apart, better=ours.better, unit=ours.unit)
