"""Scores of classes and of sets of labels; each is checked against scikit-learn in the tests."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from feilun.parts.metrics.intervals import OfCells, Share

SCORES = {
    "accuracy": "share of rows that are right; with several labels per row, all of them",
    "balanced_accuracy": "recall of each class, mean over the classes: guessing the frequent one does not pay",
    "f1": "2 precision recall / (precision + recall), mean over the classes",
    "micro_f1": "the same over all labels of all rows together",
    "auc": "chance that a row of the positive class gets a higher score than another one (ties count half); "
    "of more classes or labels the mean of each against the rest",
    "average_precision": "area under precision over recall, in steps; of more labels the mean",
    "log_loss": "mean of -log of the probability that was given to the truth; lower is better",
    "brier": "squared distance of probabilities from what happened; lower is better",
    "calibration_error": "how far probabilities are from what happens, mean over ten steps of certainty",
    "mcc": "correlation of answers and truth (Matthews 1975); 0 is guessing, 1 perfect",
    "precision": "share of rows called positive that are",
    "recall": "share of positive rows that were called so",
    "specificity": "share of other rows that were not called positive",
    "f1_positive": "2 precision recall / (precision + recall) of the positive class alone",
    "top3_accuracy": "share of rows whose label is among the three most probable ones",
    "answered_at_90": "share of rows that are answered if the model must be 90 % sure",
    "right_at_90": "share of those that are right",
    "hamming": "share of marks that are wrong, over rows and labels; lower is better",
    "profit": "money per answer, from evaluate.costs; a loss is negative",
}
SMALLEST = 1e-15  # probabilities are kept this far from 0 and 1, so that one sure mistake costs 34.5, not infinity
MOST_CELLS = 4096  # of truth and answer: beyond, resamples are counted row by row
Statistic = Callable[[np.ndarray], float]
OfMargins = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def log_loss(chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,): -log of the chance given to the truth.  chances: (N, classes); truth: class numbers (N,)."""
    given = chances[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.clip(given, SMALLEST, 1.0)))


def binary_log_loss(chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,): -[y log p + (1 - y) log(1 - p)], mean over labels.  chances, truth: (N, labels), truth 0 or 1."""
    safe = np.clip(chances, SMALLEST, 1 - SMALLEST)
    terms = truth * np.log(safe) + (1 - truth) * np.log1p(-safe)
    return np.asarray(-terms.reshape(len(terms), -1).mean(1))


def brier(chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,): squared distance of probabilities and truth, summed over classes; halved for two, as Brier's score is."""
    marks = np.eye(chances.shape[1])[truth]
    found = ((chances - marks) ** 2).sum(1)
    return np.asarray(found / 2 if chances.shape[1] == 2 else found)


def f1(said: np.ndarray, truth: np.ndarray, classes: int) -> Statistic:
    """Macro F1 of class numbers (N,): mean over the classes that occur in truth or answers of the rows."""
    return of_margins(said, truth, classes, _mean_f1)


def balanced_accuracy(said: np.ndarray, truth: np.ndarray, classes: int) -> Statistic:
    """Recall, mean over the classes that occur in the truth of the rows."""

    def of(right: np.ndarray, said: np.ndarray, true: np.ndarray) -> np.ndarray:
        return _mean_where(right, true)

    return of_margins(said, truth, classes, of)


def mcc(said: np.ndarray, truth: np.ndarray, classes: int) -> Statistic:
    """Matthews' correlation for any number of classes (Gorodkin 2004); 0 where one side has only one class."""

    def of(right: np.ndarray, said: np.ndarray, true: np.ndarray) -> np.ndarray:
        count = true.sum(-1).astype(np.float64)
        both = count**2 - (said.astype(np.float64) ** 2).sum(-1), count**2 - (true.astype(np.float64) ** 2).sum(-1)
        scale = np.sqrt(both[0] * both[1])
        top = right.sum(-1) * count - (said.astype(np.float64) * true).sum(-1)
        return np.asarray(np.divide(top, scale, out=np.zeros_like(scale), where=scale > 0))

    return of_margins(said, truth, classes, of)


def of_margins(said: np.ndarray, truth: np.ndarray, classes: int, of: OfMargins) -> Statistic:
    """A statistic of how often each class is right, said and true: of(right, said, true), (..., classes) -> (...)."""
    hit = said == truth
    if classes**2 <= MOST_CELLS:
        cells = np.asarray(truth * classes + said, np.int64)

        def counted(counts: np.ndarray) -> np.ndarray:
            table = counts.reshape(*counts.shape[:-1], classes, classes)
            return of(np.diagonal(table, axis1=-2, axis2=-1), table.sum(-2), table.sum(-1))

        return OfCells(cells=cells, count=classes**2, of=counted)

    def statistic(index: np.ndarray) -> float:
        there = truth[index]
        sides = there[hit[index]], said[index], there
        return float(of(*(np.bincount(side, minlength=classes) for side in sides)))

    return statistic


def f1_of_labels(said: np.ndarray, truth: np.ndarray) -> Statistic:
    """Macro F1 of 0/1 marks (N, labels); a label that occurs nowhere in the rows is left out."""
    both = said * truth
    return lambda index: float(_mean_f1(both[index].sum(0), said[index].sum(0), truth[index].sum(0)))


def micro_f1(said: np.ndarray, truth: np.ndarray) -> Statistic:
    """F1 of all 0/1 marks (N, labels) together; NaN if nothing is said or true."""
    both, made = (said * truth).sum(1), (said + truth).sum(1)

    def statistic(index: np.ndarray) -> float:
        whole = made[index].sum()
        return float(2 * both[index].sum() / whole) if whole else math.nan

    return statistic


