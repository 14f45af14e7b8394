"""Probabilities that mean what they say, and where to cut them: one temperature, and thresholds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RANGE = (0.1, 10.0)  # temperatures looked at
STEPS = 40  # of the golden section: the answer is exact to 1e-8 of the range
FEWEST = 10  # rows of each kind below which a threshold stays at a half
CUTS = np.linspace(0.05, 0.95, 37)
GOLDEN = (5**0.5 - 1) / 2


def temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The T > 0 for which logits / T have the least log loss (Guo et al. 2017); 1 if there are no rows.

    logits: (N, labels).  truth: class numbers (N,), or 0/1 (N, labels).  One row's worth of log² T is added, so that a
    few rows that all happen to be right do not make the model sure of itself.
    """
    if not len(logits):
        return 1.0
    wide = np.asarray(logits, np.float64)
    loss = _softmax_loss(wide, truth) if truth.ndim == 1 else _sigmoid_loss(wide, truth)
    low, high = np.log(RANGE[0]), np.log(RANGE[1])

    def penalised(log: float) -> float:
        return loss(float(np.exp(-log))) + log**2 / len(wide)

    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = penalised(left), penalised(right)
    for _ in range(STEPS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = penalised(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = penalised(right)
    return float(np.exp((low + high) / 2))


def best_accuracy(chances: np.ndarray, positive: np.ndarray) -> float:
    """The cut with the most right rows; a half unless another is better by two standard errors of the difference."""
    if _few(positive):
        return 0.5
    half = (chances >= 0.5) == positive
    gains = ((chances[:, None] >= CUTS) == positive[:, None]).astype(np.float64) - half[:, None]
    best = int(gains.mean(0).argmax())
    error = gains[:, best].std() / len(gains) ** 0.5
    return float(CUTS[best]) if gains[:, best].mean() > 2 * error > 0 else 0.5


def best_f1(chances: np.ndarray, positive: np.ndarray, *, both: bool = False, cuts: np.ndarray = CUTS) -> float:
    """The cut with the highest F1 of the positive rows; a half where there are too few rows to tell.

    both: the mean of the F1 of yes and that of no instead.
    """
    if _few(positive):
        return 0.5
    called = chances[:, None] >= cuts
    score = _f1(called, positive)
    if both:
        score = score + _f1(~called, ~positive)
    return float(cuts[int(score.argmax())])


def _f1(called: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(cuts,).  called: bool (N, cuts).  true: bool (N,), with at least one."""
    return np.asarray(2 * (called & true[:, None]).sum(0) / (called.sum(0) + true.sum()))


def _few(positive: np.ndarray) -> bool:
    return min(int(positive.sum()), int((~positive).sum())) < FEWEST


def _softmax_loss(logits: np.ndarray, truth: np.ndarray) -> Callable[[float], float]:
    right = logits[np.arange(len(logits)), truth]
    gaps = logits - right[:, None]

    def loss(sharpness: float) -> float:
        scaled = gaps * sharpness
        top = scaled.max(1)
        return float((top + np.log(np.exp(scaled - top[:, None]).sum(1))).mean())

    return loss


def _sigmoid_loss(logits: np.ndarray, truth: np.ndarray) -> Callable[[float], float]:
    signed = np.where(truth > 0, logits, -logits)
    return lambda sharpness: float(np.logaddexp(0, -signed * sharpness).mean())
