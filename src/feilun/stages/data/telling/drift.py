"""Given training and test rows laid beside each other: which columns differ by more than chance.

Distance: the square root of the Jensen-Shannon divergence in bits, 0 (the same) to 1 (nothing in common); Endres and
Schindelin 2003. Numbers are counted in ten bins of equal weight, categories by value, texts by their 500 most frequent
words. A column is reported where the distance is at least 0.1 and larger than in each of 199 random ways to call rows
training and test rows: by chance that happens to one column in 200.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LEAST_DISTANCE = 0.1
RANDOM_WAYS = 199
LEAST_ROWS = 20  # on either side
MOST_ROWS = 100_000  # on either side, evenly spaced
MOST_TEXTS = 5_000
BINS = 10
MOST_VALUES = 200  # the most frequent categories; the others count together
WORDS = 500
WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
SINGLE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")  # scripts without spaces: a character counts as a word


def find(table: pa.Table, kinds: Mapping[str, str], train: np.ndarray, test: np.ndarray) -> list[dict[str, Any]]:
    """Columns that differ, the most different first: `{column, distance, words}`.

    kinds: number, category, labels or text of each column that is compared.  train, test: row numbers.
    """
    if min(len(train), len(test)) < LEAST_ROWS:
        return []
    found = []
    sides = [_thin(train, MOST_ROWS), _thin(test, MOST_ROWS)]
    for name, kind in kinds.items():
        if kind == "text":
            texts = [table.column(name).take(pa.array(_thin(side, MOST_TEXTS))).to_pylist() for side in sides]
            seen = _of_texts(*texts)
        elif kind in ("number", "category", "labels") and not pa.types.is_nested(table.column(name).type):
            seen = _of_values(*(table.column(name).take(pa.array(side)) for side in sides))
        else:
            continue
        if seen is not None and seen[0] >= LEAST_DISTANCE:
            found.append({"column": name, "distance": round(seen[0], 3), "words": seen[1]})
    return sorted(found, key=lambda entry: (-entry["distance"], entry["column"]))


def distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distance of counts along the last axis; between 0 and 1."""
    shares = [np.asarray(counts, np.float64) / np.maximum(counts.sum(-1, keepdims=True), 1) for counts in (one, other)]
    middle = (shares[0] + shares[1]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(share > 0, share * np.log2(share / middle), 0.0).sum(-1) for share in shares]
    return np.asarray(np.sqrt(np.clip((parts[0] + parts[1]) / 2, 0, 1)))


def _of_values(one: pa.ChunkedArray, other: pa.ChunkedArray) -> tuple[float, str] | None:
    """(distance, words) of numbers or categories; None where chance explains it."""
    numeric = pa.types.is_floating(one.type) or pa.types.is_integer(one.type)
    counts, values = _binned(one, other) if numeric else _valued(one, other)
    away = float(distance(*counts))
    if away < LEAST_DISTANCE or away <= _by_chance(*counts):
        return None
    shares = [side / side.sum() for side in counts]
    place = int(np.abs(shares[1] - shares[0]).argmax())
    if numeric:
        middles = [pc.quantile(side, 0.5)[0].as_py() for side in (one, other)]
        words = f"middle {_shown(middles[0])} in training rows, {_shown(middles[1])} in test rows"
    else:
        words = f"{values[place]}: {shares[0][place]:.1%} of training rows, {shares[1][place]:.1%} of test rows"
    gaps = [side.null_count / len(side) for side in (one, other)]
    if abs(gaps[1] - gaps[0]) >= 0.05:
        words += f"; missing in {gaps[0]:.0%} and {gaps[1]:.0%}"
    return away, words.replace("%", " %")


def _binned(one: pa.ChunkedArray, other: pa.ChunkedArray) -> tuple[list[np.ndarray], list[str]]:
    """Rows in each of ten bins of both sides together, and missing ones last."""
    sides = [np.asarray(side.cast(pa.float64()).to_numpy(), np.float64) for side in (one, other)]
    known = [side[~np.isnan(side)] for side in sides]
    pooled = np.concatenate(known)
    edges = np.unique(np.quantile(pooled, np.linspace(0, 1, BINS + 1)[1:-1])) if len(pooled) else pooled
    bins = [np.bincount(np.searchsorted(edges, side, side="right"), minlength=len(edges) + 1) for side in known]
    return [np.append(count, len(side) - count.sum()) for count, side in zip(bins, sides, strict=True)], []


def _valued(one: pa.ChunkedArray, other: pa.ChunkedArray) -> tuple[list[np.ndarray], list[str]]:
    """Rows of each of the most frequent values, of all others together, and missing ones."""
    sides = [
        Counter({entry["values"]: entry["counts"] for entry in pc.value_counts(side.cast(pa.string())).to_pylist()})
        for side in (one, other)
    ]
    often = [value for value, _ in (sides[0] + sides[1]).most_common(MOST_VALUES)]
    counts = [np.array([side[value] for value in often], np.int64) for side in sides]
    rest = [sum(side.values()) - int(count.sum()) for side, count in zip(sides, counts, strict=True)]
    names = ["missing" if value is None else repr(value) for value in often]
    return [np.append(count, left) for count, left in zip(counts, rest, strict=True)], [*names, "other values"]


def _by_chance(one: np.ndarray, other: np.ndarray) -> float:
    """The largest distance when the same rows are called training and test rows at random."""
    drawn = np.random.default_rng(0).multivariate_hypergeometric(one + other, int(other.sum()), size=RANDOM_WAYS)
    return float(distance(one + other - drawn, drawn).max())


def _of_texts(one: Sequence[str | None], other: Sequence[str | None]) -> tuple[float, str] | None:
    """(distance, words) by the words of texts; whole texts change sides at random, as their words belong together."""
    found = [_words(text) for text in (*one, *other)]
    often = [word for word, _ in Counter(word for words in found for word in words).most_common(WORDS)]
    place = {word: number for number, word in enumerate(often)}
    rows = np.concatenate([np.full(len(words), row) for row, words in enumerate(found)]).astype(np.int64)
    codes = np.array([place.get(word, len(often)) for words in found for word in words], np.int64)
    if not len(codes):
        return None
    is_test = np.arange(len(found)) >= len(one)
    counts = _counted(codes, rows, is_test, len(often) + 1)
    away = float(distance(*counts))
    random = np.random.default_rng(0)
    if away < LEAST_DISTANCE:
        return None
    for _ in range(RANDOM_WAYS):
        if float(distance(*_counted(codes, rows, random.permutation(is_test), len(often) + 1))) >= away:
            return None
    shares = [side / side.sum() for side in counts]
    apart = np.argsort(-np.abs(shares[1] - shares[0])[:-1])[:3]
    shown = ", ".join(f"{often[word]!r} {shares[0][word]:.2%} and {shares[1][word]:.2%}" for word in apart)
    return away, f"share of all words in training and test rows: {shown}".replace("%", " %")


def _counted(codes: np.ndarray, rows: np.ndarray, is_test: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    test = np.bincount(codes[is_test[rows]], minlength=size)
    return np.bincount(codes, minlength=size) - test, test


def _words(text: str | None) -> set[str]:
    """The different words of a text's first 2,000 characters."""
    start = (text or "")[:2_000].lower()
    return {*WORD.findall(SINGLE.sub(" ", start)), *SINGLE.findall(start)}


def _thin(rows: np.ndarray, most: int) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)] if len(rows) > most else rows


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"