def precision(said: np.ndarray, truth: np.ndarray) -> Statistic:
    """True positives of all that were called positive.  said, truth: bool (N,). 0 if none was called so."""
    return _of_two(said, truth, Share(part=(3,), whole=(1, 3)))


def recall(said: np.ndarray, truth: np.ndarray) -> Statistic:
    """True positives of all positives.  said, truth: bool (N,). 0 if there is no positive."""
    return _of_two(said, truth, Share(part=(3,), whole=(2, 3)))


def specificity(said: np.ndarray, truth: np.ndarray) -> Statistic:
    """True negatives of all negatives.  said, truth: bool (N,). 0 if there is no negative."""
    return _of_two(said, truth, Share(part=(0,), whole=(0, 1)))


def f1_positive(said: np.ndarray, truth: np.ndarray) -> Statistic:
    """2 TP / (2 TP + FP + FN).  said, truth: bool (N,). 0 if nothing is said or true.

    It rises with the share j of TP among TP, FP and FN: it is 2 j / (1 + j).
    """
    return _of_two(said, truth, Share(part=(3,), whole=(1, 2, 3), turned=lambda share: 2 * share / (1 + share)))


def right_of_answered(right: np.ndarray, answered: np.ndarray) -> Statistic:
    """Share of answered rows that are right; NaN if none is answered.  right, answered: bool (N,)."""
    return _of_two(answered, right, Share(part=(3,), whole=(1, 3)), of_none=math.nan)


def calibration_error(sure: np.ndarray, right: np.ndarray, bins: int = 10) -> Statistic:
    """Expected calibration error (Guo et al. 2017): |share right - mean certainty| of each step, weighted by rows."""
    place = np.minimum((sure * bins).astype(np.int64), bins - 1)
    gap = right.astype(np.float64) - sure

    def statistic(index: np.ndarray) -> float:
        off = np.bincount(place[index], weights=gap[index], minlength=bins)
        return float(np.abs(off).sum() / len(index)) if len(index) else math.nan

    return statistic


def top_k(chances: np.ndarray, truth: np.ndarray, k: int = 3) -> np.ndarray:
    """float64 (N,): 1 where the truth is among the k most probable classes; of equal ones the earlier."""
    given = chances[np.arange(len(truth)), truth][:, None]
    earlier = np.arange(chances.shape[1]) < truth[:, None]
    above = (chances > given).sum(1) + ((chances == given) & earlier).sum(1)
    return np.asarray(above < k, np.float64)


def mean_of(parts: list[Statistic]) -> Statistic:
    """The mean of several statistics, over those that are a number."""

    def statistic(index: np.ndarray) -> float:
        found = [value for value in (part(index) for part in parts) if not math.isnan(value)]
        return float(np.mean(found)) if found else math.nan

    return statistic


def auc(scores: np.ndarray, truth: np.ndarray) -> Statistic:
    """Area under the ROC curve from ranks (Mann & Whitney 1947).  scores: (N,); truth: bool (N,). Ties count half.

    NaN for rows of one class only. Sorted once: a resample only counts how often each rank is drawn.
    """
    tally = _tally(scores, truth)

    def statistic(index: np.ndarray) -> float:
        negative, positive = tally(index)
        pairs = float(positive.sum()) * float(negative.sum())
        if not pairs:
            return math.nan
        below = np.cumsum(negative) - negative / 2
        return float((positive * below).sum() / pairs)

    return statistic


def average_precision(scores: np.ndarray, truth: np.ndarray) -> Statistic:
    """Sum over thresholds of precision times the step in recall.  scores: (N,); truth: bool (N,). NaN: no positive."""
    tally = _tally(scores, truth)

    def statistic(index: np.ndarray) -> float:
        negative, positive = (side[::-1] for side in tally(index))
        found = np.cumsum(positive)
        if not len(found) or not found[-1]:
            return math.nan
        said = found + np.cumsum(negative)
        precision = np.divide(found, said, out=np.zeros(len(found)), where=said > 0)
        return float((positive * precision).sum() / found[-1])

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


def _mean_f1(right: np.ndarray, said: np.ndarray, true: np.ndarray) -> np.ndarray:
    """2 TP / (2 TP + FP + FN), which is the harmonic mean of precision and recall, over classes that occur."""
    return _mean_where(2 * right, said + true)


def _mean_where(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Mean over the last axis of part / whole, of those whose whole is not 0; NaN if there is none."""
    there = whole > 0
    shares = np.divide(part, whole, out=np.zeros(whole.shape), where=there)
    count = there.sum(-1)
    return np.asarray(np.divide(shares.sum(-1), count, out=np.full(count.shape, np.nan), where=count > 0))


def _of_two(said: np.ndarray, truth: np.ndarray, share: Share, of_none: float = 0.0) -> Statistic:
    """A share of four cells: true negatives, false positives, false negatives, true positives. of_none: of no rows."""

    def of(counts: np.ndarray) -> np.ndarray:
        part, whole = (counts[..., list(cells)].sum(-1) for cells in (share.part, share.whole))
        shares = np.divide(part, whole, out=np.full(whole.shape, of_none), where=whole > 0)
        return np.asarray(share.turned(shares))

    return OfCells(cells=2 * truth.astype(np.int64) + said.astype(np.int64), count=4, of=of, share=share)


def _tally(scores: np.ndarray, truth: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Row numbers -> how often each rank is drawn of (negatives, positives): (2, ranks), ranks rising."""
    ranks = np.unique(scores, return_inverse=True)[1]
    count = int(ranks.max(initial=-1)) + 1
    codes = truth.astype(np.int64) * count + ranks
    return lambda index: np.bincount(codes[index], minlength=2 * count).reshape(2, count)
