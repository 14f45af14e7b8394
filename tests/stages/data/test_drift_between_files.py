"""Drift between given files: what differs is named, what differs by chance is not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from feilun.stages.data.telling import drift

KINDS = {"n": "number", "c": "category", "t": "text", "y": "labels"}
WORDS = np.array([f"word{'abcdefghij'[place % 10]}{'klmnopqrst'[place // 10]}" for place in range(100)])


def rows(count: int, seed: int, shift: float = 0.0, share: float = 0.5, topic: int = 0, yes: float = 0.3) -> pa.Table:
    drawn = np.random.default_rng(seed)
    chances = np.ones(100)
    chances[:20] += topic
    texts = [" ".join(drawn.choice(WORDS, 8, p=chances / chances.sum())) for _ in range(count)]
    return pa.table(
        {
            "n": np.where(drawn.random(count) < 0.05, np.nan, drawn.normal(shift, 1, count)),
            "c": np.where(drawn.random(count) < share, "a", "b"),
            "t": texts,
            "y": np.where(drawn.random(count) < yes, "yes", "no"),
        }
    )


def found(train: pa.Table, test: pa.Table) -> dict[str, float]:
    both = pa.concat_tables([train, test.select(train.column_names)])
    places = np.arange(both.num_rows)
    entries = drift.find(both, KINDS, places[: train.num_rows], places[train.num_rows :])
    assert all(0.1 <= entry["distance"] <= 1 and entry["words"] for entry in entries)
    return {entry["column"]: entry["distance"] for entry in entries}


def test_each_column_that_differs_is_named() -> None:
    train = rows(800, 0)
    assert set(found(train, rows(400, 1, shift=0.8))) == {"n"}
    assert set(found(train, rows(400, 2, share=0.9))) == {"c"}
    assert set(found(train, rows(400, 3, topic=8))) == {"t"}
    assert set(found(train, rows(400, 4, yes=0.9))) == {"y"}
    everything = found(train, rows(400, 5, shift=3, share=0.9, topic=8, yes=0.9))
    assert list(everything) == sorted(everything, key=lambda name: -everything[name])
    assert set(everything) == set(KINDS)


@pytest.mark.parametrize("count", [20, 60, 400])
def test_the_same_source_is_not(count: int) -> None:
    # four columns at a chance of 1 in 200 each, and a least distance besides: over 12 draws at most one may be named
    named = [name for seed in range(12) for name in found(rows(2 * count, 100 + seed), rows(count, 200 + seed))]
    assert len(named) <= 1


def test_order_of_columns_does_not_matter_and_few_rows_say_nothing() -> None:
    train, test = rows(200, 0), rows(100, 1, shift=2)
    assert found(train, test.select(["y", "t", "c", "n"])) == found(train, test)
    assert found(rows(200, 0), rows(19, 1, shift=9)) == {}


def test_gaps_and_new_values_are_drift() -> None:
    train, test = rows(300, 0), rows(300, 1)
    gaps = test.set_column(0, "n", pa.array([None] * 300, pa.float64()))
    entries = drift.find(pa.concat_tables([train, gaps]), {"n": "number"}, np.arange(300), np.arange(300, 600))
    assert "missing in" in entries[0]["words"]
    renamed = test.set_column(1, "c", pa.array(["A"] * 300))
    assert found(train, renamed)["c"] == pytest.approx(1.0)


def test_the_distance_is_known_for_simple_counts() -> None:
    assert drift.distance(np.array([5, 0]), np.array([0, 3])) == pytest.approx(1)
    assert drift.distance(np.array([2, 4]), np.array([20, 40])) == pytest.approx(0, abs=1e-7)
    # (1, 0) against (1/2, 1/2): divergence 0.3113 bits, computed by hand
    assert drift.distance(np.array([2, 0]), np.array([1, 1])) == pytest.approx(0.3112781**0.5, abs=1e-6)
