"""Intervals cover what they say, and the sign test is the exact binomial."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from feilun.core.task import Score
from feilun.parts.metrics import classification, intervals, paired, regression, resampling
from feilun.parts.metrics.intervals import OfCells, bootstrap, interval, of_all, of_part, wilson


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


def _coverage(rows: int, share: float) -> float:
    """How often the interval of so many rows holds the share, summed over every number of right rows: no draw."""
    hits = np.arange(rows + 1)
    ends = np.array([wilson(int(count), rows) for count in hits])
    return float(stats.binom.pmf(hits, rows, share)[(ends[:, 0] <= share) & (share <= ends[:, 1])].sum())


def test_shares_are_covered_95_times_in_100_however_high_they_are() -> None:
    """Whole numbers of rows allow no more: just beyond a step, every interval of this width is short of 95 %."""
    found = {(n, p): _coverage(n, p) for n in (20, 30, 50, 60, 100, 200, 500) for p in np.linspace(0.5, 0.99, 50)}
    assert np.mean(list(found.values())) == pytest.approx(0.95, abs=0.005)
    assert min(found.values()) > 0.91
    assert np.mean([covered < 0.93 for covered in found.values()]) < 0.03
    resampled = [_of_resamples(60, 0.99), found[60, 0.99]]
    assert resampled[0] < 0.5 < 0.91 < resampled[1], "the bootstrap of 60 right rows says that none is ever wrong"


def _of_resamples(rows: int, share: float) -> float:
    ends = [bootstrap(Score(rows=np.arange(rows) < count), 0, 1000)[1:] for count in range(rows + 1)]
    chances = stats.binom.pmf(np.arange(rows + 1), rows, share)
    return float(sum(chance for chance, (low, high) in zip(chances, ends, strict=True) if low <= share <= high))


def test_wilson_is_the_known_one() -> None:
    for hits, rows in ((60, 60), (0, 7), (57, 60), (1, 3), (400, 500)):
        known = stats.binomtest(hits, rows).proportion_ci(0.95, "wilson")
        assert wilson(hits, rows) == pytest.approx((known.low, known.high), abs=1e-9)
    assert wilson(60, 60)[1] == 1.0 and wilson(0, 60)[0] == 0.0 and wilson(0, 0) == (0.0, 1.0)


def test_sixty_of_sixty_right_are_not_sure_to_be_right() -> None:
    right, few = np.ones(60, bool), np.arange(60) < 5
    expected = wilson(60, 60)
    assert interval(Score(rows=right * 1.0, unit="%"), 0) == (1.0, *expected)
    assert interval(Score(rows=right * 0.0, unit="%", better="lower"), 0) == (0.0, *wilson(0, 60))
    assert interval(Score(statistic=classification.recall(few, few)), 0, 100, 60) == (1.0, *wilson(5, 5))
    assert interval(Score(statistic=classification.precision(few, right)), 0, 100, 60) == (1.0, *wilson(5, 5))
    assert interval(Score(statistic=classification.specificity(few, few)), 0, 100, 60) == (1.0, *wilson(55, 55))
    assert interval(Score(statistic=classification.right_of_answered(right, few)), 0, 100, 60) == (1.0, *wilson(5, 5))
    low = wilson(5, 5)[0]
    assert interval(Score(statistic=classification.f1_positive(few, few)), 0, 100, 60) == (
        1.0,
        2 * low / (1 + low),
        1.0,
    )
    part = of_part(Score(statistic=classification.recall(few, few)), np.arange(3))
    assert interval(part, 0, 100, 3) == (1.0, *wilson(3, 3))


def test_what_nobody_was_asked_is_not_known() -> None:
    none = np.zeros(60, bool)
    assert interval(Score(statistic=classification.precision(none, ~none)), 0, 100, 60) == (0.0, 0.0, 1.0)
    assert all(map(math.isnan, interval(Score(statistic=classification.right_of_answered(~none, none)), 0, 100, 60)))
    assert all(map(math.isnan, interval(Score(rows=np.zeros(0), unit="%"), 0)))


def test_the_f1_of_a_class_is_covered_95_times_in_100() -> None:
    draw = np.random.default_rng(4)
    shares = np.array([0.5, 0.02, 0.03, 0.45])  # true negatives, false positives, false negatives, true positives
    expected, hits = 2 * shares[3] / (2 * shares[3] + shares[1] + shares[2]), 0
    for _ in range(600):
        cells = draw.choice(4, 60, p=shares)
        _, low, high = interval(Score(statistic=classification.f1_positive(cells % 2 == 1, cells > 1)), 0, 100, 60)
        hits += low <= expected <= high
    assert hits / 600 == pytest.approx(0.95, abs=0.03)  # three standard errors of 600 draws


def test_of_groups_that_are_all_right_each_is_one_row() -> None:
    groups = np.repeat(np.arange(12), 5)
    assert interval(Score(rows=np.ones(60), unit="%"), 0, 100, groups=groups) == (1.0, *wilson(12, 12))
    assert interval(Score(rows=np.zeros(60), unit="%"), 0, 100, groups=groups) == (0.0, *wilson(0, 12))
    rows = (np.arange(60) % 7 > 0) * 1.0  # some right, some wrong: drawn as ever
    assert interval(Score(rows=rows, unit="%"), 0, 100, groups=groups) == bootstrap(
        Score(rows=rows), 0, 100, None, groups
    )
    few = np.arange(60) < 10  # two groups
    assert interval(Score(statistic=classification.recall(few, few)), 0, 100, 60, groups) == (1.0, *wilson(2, 2))
    alone = interval(Score(rows=np.ones(9), unit="%"), 0, 100, groups=np.zeros(9, np.int64))
    assert alone[0] == 1.0 and math.isnan(alone[1])


def test_an_error_of_nothing_and_a_difference_are_no_shares() -> None:
    assert interval(Score(rows=np.zeros(60), better="lower"), 0) == (0.0, 0.0, 0.0)
    ahead = Score(rows=(np.arange(60) < 1) * 1.0)
    assert paired.difference(ahead, Score(rows=np.zeros(60)), 0)[1] == 0.0, "one row ahead is no clear difference"


def test_few_rows_that_differ_prove_nothing() -> None:
    four = np.repeat([1.0, 0.0], [4, 56])
    value, low, high = intervals.paired(four)
    assert value == pytest.approx(4 / 60) and low < 0 < high  # the sign test says p = 0.125
    assert intervals.paired(np.repeat([1.0, 0.0], [8, 52]))[1] > 0  # p = 0.008
    assert intervals.paired(np.zeros(60))[1:] == pytest.approx((-1.96 / 62, 1.96 / 62), abs=1e-4)
    draw = resampling.Draw(n=60, seed=0, resamples=500)
    assert draw.difference(Score(rows=four)) == (value, low, high)
    grouped = resampling.Draw(n=60, seed=0, resamples=500, groups=np.arange(60) // 2)
    assert grouped.difference(Score(rows=four)) != (value, low, high), "rows of a group are drawn together"


@pytest.mark.parametrize("chances", [(0.05, 0.05), (0.1, 0.02), (0.3, 0.1), (0.03, 0.01)])
def test_the_interval_of_paired_shares_covers_what_it_says(chances: tuple[float, float]) -> None:
    draw, ahead, behind = np.random.default_rng(7), *chances
    for rows in (30, 100, 400):
        counts = draw.multinomial(rows, (ahead, behind, 1 - ahead - behind), 2000)
        ends = [intervals.paired(np.repeat([1.0, -1.0, 0.0], some)) for some in counts]
        covered = np.mean([low <= ahead - behind <= high for _, low, high in ends])
        assert covered >= 0.93, (rows, covered)  # of 2,000 draws, two standard errors are 0.01
