"""BM25 by hand, and rankings made one by reciprocal ranks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from feilun.parts.ops import bm25
from feilun.parts.ops.ragged import Ragged

TEXTS = [[5, 2, 5], [2, 3], [4]]


def test_by_the_formula() -> None:
    """Robertson & Zaragoza 2009, with k1 = 1.2, b = 0.75."""
    index = bm25.build(Ragged.of([np.array(text, np.int32) for text in TEXTS]))

    def weight(token: int, text: list[int]) -> float:
        having, times = sum(token in one for one in TEXTS), text.count(token)
        rarity = math.log(1 + (3 - having + 0.5) / (having + 0.5))
        return rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * len(text) / 2))

    expected = [weight(5, text) + weight(2, text) for text in TEXTS]
    assert bm25.scores(index, [5, 2, 5, 99], 3).tolist() == pytest.approx(expected, rel=1e-5)
    assert bm25.scores(index, [7], 3).tolist() == [0, 0, 0]


def test_two_rankings_become_one() -> None:
    places, scores = bm25.fused([np.array([7, 3, 9]), np.array([3, 8])])
    assert places.tolist() == [3, 7, 8, 9]
    assert scores.tolist() == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62, 1 / 63])
