"""Average precision and F1 of boxes against worked examples."""

import numpy as np
import pytest

from feilun.parts.metrics import detection


def box(x, label="a", score=None):
    return {"label": label, "box": [x, 0, x + 10, 10]} | ({} if score is None else {"score": score})


TRUTHS = [[box(0), box(50)], [box(0)], [box(0, "b")]]
# Of label a, best first: 0.9 right, 0.8 wrong, 0.7 right; three are to be found.
# Recall 1/3, 1/3, 2/3; precision 1, 1/2, 2/3; its envelope 1, 2/3, 2/3: area 1/3 x 1 + 1/3 x 2/3 = 5/9.
ANSWERS = [[box(1, score=0.9), box(100, score=0.8)], [box(0, score=0.7)], [box(0, "b", score=0.1)]]


def test_average_precision_by_hand():
    statistic = detection.mean_average_precision(ANSWERS, TRUTHS)
    assert statistic(np.arange(3)) == pytest.approx((5 / 9 + 1) / 2)
    assert statistic(np.array([0, 1])) == pytest.approx(5 / 9)  # only label a is there
    assert statistic(np.array([0])) == pytest.approx(1 / 2)
    assert statistic(np.array([1, 1, 2])) == 1.0


def test_a_wrong_box_first_is_forgiven_by_the_envelope():
    said = [[box(100, score=0.9), box(0, score=0.8), box(50, score=0.7)]]
    # Precision 0, 1/2, 2/3 at recall 0, 1/2, 1: the envelope is 2/3 everywhere.
    statistic = detection.mean_average_precision(said, [[box(0), box(50)]])
    assert statistic(np.array([0])) == pytest.approx(2 / 3)


def test_a_picture_drawn_twice_counts_like_two():
    index = np.array([0, 0, 1, 2, 2])
    drawn = detection.mean_average_precision(ANSWERS, TRUTHS)(index)
    copied = detection.mean_average_precision([ANSWERS[i] for i in index], [TRUTHS[i] for i in index])
    assert drawn == pytest.approx(copied(np.arange(5)))


def test_a_true_box_is_found_once():
    twice = [[box(0, score=0.9), box(1, score=0.8)]]
    assert detection.matched(twice[0], [box(0)], "a").tolist() == [True, False]
    assert detection.f1(twice, [[box(0)]]).tolist() == [pytest.approx(2 / 3)]


def test_the_better_of_two_true_boxes_is_taken():
    said = [box(4, score=0.9), box(0, score=0.8)]
    assert detection.matched(said, [box(0), box(5)], "a").tolist() == [True, True]


def test_nothing_said_and_nothing_true():
    assert detection.f1([[], [], [box(0)]], [[], [box(0)], []]).tolist() == [1, 0, 0]
    assert np.isnan(detection.mean_average_precision([[]], [[]])(np.array([0])))
    assert detection.mean_average_precision([[]], [[box(0)]])(np.array([0])) == 0


def test_less_than_half_covered_is_wrong():
    assert detection.f1([[box(5)]], [[box(0)]]).tolist() == [0]  # 5 / 15
    assert detection.f1([[box(3)]], [[box(0)]]).tolist() == [1]  # 7 / 13
