"""Intervals cover what they say, and the sign test is the exact binomial."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from feilun.core.task import Score
from feilun.parts.metrics import classification, paired, regression
from feilun.parts.metrics.intervals import OfCells, bootstrap, of_all, of_part


def test_the_interval_of_a_mean_is_that_of_the_normal_theory() -> None:
    rows = np.random.default_rng(0).normal(5, 2, 400)
    value, low, high = bootstrap(Score(rows=rows), seed=1, resamples=4000)
    half = 1.96 * rows.std() / 20
    assert value == rows.mean()
    assert (low, high) == pytest.approx((value - half, value + half), abs=0.03)  # 4,000 resamples: quantiles to 0.02


def test_shares_are_drawn_as_rows_are() -> None:
    rows = (np.random.default_rng(0).random(300) < 0.8).astype(float)
    short = bootstrap(Score(rows=rows), seed=1, resamples=4000)
    long = bootstrap(Score(statistic=lambda index: float(rows[index].mean())), 1, 4000, len(rows))
    assert short == pytest.approx(long, abs=0.006)  # two random draws of the same quantiles


def test_intervals_cover_the_truth_about_95_times_in_100() -> None:
    draw = np.random.default_rng(2)
    hits = 0
    for trial in range(300):
        _, low, high = bootstrap(Score(rows=draw.exponential(1.0, 100)), seed=trial, resamples=400)
        hits += low <= 1.0 <= high
    assert 0.90 <= hits / 300 <= 0.98


def test_the_same_seed_gives_the_same_interval_and_nothing_has_none() -> None:
    score = Score(rows=np.arange(10.0))
    assert bootstrap(score, 3) == bootstrap(score, 3) != bootstrap(score, 4)
    assert all(map(math.isnan, bootstrap(Score(rows=np.zeros(0)), 0)))
    with pytest.raises(ValueError, match="number of rows"):
        bootstrap(Score(statistic=lambda index: 0.0), 0)


def test_resamples_that_are_no_number_are_left_out() -> None:
    score = Score(statistic=lambda index: math.nan if 0 not in index else 1.0)
    assert bootstrap(score, 0, 200, 5) == (1.0, 1.0, 1.0)


def test_the_sign_test_is_the_exact_binomial() -> None:
    before, after = np.array([0, 0, 0, 1, 1, 1.0]), np.array([1, 1, 1, 0, 1, 1.0])
    assert paired.sign_test(before, after) == (3, 1, pytest.approx(5 / 16))
    assert paired.sign_test(before, after, "lower") == (1, 3, pytest.approx(15 / 16))
    assert paired.sign_test(before, before) == (0, 0, 1.0)
    for wins, losses in ((12, 2), (4, 2), (700, 650), (0, 9)):
        expected = stats.binomtest(wins, wins + losses, alternative="greater").pvalue
        assert paired.binomial_tail(wins, wins + losses) == pytest.approx(expected, rel=1e-9)


def test_a_paired_difference_is_narrower_than_two_scores_apart() -> None:
    draw = np.random.default_rng(5)
    easy = draw.normal(0, 1, 300)
    ours, theirs = Score(rows=easy + 0.2), Score(rows=easy + draw.normal(0, 0.1, 300))
    value, low, high = paired.difference(ours, theirs, seed=0)
    assert 0.15 < low < value < high < 0.25
    same = Score(statistic=lambda index: float(easy[index].std()))
    assert paired.difference(same, same, 0, 200, 300) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="same form"):
        paired.difference(ours, same, 0)


def test_scores_of_numbers_equal_scikit_learn() -> None:
    from sklearn import metrics as known

    draw = np.random.default_rng(6)
    truth, said = draw.normal(size=(40, 2)), draw.normal(size=(40, 2))
    index = np.arange(40)
    assert regression.rmse(said[:, 0], truth[:, 0])(index) == pytest.approx(
        known.root_mean_squared_error(truth[:, 0], said[:, 0])
    )
    assert regression.mae(said, truth).mean() == pytest.approx(known.mean_absolute_error(truth, said))
    assert regression.r2(said, truth)(index) == pytest.approx(known.r2_score(truth, said))
    assert math.isnan(regression.r2(said, np.ones((40, 2)))(index))


def test_worked_squared_errors() -> None:
    """y = [1, 0, 1], ŷ = [.8, .1, .9]: half the sum is .03 (popular texts print .45), the mean is .02."""
    truth, said = np.array([1.0, 0, 1]), np.array([0.8, 0.1, 0.9])
    squares = regression.rmse(said, truth)(np.arange(3)) ** 2
    assert (squares, squares * 3 / 2) == pytest.approx((0.02, 0.03))


def _f1_of_cells(said: np.ndarray, truth: np.ndarray) -> Score:
    return Score(statistic=classification.f1(said, truth, 3))


def test_counts_give_the_interval_that_rows_give() -> None:
    draw = np.random.default_rng(1)
    truth = draw.integers(0, 3, 600)
    said = np.where(draw.random(600) < 0.7, truth, draw.integers(0, 3, 600))
    fast = _f1_of_cells(said, truth)
    slow = Score(statistic=lambda index: fast.statistic(index))  # type: ignore[misc]  # not OfCells any more
    one, other = bootstrap(fast, 0, 1000, 600), bootstrap(slow, 0, 1000, 600)
    assert one[0] == other[0]
    assert one[1:] == pytest.approx(other[1:], abs=0.006)  # an eighth of the width: two draws of 1,000


def test_rows_of_one_group_are_drawn_together() -> None:
    """40 patients of 25 rows that are all right or all wrong say as much as 40 rows."""
    draw = np.random.default_rng(2)
    per_group = (draw.random(40) < 0.7).astype(np.float64)
    rows, groups = np.repeat(per_group, 25), np.repeat(np.arange(40), 25)
    order = draw.permutation(1000)
    rows, groups = rows[order], groups[order]
    alone = bootstrap(Score(rows=rows), 0, 1000)
    together = bootstrap(Score(rows=rows), 0, 1000, groups=groups)
    expected = 2 * 1.96 * per_group.std() / 40**0.5
    assert together[2] - together[1] == pytest.approx(expected, rel=0.12)
    assert together[2] - together[1] > 4 * (alone[2] - alone[1])
    statistic = bootstrap(Score(statistic=lambda index: float(rows[index].mean())), 0, 1000, 1000, groups)
    cells = OfCells(cells=rows.astype(np.int64), count=2, of=lambda counts: counts[..., 1] / counts.sum(-1))
    counted = bootstrap(Score(statistic=cells), 0, 1000, 1000, groups)
    for other in (statistic, counted):
        assert other[0] == pytest.approx(together[0]) and other[1:] == pytest.approx(together[1:], abs=0.03)


def test_a_single_group_says_nothing_of_others() -> None:
    for score in (Score(rows=np.ones(9)), Score(statistic=lambda index: 1.0)):
        value, low, high = bootstrap(score, 0, 100, 9, np.zeros(9, np.int64))
        assert value == 1.0 and math.isnan(low) and math.isnan(high)


@pytest.mark.parametrize("form", ["rows", "cells", "statistic"])
def test_a_part_is_scored_as_if_it_were_all(form: str) -> None:
    draw = np.random.default_rng(3)
    truth, said, places = draw.integers(0, 3, 90), draw.integers(0, 3, 90), np.arange(20, 50)
    made = {
        "rows": lambda t, s: Score(rows=(t == s).astype(np.float64)),
        "cells": lambda t, s: _f1_of_cells(s, t),
        "statistic": lambda t, s: Score(statistic=classification.auc(s.astype(float), t == 1)),
    }[form]
    assert of_all(of_part(made(truth, said), places), 30) == of_all(made(truth[places], said[places]), 30)


def test_groups_of_different_size_keep_the_mean_over_rows() -> None:
    """A resample's score is the mean over the rows it holds, however many they are."""
    sizes = np.array([1, 2, 4, 8, 16, 32, 64, 128] * 4)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.random.default_rng(5).normal(10.0, 1.0, len(groups))
    quick = bootstrap(Score(rows=rows), 0, 1000, groups=groups)
    slow = bootstrap(Score(statistic=lambda index: float(rows[index].mean())), 0, 1000, len(rows), groups)
    assert quick[0] == pytest.approx(slow[0]) and quick[1:] == pytest.approx(slow[1:], abs=0.03)
