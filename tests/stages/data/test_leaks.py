"""Columns that predict the target almost alone are named, honest ones are not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from feilun.stages.data.looking import leaks

ROWS = 4000


def found(columns: dict[str, np.ndarray], target: np.ndarray, *, classes: bool) -> dict[str, str]:
    arrays = {name: pa.chunked_array([pa.array(values)]) for name, values in columns.items()}
    return leaks.find(arrays, pa.chunked_array([pa.array(target)]), classes=classes)


def test_the_answer_itself_is_found_in_every_disguise() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(size=ROWS)
    number = random.normal(size=ROWS)
    two, five = np.where(number > 0, "yes", "no"), np.floor(number * 1.5).clip(-2, 2).astype(str)
    for target, classes in ((number, False), (two, True), (five, True)):
        warned = found({"noise": noise, "answer": 3 - 2 * number}, target, classes=classes)
        assert list(warned) == ["answer"]
        assert "almost alone" in warned["answer"]
    assert list(found({"noise": noise, "date": np.where(number > 0, "x", None)}, two, classes=True)) == ["date"]


def test_a_column_far_ahead_of_the_others_is_named_with_its_strength() -> None:
    random = np.random.default_rng(0)
    signal = random.normal(size=ROWS)
    target = np.where(signal + random.normal(size=ROWS) * 0.9 > 0, 1, 0)
    warned = found({"call": signal, "age": random.normal(size=ROWS)}, target, classes=True)
    assert "AUC 0.8" in warned["call"]
    assert found({"call": signal, "same": signal + 0.1}, target, classes=True) == {}  # not ahead of the next


def test_noise_of_many_values_is_not_mistaken_for_an_answer() -> None:
    random = np.random.default_rng(0)
    many = random.integers(0, ROWS, ROWS).astype(str)
    assert found({"many": many}, random.integers(0, 2, ROWS), classes=True) == {}
    assert found({"few": many[:50]}, np.arange(50) % 2, classes=True) == {}
    assert found({"a": many}, np.zeros(ROWS), classes=True) == {}


def test_auc_is_the_share_of_pairs_in_order() -> None:
    guess, truth = np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1])
    # pairs (no, yes): 0.1<0.4, 0.1<0.8, 0.4=0.4 counts half, 0.4<0.8: 3.5 of 4
    assert leaks._auc(guess, truth) == pytest.approx(0.875)
