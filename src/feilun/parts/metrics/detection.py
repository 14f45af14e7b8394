"""Detection: average precision over boxes, and F1 of each picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from feilun.parts.ops.boxes import overlap

SCORES = {
    "map_at_50": "area under precision over recall, mean over labels; a right box covers a true one by half",
    "box_f1": "2 right / (said + true) boxes of a picture, mean over pictures",
}
ENOUGH = 0.5  # intersection over union

Boxes = Sequence[Mapping[str, Any]]  # [{label, box, score?}]


def mean_average_precision(answers: Sequence[Boxes], truths: Sequence[Boxes]) -> Callable[[np.ndarray], float]:
    """A function of picture numbers, int (n,), that gives their mAP@50; pictures may be listed several times.

    Area under the precision envelope at every recall (Everingham et al., PASCAL VOC 2010), averaged over the labels
    that the listed pictures have; NaN if they have no box.
    """
    labels = sorted({str(box["label"]) for boxes in truths for box in boxes})
    made = [_ranked(answers, truths, label) for label in labels]

    def statistic(index: np.ndarray) -> float:
        times = np.bincount(np.asarray(index, np.int64), minlength=len(truths))
        areas = [_area(right, times[picture], float(times @ there)) for right, picture, there in made if times @ there]
        return float(np.mean(areas)) if areas else float("nan")

    return statistic


def f1(answers: Sequence[Boxes], truths: Sequence[Boxes]) -> np.ndarray:
    """float64 (pictures,): 1 for a picture without boxes of which none are said."""
    values = []
    for said, true in zip(answers, truths, strict=True):
        right = sum(int(matched(said, true, str(label)).sum()) for label in {box["label"] for box in true})
        values.append(2 * right / (len(said) + len(true)) if said or true else 1.0)
    return np.array(values, np.float64)


def matched(said: Boxes, true: Boxes, label: str) -> np.ndarray:
    """bool: which of the said boxes of this label, best score first, find a true box that no better one has taken."""
    mine = [box for box in _by_score(said) if box["label"] == label]
    theirs = [box["box"] for box in true if box["label"] == label]
    covers = overlap(np.array([box["box"] for box in mine]), np.array(theirs))
    right = np.zeros(len(mine), bool)
    for place in range(len(mine) if theirs else 0):
        best = int(covers[place].argmax())
        if covers[place, best] >= ENOUGH:
            right[place] = True
            covers[:, best] = -1  # taken
    return right


def _ranked(answers: Sequence[Boxes], truths: Sequence[Boxes], label: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of all said boxes of a label, best first: right or not, and their picture; then true boxes per picture."""
    right, scores, picture = [np.zeros(0, bool)], [np.zeros(0)], [np.zeros(0, np.int64)]
    for number, (said, true) in enumerate(zip(answers, truths, strict=True)):
        right.append(matched(said, true, label))
        scores.append(np.array([_score(box) for box in _by_score(said) if box["label"] == label]))
        picture.append(np.full(len(right[-1]), number))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    there = np.array([sum(box["label"] == label for box in true) for true in truths])
    return np.concatenate(right)[order], np.concatenate(picture)[order], there


def _area(right: np.ndarray, times: np.ndarray, there: float) -> float:
    """Average precision of ranked boxes, each counted `times`, when `there` are to be found."""
    found, wrong = np.cumsum(right * times), np.cumsum(~right * times)
    said = found + wrong
    precision = np.divide(found, said, out=np.zeros(len(found)), where=said > 0)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(found / there, prepend=0.0) * envelope).sum())


def _by_score(boxes: Boxes) -> list[Mapping[str, Any]]:
    return sorted(boxes, key=_score, reverse=True)


def _score(box: Mapping[str, Any]) -> float:
    return float(box.get("score", 1.0))
