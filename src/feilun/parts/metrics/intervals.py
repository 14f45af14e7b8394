"""How sure a score is: 95 % percentile bootstrap over rows (Efron 1979)."""

from __future__ import annotations

import math

import numpy as np

from feilun.core.task import Score

BLOCK = 2_000_000  # drawn row numbers held in memory at a time


def bootstrap(score: Score, seed: int, resamples: int = 1000, count: int | None = None) -> tuple[float, float, float]:
    """(value, low, high): the score of all rows, and the ends of its 95 % interval.

    count: how many rows a statistic is over; a score with rows knows it.  A resample whose score is not a number
    (such as AUC without one positive) is left out. All three are NaN if there are no rows.
    Raises ValueError if it cannot be known what to draw from.
    """
    if score.rows is not None:
        rows = np.asarray(score.rows, np.float64)
        if not len(rows):
            return math.nan, math.nan, math.nan
        return _ends(float(rows.mean()), _means(rows, seed, resamples))
    if score.statistic is None or count is None:
        raise ValueError("A score needs rows, or a statistic and the number of rows it is over.")
    if not count:
        return math.nan, math.nan, math.nan
    draw = np.random.default_rng(seed)
    drawn = np.array([score.statistic(draw.integers(0, count, count)) for _ in range(resamples)])
    return _ends(float(score.statistic(np.arange(count))), drawn)


def _means(rows: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    draw, count = np.random.default_rng(seed), len(rows)
    if np.isin(rows, (0.0, 1.0)).all():  # how often a 1 is drawn is binomial: no need to draw every row
        return np.asarray(draw.binomial(count, rows.mean(), resamples) / count)
    block = max(1, BLOCK // count)
    parts = [min(block, resamples - start) for start in range(0, resamples, block)]
    return np.concatenate([rows[draw.integers(0, count, (part, count))].mean(1) for part in parts])


def _ends(value: float, drawn: np.ndarray) -> tuple[float, float, float]:
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return value, value, value
    low, high = np.quantile(known, (0.025, 0.975))
    return value, float(low), float(high)
