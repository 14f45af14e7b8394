"""Overlap and suppression of boxes, by hand."""

import numpy as np

from feilun.parts.ops.boxes import overlap, suppress


def test_overlap_by_hand():
    first = np.array([[0, 0, 2, 2], [0, 0, 1, 1]])
    second = np.array([[1, 1, 3, 3], [0, 0, 2, 2], [5, 5, 6, 6], [1, 1, 1, 1]])
    np.testing.assert_allclose(overlap(first, second), [[1 / 7, 1, 0, 0], [0, 1 / 4, 0, 0]])
    assert overlap(np.zeros((0, 4)), second).shape == (0, 4)


def test_the_surest_of_overlapping_boxes_stays():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [20, 20, 30, 30]], float)
    scores = np.array([0.5, 0.9, 0.4, 0.6])
    assert suppress(boxes, scores, np.array([0, 0, 1, 0]), 0.5).tolist() == [1, 3, 2]  # another label is no rival
    assert suppress(boxes, scores, np.array([0, 0, 0, 0]), 0.9).tolist() == [1, 3, 0]
    assert suppress(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), 0.5).tolist() == []


def test_a_suppressed_box_suppresses_no_other():
    boxes = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], float)  # each overlaps only the next: 6 / 14
    assert suppress(boxes, np.array([0.9, 0.8, 0.7]), np.zeros(3, int), 0.4).tolist() == [0, 2]
