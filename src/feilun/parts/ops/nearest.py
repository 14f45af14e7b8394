"""The nearest of many vectors: all are compared where they are few; of very many, those in the nearest cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

LARGE = 200_000  # rows from which cells are made: below, comparing all of them takes as long (tests measure recall)
FEWEST_PROBES, ENOUGH, DEPTH = 8, 0.97, 10  # cells are added until the sample's recall@DEPTH is ENOUGH
ROUNDS, PER_CELL = 8, 64  # of k-means, on so many rows a cell
NUMBERS = 1 << 24  # scores held at a time
EVEN = 1e-5  # scores this close differ by the order in which numbers were summed


def build(rows: np.ndarray, asked: np.ndarray, seed: int, large: int = LARGE) -> dict[str, Any]:
    """What `search` reads, as arrays and whole numbers. rows, asked: float32 (N, width), (Q, width), of length 1.

    From `large` rows on: rows as 8-bit integers with a scale each, in about 2 √N cells (k-means on the sphere, Dhillon
    & Modha 2001; inverted lists, Jégou et al. 2011). As many cells are looked into as the questions `asked` need to
    find ENOUGH of what comparing all rows finds.
    """
    rows = np.ascontiguousarray(rows, np.float32)
    if len(rows) < large or not len(asked):
        return {"rows": rows}
    centres = _centres(rows, int(2 * len(rows) ** 0.5), np.random.default_rng(seed))
    cell = _best_of(rows, centres)
    order = np.argsort(cell, kind="stable")
    small, scales = _small(rows)
    index = {
        "rows": small[order],
        "scales": scales[order],
        "order": order.astype(np.int64),
        "starts": np.searchsorted(cell[order], np.arange(len(centres) + 1)).astype(np.int64),
        "centres": centres,
    }
    truth = search({"rows": rows}, asked, DEPTH)[0]
    probes = FEWEST_PROBES
    while probes < len(centres):
        found = search({**index, "probes": probes}, asked, DEPTH)[0]
        if recall(found, truth) >= ENOUGH:
            break
        probes *= 2
    return {**index, "probes": min(probes, len(centres))}


def search(index: Mapping[str, Any], asked: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """(places int64 (Q, most), scores float32 (Q, most)) by inner product, the highest first, equal ones by place.

    Fewer columns where there are fewer rows.  A place is -1, its score -inf, where the cells held too few.
    """
    rows = index["rows"]
    asked = np.asarray(asked, np.float32)
    most = min(most, len(rows))
    if "starts" in index:
        return _of_cells(index, asked, most)
    block = max(1, NUMBERS // max(1, len(rows)))
    parts = [_highest(asked[start : start + block] @ rows.T, most) for start in range(0, len(asked), block)]
    places, scores = zip(*parts, strict=True) if parts else ([np.zeros((0, most), np.int64)], [np.zeros((0, most))])
    return np.concatenate(places), np.concatenate(scores).astype(np.float32)


def above(index: Mapping[str, Any], asked: np.ndarray, own: np.ndarray) -> np.ndarray:
    """int64 (Q,): how many rows go better with each question than its own vector does; a copy of that does not.

    asked, own: float32 (Q, width).  All rows are compared, whatever the cells.
    """
    small, scales = index["rows"], index.get("scales")
    if scales is not None:
        whole, scale = _small(own)
        own = whole * scale[:, None]
    least = (asked * own).sum(1, keepdims=True) + EVEN
    count = np.zeros(len(asked), np.int64)
    block = max(1, NUMBERS // max(1, len(asked)))
    for start in range(0, len(small), block):
        part = slice(start, start + block)
        rows = small[part] if scales is None else small[part].astype(np.float32) * scales[part, None]
        count += (asked @ rows.T > least).sum(1)
    return count


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of the places in `truth` (Q, k) that are among those found in the same row."""
    return float(np.mean([np.isin(right, mine).mean() for mine, right in zip(found, truth, strict=True)]))


def _of_cells(index: Mapping[str, Any], asked: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    probes, starts = int(index["probes"]), index["starts"]
    near = np.argpartition(-(asked @ index["centres"].T), probes - 1, axis=1)[:, :probes]
    cells, owners = near.ravel(), np.repeat(np.arange(len(asked)), probes)
    by_cell = np.argsort(cells, kind="stable")
    bounds = np.flatnonzero(np.diff(cells[by_cell], prepend=-1))
    places = np.full((len(asked), most), -1, np.int64)
    scores = np.full((len(asked), most), -np.inf, np.float32)
    for group in np.split(by_cell, bounds[1:]) if len(by_cell) else []:
        inside = slice(int(starts[cells[group[0]]]), int(starts[cells[group[0]] + 1]))
        who = owners[group]
        own = index["rows"][inside].astype(np.float32) * index["scales"][inside, None]
        both = np.concatenate([scores[who], asked[who] @ own.T], 1)
        known = np.broadcast_to(index["order"][inside], (len(who), len(own)))
        which, scores[who] = _highest(both, most)
        places[who] = np.take_along_axis(np.concatenate([places[who], known], 1), which, 1)
    return places, scores


def _small(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(int8 (N, width), float32 (N,)) whose products are the rows, to a 254th of the largest number of each."""
    scales = np.maximum(np.abs(rows).max(1), 1e-12) / np.float32(127)
    return np.rint(rows / scales[:, None]).astype(np.int8), scales


def _highest(scores: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """(columns, values) of the highest in every row, in order."""
    if most < scores.shape[1]:
        few = np.sort(np.argpartition(-scores, most - 1, axis=1)[:, :most], axis=1)
    else:
        few = np.tile(np.arange(scores.shape[1]), (len(scores), 1))
    values = np.take_along_axis(scores, few, 1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(few, order, 1), np.take_along_axis(values, order, 1)


def _centres(rows: np.ndarray, count: int, drawn: np.random.Generator) -> np.ndarray:
    """float32 (count, width), of length 1."""
    some = rows[np.sort(drawn.permutation(len(rows))[: count * PER_CELL])]
    centres = some[np.sort(drawn.permutation(len(some))[:count])]
    for _ in range(ROUNDS):
        cell = _best_of(some, centres)
        order = np.argsort(cell, kind="stable")
        starts = np.searchsorted(cell[order], np.arange(count))
        sums = np.add.reduceat(np.concatenate([some[order], some[:1]]), starts, axis=0)
        filled = np.bincount(cell, minlength=count) > 0  # an empty cell keeps its centre
        length = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
        centres = np.where(filled[:, None], sums / length, centres).astype(np.float32)
    return centres


def _best_of(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """int64 (N,): the nearest centre of each row."""
    block = max(1, NUMBERS // len(centres))
    parts = [(rows[start : start + block] @ centres.T).argmax(1) for start in range(0, len(rows), block)]
    return np.concatenate(parts)
