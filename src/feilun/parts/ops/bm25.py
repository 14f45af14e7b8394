"""BM25: how well texts fit a question by the words they share, and two rankings made one. Numbers of tokens only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from feilun.parts.ops.ragged import Ragged

SATURATION, LENGTH = 1.2, 0.75  # k1 and b: Robertson & Zaragoza 2009
SMOOTHING = 60  # of reciprocal ranks: Cormack et al. 2009


def build(texts: Ragged) -> dict[str, np.ndarray]:
    """Of every token the texts that have it, with what it counts there: docs, weights, starts (tokens + 1,).

    texts: token numbers, 0 or more.  A token's weight is ln(1 + (N - n + ½) / (n + ½)) · f (k1 + 1) / (f + k1 (1 - b +
    b · length / mean length)), for n of N texts with it, f times in this one.
    """
    lengths = np.diff(texts.offsets)
    values = texts.values[texts.offsets[0] : texts.offsets[-1]].astype(np.int64)
    owner = np.repeat(np.arange(len(texts)), lengths)
    pairs, times = np.unique(values << 32 | owner, return_counts=True)
    tokens, docs = pairs >> 32, pairs & 0xFFFFFFFF
    starts = np.searchsorted(tokens, np.arange(int(values.max(initial=0)) + 2))
    having = np.diff(starts)[tokens]
    rarity = np.log1p((len(texts) - having + 0.5) / (having + 0.5))
    share = 1 - LENGTH + LENGTH * lengths[docs] / max(1.0, float(lengths.mean()) if len(lengths) else 1.0)
    weights = rarity * times * (SATURATION + 1) / (times + SATURATION * share)
    return {"docs": docs.astype(np.int32), "weights": weights.astype(np.float32), "starts": starts.astype(np.int64)}


def scores(index: Mapping[str, np.ndarray], asked: Sequence[int] | np.ndarray, texts: int) -> np.ndarray:
    """float32 (texts,): how well each text fits these tokens; a token counts once."""
    made = np.zeros(texts, np.float32)
    starts = index["starts"]
    for token in np.unique(np.asarray(asked, np.int64)):
        if token < len(starts) - 1:
            place = slice(int(starts[token]), int(starts[token + 1]))
            made[index["docs"][place]] += index["weights"][place]
    return made


def fused(rankings: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(places, scores) of what stands in any ranking, by the sum of 1 / (60 + rank) (Cormack et al. 2009)."""
    places = np.concatenate(rankings)
    ranks = np.concatenate([np.arange(1, len(ranking) + 1) for ranking in rankings])
    there, which = np.unique(places, return_inverse=True)
    total = np.bincount(which, weights=1 / (SMOOTHING + ranks), minlength=len(there))
    order = np.lexsort((there, -total))
    return there[order], total[order]
