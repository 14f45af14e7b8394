"""How well each column alone predicts the target: a column that does it almost alone may not be known in time.

Cheap and honest: a column's values (numbers in 32 bins) are learnt on one half of at most 20,000 rows and judged on
the other half, both ways. Strength 0 is no better than the mean, 1 is perfect: 2 AUC - 1 for two classes, the share of
the errors of the most frequent class that are avoided for more, R2 for numbers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feilun.parts.ops.threads import in_order

MOST_ROWS = 20_000
LEAST_ROWS = 100
BINS = 32
WORD = re.compile(r"\w+")
PRIOR_ROWS = 5.0  # a bin is pulled to the mean as if it had so many rows more
# Measured, over four draws of rows: bank_marketing duration 0.61 to 0.63 (next 0.53 to 0.56), student_mat G2 0.67 to
# 0.70 (next 0.55), occupancy Light 0.99 are the columns their authors warn of; the strongest columns of adult 0.56,
# heart 0.52, california 0.48 and credit 0.43 stay quiet.
ALONE = 0.9
STRONG = 0.6
AHEAD = 0.04
ALL = "predicts the target almost alone: is it known in time?"
GAP = "is missing just where the target says so, almost without exception: is it known in time?"
WORDS = 50  # of the texts' most frequent words, whose presence alone is looked at
TEXTS = 4_000  # rows whose words are looked at


def find(
    inputs: Mapping[str, pa.ChunkedArray],
    target: pa.ChunkedArray,
    *,
    classes: bool,
    beside: Mapping[str, pa.ChunkedArray] | None = None,
) -> dict[str, str]:
    """{column: warning} from stripped columns of kinds number and category. Fewer than 100 rows say nothing.

    beside: columns of other kinds (times as numbers, texts), which are named only where they say the target outright.
    Whether a value is missing is looked at in all of them.
    """
    rows = seen(target)
    beside = beside or {}
    if len(rows) < LEAST_ROWS or not (inputs or beside):
        return {}
    rows = np.random.default_rng(0).permutation(rows)
    truth = _codes(target.take(rows)) if classes else _floats(target.take(rows))
    every = {**inputs, **beside}
    sampled = dict(zip(every, in_order(lambda name: every[name].take(rows), every), strict=True))
    strengths = in_order(lambda name: strength(_bins(sampled[name]), truth, classes=classes), inputs)
    found = dict(zip(inputs, strengths, strict=True))
    told = {
        name: max((strength(bins, truth, classes=classes) for bins in _said(sampled[name])), default=0.0)
        for name in beside
    }
    gaps = {
        name: strength(_gaps(column), truth, classes=classes) for name, column in sampled.items() if column.null_count
    }
    warnings = {name: GAP for name in sampled if gaps.get(name, 0.0) >= ALONE}
    warnings |= {
        name: ALL for name in sampled if name not in warnings and max(found.get(name, 0), told.get(name, 0)) >= ALONE
    }
    return warnings or _strongest(found, truth, classes=classes)


def seen(target: pa.ChunkedArray) -> np.ndarray:
    """int64: at most 20,000 rows that have a target, evenly spaced; of these rows alone, all of them."""
    rows = np.flatnonzero(target.is_valid().to_numpy())
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(np.int64)] if len(rows) else rows


def _strongest(found: Mapping[str, float], truth: np.ndarray, *, classes: bool) -> dict[str, str]:
    """A warning on the one column that predicts far better than any other."""
    ordered = sorted(found, key=lambda name: -found[name])
    second = found[ordered[1]] if len(ordered) > 1 else 0.0
    if not ordered or found[ordered[0]] < STRONG or found[ordered[0]] < second + AHEAD:
        return {}
    how = _words(found[ordered[0]], truth, classes)
    return {ordered[0]: f"predicts the target far better than any other column ({how}): is it known in time?"}


def strength(bins: np.ndarray, truth: np.ndarray, *, classes: bool) -> float:
    """Between 0 and 1; bins int64 (N,), truth int64 class codes or float64 (N,). Fewer bins: of the first rows."""
    truth = truth[: len(bins)]
    number = int(truth.max()) + 1 if classes else 0
    if classes and number < 2:
        return 0.0
    values = np.eye(number)[truth] if number > 2 else truth.astype(np.float64)[:, None]
    half = np.arange(len(truth)) % 2 == 0
    guess = np.empty_like(values)
    for learn in (half, ~half):
        counts = np.bincount(bins[learn], minlength=int(bins.max()) + 1)[:, None]
        sums = np.stack([np.bincount(bins[learn], column, len(counts)) for column in values[learn].T], axis=1)
        mean = values[learn].mean(axis=0)
        guess[~learn] = ((sums + PRIOR_ROWS * mean) / (counts + PRIOR_ROWS))[bins[~learn]]
    return max(0.0, _score(guess, values, truth, number))


def _said(column: pa.ChunkedArray) -> list[np.ndarray]:
    """What a column of another kind says outright, as bins: a time its place, a text itself and each frequent word."""
    if pa.types.is_floating(column.type):
        return [_bins(column)]
    texts = [str(text or "").lower() for text in column.slice(0, TEXTS).to_pylist()]
    words = [set(WORD.findall(text)) for text in texts]
    counts = Counter(word for row in words for word in row)
    frequent = [word for word, _ in counts.most_common(WORDS)]
    return [_bins(column), *(np.array([word in row for row in words], np.int64) for word in frequent)]


def _gaps(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.is_null().to_numpy(), np.int64)


def _score(guess: np.ndarray, values: np.ndarray, truth: np.ndarray, number: int) -> float:
    if number == 2:
        return 2 * _auc(guess[:, 0], truth) - 1
    if number > 2:
        most = np.bincount(truth).max() / len(truth)
        right = float((guess.argmax(axis=1) == truth).mean())
        return float((right - most) / max(1e-9, 1 - most))
    spread = ((values - values.mean()) ** 2).sum()
    return float(1 - ((values - guess) ** 2).sum() / spread) if spread else 0.0


def _auc(guess: np.ndarray, truth: np.ndarray) -> float:
    """Share of (yes, no) pairs in the right order; ties count half (Mann and Whitney 1947)."""
    _, place, counts = np.unique(guess, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    yes = int(truth.sum())
    no = len(truth) - yes
    return float((ranks[truth == 1].sum() - yes * (yes + 1) / 2) / (yes * no)) if yes and no else 0.5


def _words(found: float, truth: np.ndarray, classes: bool) -> str:
    if not classes:
        return f"R2 {found:.2f} alone"
    return f"AUC {(found + 1) / 2:.2f} alone" if truth.max() == 1 else f"{found:.0%} of the errors gone"


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    coded = column.combine_chunks().dictionary_encode()
    return np.asarray(coded.indices.to_numpy(zero_copy_only=False), np.int64)


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)


def _bins(column: pa.ChunkedArray) -> np.ndarray:
    """int64 (N,): the place of each value; missing is a value of its own."""
    if not pa.types.is_floating(column.type):
        coded = column.combine_chunks().dictionary_encode()
        return np.asarray(pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False), np.int64)
    numbers = _floats(column)
    known = numbers[~np.isnan(numbers)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else known
    return np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers, side="right")).astype(np.int64)
