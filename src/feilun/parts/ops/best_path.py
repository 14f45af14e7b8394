"""The best sequence of tags: each has a score, and so has each pair of neighbours."""

from __future__ import annotations

import numpy as np


def best_path(scores: np.ndarray, follows: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, float]:
    """(int64 (T,) tags, sum of their scores) with the largest sum (Viterbi 1967).

    scores: (T, tags).  follows: (tags + 1, tags), added for each tag after another, the last row for the first.  last:
    (tags,), added for the last.
    """
    length, tags = scores.shape
    state, back = scores[0] + follows[-1], np.zeros((length, tags), np.int64)
    for place in range(1, length):
        sums = state[:, None] + follows[:-1]
        back[place] = sums.argmax(0)
        state = sums[back[place], np.arange(tags)] + scores[place]
    state = state + last
    path = [int(state.argmax())]
    for place in range(length - 1, 0, -1):
        path.append(int(back[place, path[-1]]))
    return np.array(path[::-1], np.int64), float(state.max())
