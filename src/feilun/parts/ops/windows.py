"""Which rows stand in the window of a row: the last steps in order of file, group and time. Pure arithmetic."""

from __future__ import annotations

import numpy as np


def ordered(when: np.ndarray, group: np.ndarray, file: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row numbers in order of file, group and time; for each place in it where its file and group begins).

    when: float64 (N,), NaN for a row without a time, which stands alone.  group, file: int64 (N,).
    """
    count = len(when)
    alone = np.isnan(when)
    order = np.lexsort((np.arange(count), np.where(alone, np.inf, when), group, file))
    new = np.ones(count, bool)
    new[1:] = (file[order][1:] != file[order][:-1]) | (group[order][1:] != group[order][:-1]) | alone[order][1:]
    return order, np.maximum.accumulate(np.where(new, np.arange(count), 0))


def spans(order: np.ndarray, starts: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """(first place in `order`, length) of each row's window; the earliest rows have fewer than `steps`."""
    place = np.arange(len(order))
    first = np.maximum(starts, place - steps + 1)
    back = np.empty(len(order), np.int64)
    back[order] = place  # where each row stands in the order
    return first[back], (place - first + 1)[back]
