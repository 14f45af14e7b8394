"""Spans: how many labelled pieces of texts were found, with the right first and last letter and the right label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from feilun.core.task import Score

SCORES = {
    "span_f1": "2 right / (said + true) spans over all texts; right: first letter, last letter and label",
    "text_f1": "the same of each text, mean over texts; 1 where there is none and none was said",
    "span_precision": "right spans of those that were said",
    "span_recall": "right spans of those that are there",
}

Spans = Sequence[Mapping[str, Any]]  # [{start, end, label}]


def counts(answers: Sequence[Spans], truths: Sequence[Spans]) -> np.ndarray:
    """int64 (N, 3): spans of each text that are right, that were said, that are there."""
    found = [(len(_keys(said) & _keys(true)), len(said), len(true)) for said, true in zip(answers, truths, strict=True)]
    return np.array(found, np.int64).reshape(-1, 3)


def f1(found: np.ndarray) -> Callable[[np.ndarray], float]:
    """A function of text numbers giving 2 right / (said + true) over all of them; NaN where there are no spans at all
    (CoNLL 2003: Tjong Kim Sang & De Meulder)."""
    return lambda rows: _share(2 * found[rows, 0].sum(), found[rows, 1:].sum())


def precision(found: np.ndarray) -> Callable[[np.ndarray], float]:
    """Right of said; NaN where none was said."""
    return lambda rows: _share(found[rows, 0].sum(), found[rows, 1].sum())


def recall(found: np.ndarray) -> Callable[[np.ndarray], float]:
    """Right of true; NaN where there is none."""
    return lambda rows: _share(found[rows, 0].sum(), found[rows, 2].sum())


def each(found: np.ndarray) -> np.ndarray:
    """float64 (N,): F1 of each text."""
    total = found[:, 1] + found[:, 2]
    return np.where(total > 0, 2 * found[:, 0] / np.maximum(total, 1), 1.0)


def _keys(spans: Spans) -> set[tuple[int, int, str]]:
    return {(int(span["start"]), int(span["end"]), str(span["label"])) for span in spans}


def by_label(answers: Sequence[Any], truths: Sequence[Any]) -> list[dict[str, Any]]:
    """[{label, n, said, precision: Score, recall: Score, f1: Score}] of each label's spans, the most frequent first, as
    `labels.by_class` gives them of classes; [] if truths are no spans."""
    if not all(isinstance(row, list) and all(_is_span(one) for one in row) for row in truths):
        return []
    made = []
    for label, n in Counter(str(span["label"]) for row in truths for span in row).most_common():
        sides = ([[span for span in row if span["label"] == label] for row in side] for side in (answers, truths))
        found = counts(*sides)
        made.append(
            {
                "label": label,
                "n": n,
                "said": int(found[:, 1].sum()),
                "precision": Score(statistic=precision(found), unit="%"),
                "recall": Score(statistic=recall(found), unit="%"),
                "f1": Score(statistic=f1(found)),
            }
        )
    return made


def _is_span(value: Any) -> bool:
    return isinstance(value, Mapping) and {"start", "end", "label"} <= value.keys()


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
