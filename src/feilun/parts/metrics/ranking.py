"""Ranking: where what was wanted stands in a list of what was found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SCORES = {
    "hit_at_10": "share of rows whose item is among the first ten suggestions; recall@10 of one item",
    "ndcg_at_10": "1 for the first place, 1 / log2(place + 1) down to the tenth, 0 below; mean over rows",
    "mrr": "1 / place of the first right one, 0 where there is none in the list; mean over rows",
    "precision_at_10": "share of the first ten that have the row's own label; mean over rows",
    "recall_at_1": "share of rows whose own text is the first of all",
    "recall_at_5": "share of rows whose own text is among the first five",
    "recall_at_10": "share of rows whose own text is among the first ten",
}


def places(suggestions: Sequence[Sequence[str]], items: Sequence[str]) -> np.ndarray:
    """float64 (N,): the place of each item in its list, from 1; infinite if it is not there."""
    found = [
        float(listed.index(item) + 1) if item in listed else np.inf
        for listed, item in zip(map(list, suggestions), items, strict=True)
    ]
    return np.array(found, np.float64)


def hit(place: np.ndarray, within: int = 10) -> np.ndarray:
    """float64 (N,): 1 if the place is among the first `within`."""
    return np.asarray((place <= within).astype(np.float64))


def ndcg(place: np.ndarray, within: int = 10) -> np.ndarray:
    """float64 (N,): normalised discounted cumulative gain of one right item (Järvelin & Kekäläinen 2002)."""
    return np.asarray(np.where(place <= within, 1 / np.log2(np.minimum(place, within) + 1), 0.0))


def reciprocal(place: np.ndarray) -> np.ndarray:
    """float64 (N,): 1 / place (Voorhees 1999)."""
    return np.asarray(1 / place)
