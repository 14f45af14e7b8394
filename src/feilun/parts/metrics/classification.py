"""Scores of classes and of sets of labels; each is checked against scikit-learn in the tests."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

SCORES = {
    "accuracy": "share of rows that are right; with several labels per row, all of them",
    "f1": "2 precision recall / (precision + recall), mean over the classes",
    "auc": "chance that a row of the positive class gets a higher score than another one (ties count half)",
    "log_loss": "mean of -log of the probability that was given to the truth; lower is better",
    "precision": "share of rows called positive that are",
    "recall": "share of positive rows that were called so",
}
SMALLEST = 1e-15  # probabilities are kept this far from 0 and 1, so that one sure mistake costs 34.5, not infinity
Statistic = Callable[[np.ndarray], float]


def log_loss(chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,): -log of the chance given to the truth.  chances: (N, classes); truth: class numbers (N,)."""
    given = chances[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.clip(given, SMALLEST, 1.0)))


def binary_log_loss(chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,): -[y log p + (1 - y) log(1 - p)], mean over labels.  chances, truth: (N, labels), truth 0 or 1."""
    safe = np.clip(chances, SMALLEST, 1 - SMALLEST)
    terms = truth * np.log(safe) + (1 - truth) * np.log1p(-safe)
    return np.asarray(-terms.reshape(len(terms), -1).mean(1))


def f1(said: np.ndarray, truth: np.ndarray, classes: int) -> Statistic:
    """Macro F1 of class numbers (N,): mean over the classes that occur in truth or answers of the rows."""
    hit = said == truth

    def statistic(index: np.ndarray) -> float:
        right = np.bincount(truth[index][hit[index]], minlength=classes)
        made = np.bincount(said[index], minlength=classes) + np.bincount(truth[index], minlength=classes)
        return _mean_f1(right, made)

    return statistic


def f1_of_labels(said: np.ndarray, truth: np.ndarray) -> Statistic:
    """Macro F1 of 0/1 marks (N, labels); a label that occurs nowhere in the rows is left out."""
    both, made = said * truth, said + truth

    def statistic(index: np.ndarray) -> float:
        return _mean_f1(both[index].sum(0), made[index].sum(0))

    return statistic


def precision(said: np.ndarray, truth: np.ndarray) -> Statistic:
    """True positives of all that were called positive.  said, truth: bool (N,). 0 if none was called so."""
    return lambda index: _share(said[index] & truth[index], said[index])


def recall(said: np.ndarray, truth: np.ndarray) -> Statistic:
    """True positives of all positives.  said, truth: bool (N,). 0 if there is no positive."""
    return lambda index: _share(said[index] & truth[index], truth[index])


def auc(scores: np.ndarray, truth: np.ndarray) -> Statistic:
    """Area under the ROC curve from ranks (Mann & Whitney 1947).  scores: (N,); truth: bool (N,). Ties count half.

    NaN for rows of one class only. Sorted once: a resample only counts how often each rank is drawn.
    """
    ranks = np.unique(scores, return_inverse=True)[1]
    count = int(ranks.max(initial=-1)) + 1

    def statistic(index: np.ndarray) -> float:
        positive = np.bincount(ranks[index][truth[index]], minlength=count).astype(np.float64)
        negative = np.bincount(ranks[index][~truth[index]], minlength=count)
        pairs = positive.sum() * negative.sum()
        if not pairs:
            return math.nan
        below = np.cumsum(negative) - negative / 2
        return float((positive * below).sum() / pairs)

    return statistic


def roc(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(false positive rate, true positive rate, precision) at every threshold, from strict to lax, one per score."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    right = np.cumsum(truth[order])[last]
    called = last + 1
    wrong = called - right
    return wrong / max(1, int((~truth).sum())), right / max(1, int(truth.sum())), right / called


def confusion(said: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) counts: rows are the truth, columns the answer."""
    return np.bincount(truth * classes + said, minlength=classes * classes).reshape(classes, classes)


def reliability(sure: np.ndarray, right: np.ndarray, bins: int = 10) -> list[tuple[float, float, int]]:
    """(mean confidence, share right, rows) of each of `bins` equal steps of confidence that holds rows."""
    place = np.minimum((sure * bins).astype(np.int64), bins - 1)
    groups = [np.flatnonzero(place == number) for number in range(bins)]
    return [(float(sure[group].mean()), float(right[group].mean()), len(group)) for group in groups if len(group)]


def _mean_f1(right: np.ndarray, made: np.ndarray) -> float:
    """2 TP / (2 TP + FP + FN), which is the harmonic mean of precision and recall; made = said + true."""
    there = made > 0
    return float((2 * right[there] / made[there]).mean()) if there.any() else math.nan


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    count = int(whole.sum())
    return float(part.sum()) / count if count else 0.0
