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
    rare = np.arange(600) % 20 == 0
    flat = np.full(600, 0.3)
    assert calibration.best_f1(flat, rare) <= 0.3, "always yes has the best F1 of the rare class"
    assert calibration.best_f1(flat, rare, both=True) > 0.3, "always no has the best mean of both"


@pytest.mark.parametrize("index", [ALL, ALL[:40], np.repeat(ALL, 2)], ids=["all", "some", "twice"])
def test_scores_of_one_label_equal_scikit_learn(index: np.ndarray) -> None:
    true, said, chances = TRUTH[index], SAID[index], CHANCES[index]
    expected = {
        ours.balanced_accuracy(SAID, TRUTH, 4): known.balanced_accuracy_score(true, said),
        ours.mcc(SAID, TRUTH, 4): known.matthews_corrcoef(true, said),
        ours.recall(SAID == 1, TRUTH == 1): known.recall_score(true == 1, said == 1),
        ours.specificity(SAID == 1, TRUTH == 1): known.recall_score(true != 1, said != 1),
        ours.f1_positive(SAID == 1, TRUTH == 1): known.f1_score(true == 1, said == 1),
        ours.average_precision(CHANCES[:, 2], TRUTH == 2): known.average_precision_score(true == 2, chances[:, 2]),
    }
    for mine, theirs in expected.items():
        assert mine(index) == pytest.approx(theirs, abs=CLOSE)
    assert ours.top_k(chances, true, 2).mean() == pytest.approx(known.top_k_accuracy_score(true, chances, k=2))
    assert ours.brier(chances, true).mean() == pytest.approx(
        ((chances - np.eye(4)[true]) ** 2).sum(1).mean(), abs=CLOSE
    )


def test_brier_of_two_classes_is_briers() -> None:
    two = np.stack([1 - CHANCES[:, 0], CHANCES[:, 0]], 1)
    assert ours.brier(two, (TRUTH == 0) * 1).mean() == pytest.approx(
        known.brier_score_loss(TRUTH == 0, CHANCES[:, 0]), abs=CLOSE
    )


@pytest.mark.parametrize("decimals", [8, 1])
def test_average_precision_equals_scikit_learn_with_ties_and_needs_a_positive(decimals: int) -> None:
    scores = np.round(CHANCES[:, 0] + 0.3 * (TRUTH == 0), decimals)
    mine = ours.average_precision(scores, TRUTH == 0)
    assert mine(ALL) == pytest.approx(known.average_precision_score(TRUTH == 0, scores), abs=CLOSE)
    assert math.isnan(mine(np.flatnonzero(TRUTH != 0)))


def test_scores_of_several_labels_equal_scikit_learn() -> None:
    said, truth = (DRAW.random((50, 3)) < 0.5).astype(float), (DRAW.random((50, 3)) < 0.4).astype(float)
    chances, rows = DRAW.random((50, 3)), np.arange(50)
    assert ours.micro_f1(said, truth)(rows) == pytest.approx(known.f1_score(truth, said, average="micro"), abs=CLOSE)
    each = [ours.average_precision(chances[:, place], truth[:, place] > 0) for place in range(3)]
    assert ours.mean_of(each)(rows) == pytest.approx(known.average_precision_score(truth, chances), abs=CLOSE)
    each = [ours.auc(chances[:, place], truth[:, place] > 0) for place in range(3)]
    assert ours.mean_of(each)(rows) == pytest.approx(known.roc_auc_score(truth, chances), abs=CLOSE)


def test_many_classes_are_counted_row_by_row_with_the_same_result() -> None:
    truth, said = DRAW.integers(0, 100, 3000), DRAW.integers(0, 100, 3000)
    said = np.where(DRAW.random(3000) < 0.5, truth, said)
    index = DRAW.integers(0, 3000, 3000)
    mine = ours.f1(said, truth, 100)(index)
    assert mine == pytest.approx(known.f1_score(truth[index], said[index], average="macro"), abs=CLOSE)


def test_calibration_error_is_the_weighted_gap_of_each_step() -> None:
    sure = np.array([0.95, 0.95, 0.95, 0.95, 0.65, 0.65])
    right = np.array([True, True, True, False, True, False])
    # step 0.9-1.0: |3/4 - 0.95| x 4/6; step 0.6-0.7: |1/2 - 0.65| x 2/6
    assert ours.calibration_error(sure, right)(np.arange(6)) == pytest.approx(0.2 * 4 / 6 + 0.15 * 2 / 6)


def test_right_of_answered_counts_only_the_answered_rows() -> None:
    right, answered = np.array([True, False, True, True]), np.array([True, True, True, False])
    mine = ours.right_of_answered(right, answered)
    assert mine(np.arange(4)) == pytest.approx(2 / 3)
    assert math.isnan(mine(np.array([3])))
