"""Hits and gains by hand."""

import numpy as np
import pytest

from feilun.parts.metrics import ranking


def test_places_hits_and_gains():
    letters = list("abcdefghijklm")
    place = ranking.places([letters, letters, letters, letters, []], ["a", "c", "k", "?", "a"])
    assert place.tolist() == [1, 3, 11, np.inf, np.inf]
    assert ranking.hit(place).tolist() == [1, 1, 0, 0, 0]
    assert ranking.hit(place, within=2).tolist() == [1, 0, 0, 0, 0]
    assert ranking.ndcg(place).tolist() == [1, pytest.approx(0.5), 0, 0, 0]  # 1 / log2(4)
