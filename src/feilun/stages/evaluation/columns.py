"""What the columns of the training rows look like: a small histogram each, for the report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from feilun.stages.evaluation.phrases import cut

BINS, CHOICES = 20, 12
NAMED = 3  # values that stand under a histogram


def histogram(values: Sequence[Any], kind: str) -> tuple[list[int], list[str]]:
    """(counts, labels): numbers in 20 equal bins, categories by frequency, texts by length; empty for other kinds."""
    there = [value for value in values if value is not None and value == value]
    if not there:
        return [], []
    if kind == "number":
        return _bins([number for value in there if math.isfinite(number := _number(value))], "")
    if kind == "text":
        return _bins([float(len(str(value))) for value in there], " characters")
    if kind in ("category", "label", "identifier") and not isinstance(there[0], bytes | list | dict):
        most = Counter(str(value) for value in there).most_common(CHOICES)
        return [count for _, count in most], [value[:60] for value, _ in most]
    return [], []


def ends(labels: Sequence[str], kind: str) -> str:
    """What stands under the histogram: the least and the most, or the most frequent values."""
    if not labels:
        return ""
    if kind in ("number", "text"):
        return f"{labels[0].partition(' to ')[0]} – {labels[-1].partition(' to ')[2]}"
    return ", ".join(cut(label, 12) for label in labels[:NAMED]) + ("…" if len(labels) > NAMED else "")


def _bins(numbers: list[float], unit: str) -> tuple[list[int], list[str]]:
    if not numbers:
        return [], []
    counts, edges = np.histogram(np.asarray(numbers, np.float64), bins=BINS)
    return counts.tolist(), [f"{low:.4g} to {high:.4g}{unit}" for low, high in pairwise(edges)]


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
