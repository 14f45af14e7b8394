"""Do requests still look like the training rows? Distribution tests, look after look, with few false alarms.

The chance of one false alarm, over all looks and aspects together, is at most ALARM: look i may spend
ALARM * 6 / (pi^2 i^2) of it, shared equally by the aspects (Bonferroni), and these shares sum to ALARM.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

ALARM = 0.002  # one champion in 500 is suspected wrongly, however long it serves
STEP = 40  # requests between two looks
WINDOW = 160  # requests looked at
LEAST_EXPECTED = 5.0  # categories with fewer expected rows are tested together (Cochran 1954)


@dataclass(frozen=True, kw_only=True, slots=True)
class Aspect:
    """One measured side of the input. reference: of training rows, requests: in order; both 1-D.

    is_category: the values are codes, not quantities.
    """

    reference: np.ndarray
    requests: np.ndarray
    is_category: bool = False


def watch(aspects: Mapping[str, Aspect]) -> dict[str, Any]:
    """{noticed, request, looked_at, aspects: [{aspect, p, request, before, now}]}.

    request: how many requests had come when drift was first noticed, or None; aspects: those that drifted by then
    or later, the earliest and strongest first; before, now: means, for quantities.
    """
    count = max((len(aspect.requests) for aspect in aspects.values()), default=0)
    found: dict[str, dict[str, Any]] = {}
    for look, seen in enumerate(range(STEP, count + 1, STEP), start=1):
        threshold = ALARM * 6 / (math.pi**2 * look**2) / len(aspects)
        for name, aspect in aspects.items():
            if name in found:
                continue
            window = aspect.requests[max(0, seen - WINDOW) : seen]
            p = (categories_p if aspect.is_category else ks_p)(aspect.reference, window)
            if p < threshold:
                found[name] = {"aspect": name, "p": p, "request": seen, **_means(aspect, window)}
    ordered = sorted(found.values(), key=lambda each: (each["request"], each["p"]))
    first = ordered[0]["request"] if ordered else None
    return {"noticed": bool(ordered), "request": first, "looked_at": count, "aspects": ordered}


def ks_p(one: np.ndarray, other: np.ndarray) -> float:
    """Two-sample Kolmogorov-Smirnov test: the chance of so large a gap between the distributions if they are equal.

    Asymptotic, with the small-sample correction of Stephens 1970; on the safe side where values repeat.
    """
    if not len(one) or not len(other):
        return 1.0
    every = np.concatenate([one, other])
    below_one = np.searchsorted(np.sort(one), every, side="right") / len(one)
    below_other = np.searchsorted(np.sort(other), every, side="right") / len(other)
    gap = float(np.abs(below_one - below_other).max())
    size = math.sqrt(len(one) * len(other) / (len(one) + len(other)))
    scaled = (size + 0.12 + 0.11 / size) * gap
    if scaled < 0.3:  # the series below converges slowly there, and the chance is 1 to five digits
        return 1.0
    terms = ((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, 2 * math.fsum(terms)))


def categories_p(one: np.ndarray, other: np.ndarray) -> float:
    """Chi-square test that two samples of codes have the same shares; rare codes are taken together.

    The tail is Wilson and Hilferty's cube-root approximation (1931): some per cent off,
    far out in the tail up to a half.
    """
    if not len(one) or not len(other):
        return 1.0
    codes, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    counts = np.stack(
        [np.bincount(part, minlength=len(codes)) for part in (places[: len(one)], places[len(one) :])]
    ).astype(float)
    smaller = min(len(one), len(other)) / (len(one) + len(other))
    is_rare = counts.sum(0) * smaller < LEAST_EXPECTED
    counts = np.concatenate([counts[:, ~is_rare], counts[:, is_rare].sum(1, keepdims=True)], axis=1)
    counts = counts[:, counts.sum(0) > 0]
    freedom = counts.shape[1] - 1
    if freedom < 1:
        return 1.0
    expected = counts.sum(1, keepdims=True) * counts.sum(0) / counts.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    spread = 2 / (9 * freedom)
    return 0.5 * math.erfc(((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(2 * spread))


def _means(aspect: Aspect, window: np.ndarray) -> dict[str, float]:
    if aspect.is_category:
        return {}
    return {"before": round(float(aspect.reference.mean()), 4), "now": round(float(window.mean()), 4)}
