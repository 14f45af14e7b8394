"""Rows that are the same, or nearly, and carry different answers: nobody can learn or be judged on both."""

from __future__ import annotations

from typing import Any

import numpy as np

MOST_EXAMPLES = 5  # groups that are named
MOST_NAMED = 4  # rows of each
FAR = 1.0  # standard deviations by which numbers to predict must differ


def find(units: np.ndarray, answers: np.ndarray) -> dict[str, Any]:
    """How many groups of equal or nearly equal rows disagree, with the row numbers of the largest.

    units: uint64 (N,), equal for rows that belong together.  answers: int64 or uint64 codes, or float64 numbers.
    Returns {groups, rows, share (of the rows in groups), places: [[row, ...], ...]}; empty without such groups.
    """
    different, place, counts = np.unique(units, return_inverse=True, return_counts=True)
    if len(different) == len(units):
        return {}
    repeated = np.flatnonzero(counts[place] > 1)
    order = repeated[np.lexsort((repeated, answers[repeated], place[repeated]))]
    groups = place[order]
    last = np.flatnonzero(np.concatenate([groups[1:] != groups[:-1], [True]]))
    first = np.concatenate([[0], last[:-1] + 1])
    low, high = answers[order[first]], answers[order[last]]
    unlike = high - low > FAR * max(float(answers.std()), 1e-300) if answers.dtype.kind == "f" else low != high
    if not unlike.any():
        return {}
    sizes = last - first + 1
    chosen = np.flatnonzero(unlike)
    chosen = chosen[np.argsort(-sizes[chosen], kind="stable")][:MOST_EXAMPLES]
    return {
        "groups": int(unlike.sum()),
        "rows": int(sizes[unlike].sum()),
        "share": float(sizes[unlike].sum() / len(repeated)),
        "places": [_shown(order[first[group] : last[group] + 1]) for group in chosen],
    }


def _shown(rows: np.ndarray) -> list[int]:
    """The first rows and the last of a group: sorted by answer, so that two answers are among them."""
    kept = rows if len(rows) <= MOST_NAMED else np.concatenate([rows[: MOST_NAMED - 1], rows[-1:]])
    return [int(row) for row in kept]
