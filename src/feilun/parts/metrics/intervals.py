"""How sure a score is: 95 % percentile bootstrap over rows, or over groups of rows (Efron 1979; Davison & Hinkley)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from feilun.core.task import Score

BLOCK = 2_000_000  # drawn row numbers held in memory at a time


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OfCells:
    """A statistic that only depends on how many rows lie in each cell, such as truth × answer.

    cells: int (N,).  of: counts (..., cells) -> values (...).  Resampling then draws counts, not rows: for 16,000
    rows a hundred times faster than counting every resample anew.
    """

    cells: np.ndarray
    count: int
    of: Callable[[np.ndarray], np.ndarray]

    def __call__(self, index: np.ndarray) -> float:
        """The score of these rows."""
        return float(self.of(np.bincount(self.cells[index], minlength=self.count)[None])[0])


def bootstrap(
    score: Score, seed: int, resamples: int = 1000, count: int | None = None, groups: np.ndarray | None = None
) -> tuple[float, float, float]:
    """(value, low, high): the score of all rows, and the ends of its 95 % interval.

    count: how many rows a statistic is over; a score with rows knows it.  groups: int (N,), one number per row; rows
    of one group are drawn together, as rows of one patient or customer tell the same thing again and again.
    A resample whose score is not a number (such as AUC without one positive) is left out. All three are NaN if there
    are no rows; low and high if all rows are of one group.  Raises ValueError if it cannot be known what to draw from.
    """
    number = count if score.rows is None else len(score.rows)
    if number is None:
        raise ValueError("A score needs rows, or a statistic and the number of rows it is over.")
    if not number:
        return (math.nan,) * 3
    return _ends(of_all(score, number), resampled(score, seed, resamples, number, groups))


def of_all(score: Score, count: int) -> float:
    """The score of all rows. Raises ValueError if it has neither rows nor a statistic."""
    if score.rows is not None:
        return float(np.asarray(score.rows, np.float64).mean()) if count else math.nan
    if score.statistic is None:
        raise ValueError("A score needs rows, or a statistic and the number of rows it is over.")
    return float(score.statistic(np.arange(count))) if count else math.nan


def resampled(score: Score, seed: int, resamples: int, count: int, groups: np.ndarray | None = None) -> np.ndarray:
    """float64 (resamples,): the score of each resample; empty if there is only one group to draw from."""
    if score.rows is not None:
        return _means(np.asarray(score.rows, np.float64), seed, resamples, groups)
    if isinstance(score.statistic, OfCells):
        return _of_cells(score.statistic, seed, resamples, groups)
    if score.statistic is None:
        raise ValueError("A score needs rows, or a statistic and the number of rows it is over.")
    return np.array([score.statistic(index) for index in draws(seed, resamples, count, groups)])


def of_part(score: Score, places: np.ndarray) -> Score:
    """The score of these rows alone, as a score."""
    if score.rows is not None:
        return Score(rows=score.rows[places], better=score.better, unit=score.unit)
    whole = score.statistic
    if isinstance(whole, OfCells):
        cells = OfCells(cells=whole.cells[places], count=whole.count, of=whole.of)
        return Score(statistic=cells, better=score.better, unit=score.unit)
    if whole is None:
        raise ValueError("A score needs rows, or a statistic and the number of rows it is over.")
    return Score(statistic=lambda index: whole(places[index]), better=score.better, unit=score.unit)


def draws(seed: int, resamples: int, count: int, groups: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Row numbers of each resample; of groups as many as there are, with all their rows."""
    draw = np.random.default_rng(seed)
    if groups is None:
        for _ in range(resamples):
            yield draw.integers(0, count, count)
        return
    order, starts, sizes = _grouped(groups)
    if len(sizes) < 2:
        return
    for _ in range(resamples):
        chosen = draw.integers(0, len(sizes), len(sizes))
        lengths = sizes[chosen]
        ends = np.cumsum(lengths)
        yield order[np.arange(ends[-1]) + np.repeat(starts[chosen] - ends + lengths, lengths)]


def _means(rows: np.ndarray, seed: int, resamples: int, groups: np.ndarray | None) -> np.ndarray:
    if groups is not None:
        codes = np.unique(groups, return_inverse=True)[1]
        sums, sizes = np.bincount(codes, weights=rows), np.bincount(codes)
        return _joined([(times @ sums) / (times @ sizes) for times in _times(len(sizes), seed, resamples)])
    draw, count = np.random.default_rng(seed), len(rows)
    if np.isin(rows, (0.0, 1.0)).all():  # how often a 1 is drawn is binomial: no need to draw every row
        return np.asarray(draw.binomial(count, rows.mean(), resamples) / count)
    block = max(1, BLOCK // count)
    parts = [min(block, resamples - start) for start in range(0, resamples, block)]
    return _joined([rows[draw.integers(0, count, (part, count))].mean(1) for part in parts])


def _of_cells(statistic: OfCells, seed: int, resamples: int, groups: np.ndarray | None) -> np.ndarray:
    if groups is None:
        counts = np.bincount(statistic.cells, minlength=statistic.count)
        drawn = np.random.default_rng(seed).multinomial(len(statistic.cells), counts / counts.sum(), resamples)
        return np.asarray(statistic.of(drawn), np.float64)
    codes = np.unique(groups, return_inverse=True)[1]
    number = int(codes.max()) + 1
    both = np.bincount(codes * statistic.count + statistic.cells, minlength=number * statistic.count)
    each = both.reshape(number, -1)
    return _joined([np.asarray(statistic.of(times @ each)) for times in _times(number, seed, resamples)])


def _times(groups: int, seed: int, resamples: int) -> Iterator[np.ndarray]:
    """(some resamples, groups) at a time: how often each group is drawn; nothing can be said of one group."""
    draw = np.random.default_rng(seed)
    block = max(1, BLOCK // groups)
    for start in range(0, resamples if groups > 1 else 0, block):
        part = min(block, resamples - start)
        yield np.stack([np.bincount(draw.integers(0, groups, groups), minlength=groups) for _ in range(part)])


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0)


def _grouped(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row numbers group by group, where each group starts in them, how many rows it has)."""
    codes = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(codes)
    return np.argsort(codes, kind="stable"), np.cumsum(sizes) - sizes, sizes


def _ends(value: float, drawn: np.ndarray) -> tuple[float, float, float]:
    if not len(drawn):
        return value, math.nan, math.nan
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return value, value, value
    low, high = np.quantile(known, (0.025, 0.975))
    return value, float(low), float(high)
