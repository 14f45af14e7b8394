"""Reading in windows: a question beside each part of a passage, and the best span over all of them. Arrays only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

ASKED, TOLD, COMMON = range(3)  # question or mark; passage; passage, and the token stands in the question too
LOWEST = -1e4  # the score of a place where no answer may be


def windows(question: np.ndarray, passage: np.ndarray, length: int, stride: int) -> Iterator[tuple[np.ndarray, int]]:
    """(window, first passage token of it) for every window of a row, in order; together they hold every token.

    question: int (q, 3), marks at both ends, passage: int (n + 1, 3), a mark behind: see the feature `reading`.
    window: int32 (T <= length, 2): token, and whether it is ASKED, TOLD or COMMON.  The last window ends with the
    passage; stride: see the feature, 0 is half of what fits.
    """
    body, end = passage[:-1, 0], passage[-1:, 0]
    common = np.isin(body, question[1:-1, 0])
    room = max(1, length - len(question) - 1)
    step = min(stride or max(1, room // 2), room)
    last = max(0, len(body) - room)
    for first in [*range(0, last, step), last]:
        part = slice(first, first + room)
        tokens = np.concatenate([question[:, 0], body[part], end])
        kinds = np.zeros(len(tokens), np.int32)
        kinds[len(question) : -1] = TOLD + common[part]
        yield np.stack([tokens, kinds], 1).astype(np.int32), first


def tokens_of(passage: np.ndarray, start: int, end: int) -> tuple[int, int] | None:
    """(first, last) passage token that holds one of these letters; None where there is none."""
    places = passage[:-1, 1:]
    first = int(np.searchsorted(places[:, 1], start, side="right"))
    last = int(np.searchsorted(places[:, 0], end, side="left")) - 1
    return (first, last) if first <= last else None


def spans(starts: np.ndarray, ends: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(first, last, chance, none) of each window: its best span of at most so many tokens.

    starts, ends: scores (B, T), place 0 for no answer.  chance, none: float64 (B,), log-probabilities of the span, and
    of none.  A span is scored by the sum of both ends' log-probabilities.
    """
    first_log, last_log = (_log_softmax(scores) for scores in (starts, ends))
    rows, width = first_log.shape
    best, first, last = np.full(rows, -np.inf), np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    for more in range(min(longest, width - 1)):
        both = first_log[:, 1 : width - more] + last_log[:, 1 + more :]
        place = both.argmax(1)
        value = both[np.arange(rows), place]
        better = value > best
        best = np.where(better, value, best)
        first, last = np.where(better, place + 1, first), np.where(better, place + 1 + more, last)
    return first, last, best, first_log[:, 0] + last_log[:, 0]


def threshold(margins: np.ndarray, gains: np.ndarray, losses: np.ndarray) -> float:
    """The margin from which it is best to answer: the mean of `gains` where one answers, of `losses` where not.

    margins, gains, losses: float64 (N,); in the middle between two margins, half a unit beyond the last one.
    """
    order = np.argsort(margins, kind="stable")
    ranked = margins[order]
    # Of k withheld answers (those with the smallest margins) the score is what is lost below and gained above.
    value = np.concatenate([[0.0], np.cumsum((losses - gains)[order])])
    cuts = np.concatenate([[ranked[0] - 1.0], (ranked[1:] + ranked[:-1]) / 2, [ranked[-1] + 1.0]])
    fits = np.concatenate([[True], ranked[1:] > ranked[:-1], [True]])
    return float(cuts[np.where(fits, value, -np.inf).argmax()])


def batches(lengths: Sequence[int], rows: int, tokens: int) -> Iterator[np.ndarray]:
    """Numbers of windows that go through the network together, like lengths together: at most so many rows, and so
    many tokens with padding unless one window has more."""
    order = np.argsort(np.asarray(lengths, np.int64), kind="stable")
    start = 0
    for place in range(1, len(order) + 1):
        count = place - start + 1
        if place == len(order) or count > rows or count * lengths[order[place]] > tokens:
            yield order[start:place]
            start = place


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    exact = np.asarray(scores, np.float64)
    exact = exact - exact.max(1, keepdims=True)
    made: np.ndarray = exact - np.log(np.exp(exact).sum(1, keepdims=True))
    return made
