"""The nearest vectors: exact where few, and of many nearly the same by cells, whose recall is measured."""

from __future__ import annotations

import numpy as np
import pytest

from feilun.parts.ops import nearest


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered(count: int, seed: int) -> np.ndarray:
    """Rows about 300 middles, as texts are about subjects."""
    middles = np.random.default_rng(0).standard_normal((300, 48))
    drawn = np.random.default_rng(seed)
    return unit(middles[drawn.integers(300, size=count)] + 0.7 * drawn.standard_normal((count, 48)))


def test_few_are_found_exactly_and_equal_ones_in_order() -> None:
    rows = unit(np.array([[1.0, 0], [0, 1], [1, 0], [1, 1]]))
    places, scores = nearest.search(nearest.build(rows, rows, 0), np.array([[1.0, 0.0], [0.0, 2.0]]), 9)
    assert places.tolist() == [[0, 2, 3, 1], [1, 3, 0, 2]]
    assert scores[1].tolist() == pytest.approx([2, 2**0.5, 0, 0])
    assert nearest.search({"rows": rows}, np.zeros((0, 2)), 3)[0].shape == (0, 3)


def test_cells_find_nearly_all_that_comparing_finds() -> None:
    """Recall@10 of new questions, with what the build chose by other ones; and not by looking into every cell."""
    rows, asked = clustered(6_000, 1), clustered(200, 2)
    index = nearest.build(rows, clustered(100, 3), seed=0, large=5_000)
    assert index["rows"].dtype == np.int8
    assert index["probes"] <= len(index["centres"]) / 4
    places, scores = nearest.search(index, asked, 10)
    exact, known = nearest.search({"rows": rows}, asked, 10)
    assert nearest.recall(places, exact) >= 0.95
    assert np.abs(scores[:, 0] - known[:, 0]).mean() < 0.01
    assert (np.diff(scores, axis=1) <= 0).all()
    assert sorted(index["order"].tolist()) == list(range(6_000))


def test_how_many_stand_above_ones_own() -> None:
    """A copy of one's own does not; int8 or not."""
    rows, own = clustered(2_000, 4), clustered(20, 5)
    asked = unit(own + 0.2 * clustered(20, 6))
    rows = np.concatenate([rows, own])
    expected = (asked @ rows.T > (asked * own).sum(1)[:, None] + 1e-5).sum(1)
    assert nearest.above({"rows": rows}, asked, own).tolist() == expected.tolist()
    small = nearest.above(nearest.build(rows, asked, 0, large=100), asked, own)
    assert np.abs(small - expected).max() <= 3  # an 8-bit row may change places with one that is as near


def test_more_cells_are_looked_into_where_the_nearest_are_spread() -> None:
    """Rows with no middles: eight cells hold too few of the nearest, and the build finds that out."""
    rows, asked, new = (
        unit(np.random.default_rng(seed).standard_normal((n, 16))) for seed, n in ((1, 5000), (2, 100), (3, 100))
    )
    index = nearest.build(rows, asked, seed=0, large=1_000)
    exact = nearest.search({"rows": rows}, new, 10)[0]
    few = nearest.search({**index, "probes": nearest.FEWEST_PROBES}, new, 10)[0]
    assert nearest.recall(few, exact) < 0.95 <= nearest.recall(nearest.search(index, new, 10)[0], exact)
