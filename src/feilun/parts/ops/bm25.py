"""BM25: which texts speak of what is asked, by their common terms (Robertson & Zaragoza 2009); rankings made one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from feilun.parts.ops.ragged import Ragged

# Anserini's setting for short passages: of squad_sub's 808 passages it puts the right one first more often (89.0 %)
# than 1.2 and 0.75 (88.2 %), and among the first five as often (97.6 and 97.5 %).
K1, B = 0.9, 0.4
SMOOTHING = 60  # of reciprocal ranks: Cormack et al. 2009


def index(terms: Ragged) -> dict[str, Any]:
    """The index of texts, each a row of int64 terms: for every term the texts that have it, and its weight in each.

    {"terms": int64 (V,) sorted, "offsets": int64 (V + 1,), "texts": int32, "weights": float32, "count": texts}.
    Weight: log(1 + (N - n + ½) / (n + ½)) · tf (k1 + 1) / (tf + k1 (1 - b + b · length / mean length)).
    """
    count = len(terms)
    lengths = np.diff(terms.offsets)
    owners = np.repeat(np.arange(count), lengths)
    known, place = np.unique(terms.values, return_inverse=True)
    pairs, often = np.unique(place * max(1, count) + owners, return_counts=True)
    of_term, of_text = pairs // max(1, count), pairs % max(1, count)
    having = np.bincount(of_term, minlength=len(known))
    rare = np.log1p((count - having + 0.5) / (having + 0.5))
    long = K1 * (1 - B + B * lengths / max(1.0, lengths.mean() if count else 1.0))
    weights = rare[of_term] * often * (K1 + 1) / (often + long[of_text])
    offsets = np.concatenate([[0], np.cumsum(having)]).astype(np.int64)
    return {
        "terms": known.astype(np.int64),
        "offsets": offsets,
        "texts": of_text.astype(np.int32),
        "weights": weights.astype(np.float32),
        "count": count,
    }


def scores(found: Mapping[str, Any], asked: np.ndarray) -> np.ndarray:
    """float32 (texts,): how well each text fits these terms, int64; 0 where there is none in common."""
    made = np.zeros(found["count"], np.float32)
    known = found["terms"]
    for term in asked if len(known) else ():
        place = int(np.searchsorted(known, term))
        if place < len(known) and known[place] == term:
            part = slice(found["offsets"][place], found["offsets"][place + 1])
            made[found["texts"][part]] += found["weights"][part]
    return made


def best(fits: np.ndarray, count: int) -> np.ndarray:
    """int64: the texts that fit best, the best first, none that does not fit at all; of equals the first."""
    order = np.argsort(-fits, kind="stable")[:count]
    kept: np.ndarray = order[fits[order] > 0]
    return kept


def fused(rankings: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(places, scores) of what stands in any ranking, by the sum of 1 / (60 + rank) (Cormack et al. 2009)."""
    places = np.concatenate(rankings)
    ranks = np.concatenate([np.arange(1, len(ranking) + 1) for ranking in rankings])
    there, which = np.unique(places, return_inverse=True)
    total = np.bincount(which, weights=1 / (SMOOTHING + ranks), minlength=len(there))
    order = np.lexsort((there, -total))
    return there[order], total[order]
