"""Coded texts: they read like the list they stand for, and each value is looked at once."""

import numpy as np
import pytest

from feilun.parts.ops.coded import Coded

TEXTS = ["b", None, "a", "b", "b", None]


@pytest.fixture
def coded() -> Coded:
    return Coded(["b", "a", None, "never"], np.array([0, 2, 1, 0, 0, 2], np.int32))


def test_it_reads_like_the_list(coded: Coded) -> None:
    assert list(coded) == TEXTS and len(coded) == 6
    assert coded[0] == "b" and coded[-1] is None
    assert list(coded[1:4]) == TEXTS[1:4]
    assert "a" in coded and "never" not in coded
    assert coded.counts().tolist() == [3, 1, 2, 0]


def test_a_function_sees_each_value_once_and_no_other(coded: Coded) -> None:
    seen: list[str | None] = []

    def lengths(values: list[str | None]) -> np.ndarray:
        seen.extend(values)
        return np.array([[len(value or ""), 7] for value in values])

    found = coded[:4].once(lengths)
    assert found.tolist() == [[1, 7], [0, 7], [1, 7], [1, 7]]
    assert sorted(seen, key=str) == [None, "a", "b"]
