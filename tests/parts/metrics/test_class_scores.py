"""Scores of classes against scikit-learn, and against numbers computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as known

from feilun.parts.metrics import calibration
from feilun.parts.metrics import classification as ours

DRAW = np.random.default_rng(3)
TRUTH = DRAW.integers(0, 4, 200)
SAID = np.where(DRAW.random(200) < 0.6, TRUTH, DRAW.integers(0, 4, 200))
CHANCES = DRAW.dirichlet(np.ones(4), 200)
ALL = np.arange(200)
CLOSE = 1e-12  # both sides are float64 sums of 200 terms


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    # 965 of 1,000 answers right (P) and R 0.925 cannot both come from small counts: use the definition on counts.
    true_positive, false_positive, false_negative = 7141, 259, 579
    said = np.array([1] * (true_positive + false_positive) + [0] * false_negative)
    truth = np.array([1] * true_positive + [0] * false_positive + [1] * false_negative)
    positive, called = truth == 1, said == 1
    index = np.arange(len(truth))
    assert ours.precision(called, positive)(index) == pytest.approx(0.965, abs=1e-4)
    assert ours.recall(called, positive)(index) == pytest.approx(0.925, abs=1e-4)
    both = 2 * 0.965 * 0.925 / (0.965 + 0.925)
    assert both == pytest.approx(0.9446, abs=5e-5)  # popular texts print 0.9400
    assert ours.f1_of_labels(called[:, None] * 1.0, positive[:, None] * 1.0)(index) == pytest.approx(both, abs=1e-4)


def test_macro_f1_equals_scikit_learn_on_all_rows_and_on_some() -> None:
    mine = ours.f1(SAID, TRUTH, 4)
    for index in (ALL, ALL[:7], DRAW.integers(0, 200, 200)):
        assert mine(index) == pytest.approx(known.f1_score(TRUTH[index], SAID[index], average="macro"), abs=CLOSE)


def test_f1_of_several_labels_equals_scikit_learn() -> None:
    said, truth = (DRAW.random((50, 3)) < 0.5).astype(float), (DRAW.random((50, 3)) < 0.4).astype(float)
    mine = ours.f1_of_labels(said, truth)(np.arange(50))
    assert mine == pytest.approx(known.f1_score(truth, said, average="macro"), abs=CLOSE)


@pytest.mark.parametrize("decimals", [8, 1])  # one decimal: most scores are tied
def test_auc_equals_scikit_learn_also_with_ties(decimals: int) -> None:
    scores, truth = np.round(CHANCES[:, 0] + 0.3 * (TRUTH == 0), decimals), TRUTH == 0
    mine = ours.auc(scores, truth)
    for index in (ALL, DRAW.integers(0, 200, 200)):
        assert mine(index) == pytest.approx(known.roc_auc_score(truth[index], scores[index]), abs=CLOSE)


def test_auc_of_equal_scores_is_a_half_and_of_one_class_not_a_number() -> None:
    assert ours.auc(np.zeros(4), np.array([True, False, True, False]))(np.arange(4)) == 0.5
    assert math.isnan(ours.auc(np.arange(3.0), np.array([True] * 3))(np.arange(3)))


def test_log_loss_equals_scikit_learn_and_one_sure_mistake_stays_finite() -> None:
    assert ours.log_loss(CHANCES, TRUTH).mean() == pytest.approx(known.log_loss(TRUTH, CHANCES), abs=CLOSE)
    assert ours.log_loss(np.array([[0.0, 1.0]]), np.array([0]))[0] == pytest.approx(34.54, abs=0.01)


def test_worked_cross_entropies() -> None:
    """y = [1, 0, 1], p = [.8, .1, .9]: popular texts print 0.2231, which is the first term alone."""
    truth, chances = np.array([[1.0, 0.0, 1.0]]), np.array([[0.8, 0.1, 0.9]])
    assert -(truth * np.log(chances)).sum() == pytest.approx(0.3285, abs=5e-5)
    assert ours.binary_log_loss(chances, truth)[0] == pytest.approx(0.1446, abs=5e-5)
    assert ours.binary_log_loss(chances, truth)[0] * 3 == pytest.approx(0.4339, abs=1e-4)


def test_roc_points_equal_scikit_learn() -> None:
    scores, truth = np.round(CHANCES[:, 0] + 0.3 * (TRUTH == 0), 1), TRUTH == 0
    false_rate, true_rate, precision = ours.roc(scores, truth)
    known_false, known_true, _ = known.roc_curve(truth, scores, drop_intermediate=False)
    assert np.allclose(false_rate, known_false[1:]) and np.allclose(true_rate, known_true[1:])
    assert precision[-1] == pytest.approx(truth.mean())


def test_confusion_and_reliability() -> None:
    assert np.array_equal(ours.confusion(SAID, TRUTH, 4), known.confusion_matrix(TRUTH, SAID))
    steps = ours.reliability(np.array([0.05, 0.95, 0.97, 1.0]), np.array([False, True, False, True]))
    assert [count for _, _, count in steps] == [1, 3] and steps[1][1] == pytest.approx(2 / 3)


def test_a_temperature_is_found_again() -> None:
    logits = DRAW.normal(size=(4000, 3)) * 2
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.array([DRAW.choice(3, p=row) for row in chances])
    assert calibration.temperature(logits * 3, truth) == pytest.approx(3, rel=0.1)
    marks = (DRAW.random((4000, 2)) < 1 / (1 + np.exp(-logits[:, :2]))).astype(float)
    assert calibration.temperature(logits[:, :2] / 2, marks) == pytest.approx(0.5, rel=0.1)


def test_a_few_right_rows_make_nobody_sure() -> None:
    logits = np.array([[1.0, -1.0], [1.0, -1.0]])
    assert calibration.temperature(logits, np.array([0, 0])) > 0.5
    assert calibration.temperature(np.zeros((0, 2)), np.zeros(0, np.int64)) == 1.0


def test_a_threshold_moves_only_for_a_clear_gain() -> None:
    chances = np.concatenate([np.full(300, 0.3), np.full(300, 0.1)])
    positive = np.concatenate([np.full(300, True), np.full(300, False)])
    assert 0.1 < calibration.best_accuracy(chances, positive) <= 0.3
    assert 0.1 < calibration.best_f1(chances, positive) <= 0.3
    assert calibration.best_accuracy(DRAW.random(50), DRAW.random(50) < 0.5) == 0.5
    assert calibration.best_f1(chances[-50:], positive[-50:]) == 0.5
