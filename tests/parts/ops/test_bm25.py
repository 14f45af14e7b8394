"""BM25 by hand, and its bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from feilun.parts.features.terms import Terms
from feilun.parts.ops import bm25
from feilun.parts.ops.ragged import Ragged


def test_scores_by_hand() -> None:
    """Robertson & Zaragoza 2009, equation 3.15, with the logarithm that is never negative."""
    texts = [[1, 2, 2], [2, 3], [4, 4, 4, 4]]
    index = bm25.index(Ragged.of([np.array(text, np.int64) for text in texts]))
    found = bm25.scores(index, np.array([2, 9, 4]))
    for place, text in enumerate(texts):
        long = bm25.K1 * (1 - bm25.B + bm25.B * len(text) / 3)
        wanted = 0.0
        for term in (2, 4):
            often, having = text.count(term), sum(term in other for other in texts)
            wanted += math.log(1 + (3 - having + 0.5) / (having + 0.5)) * often * (bm25.K1 + 1) / (often + long)
        assert found[place] == pytest.approx(wanted, rel=1e-6)
    assert bm25.best(found, 2).tolist() == [2, 0]
    assert bm25.best(bm25.scores(index, np.array([7])), 5).tolist() == []
    assert bm25.scores(bm25.index(Ragged(np.zeros(0, np.int64), np.zeros(1, np.int64))), np.array([1])).tolist() == []


def test_words_plurals_and_pairs_of_characters_find_texts() -> None:
    terms = Terms(columns=("text",)).fit({})
    texts = ["Returns take two days.", "退货需要两天时间。", "ＡＢＣ glasses", "北京天气很好"]
    index = bm25.index(terms.encode({"text": texts}))
    for question, place in (("How long does a RETURN take?", 0), ("退货要多长时间？", 1), ("abc", 2), ("天气", 3)):
        fits = bm25.scores(index, terms.encode({"text": [question]})[0])
        assert bm25.best(fits, 1).tolist() == [place], question
    assert len(terms.encode({"text": ["", None, "..."]}).values) == 0


def test_two_rankings_become_one() -> None:
    places, scores = bm25.fused([np.array([7, 3, 9]), np.array([3, 8])])
    assert places.tolist() == [3, 7, 8, 9]
    assert scores.tolist() == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62, 1 / 63])
