"""Tukey's outer fences: three quartile distances beyond the quartiles."""

import numpy as np
import pytest

from feilun.parts.ops.fences import fences


def test_limits_by_hand() -> None:
    assert fences(np.arange(101.0)) == (25 - 3 * 50, 75 + 3 * 50)


def test_outliers_themselves_hardly_move_them() -> None:
    values = np.random.default_rng(0).normal(size=2000)
    wild = np.concatenate([values, np.full(20, 1e9)])
    assert fences(wild) == pytest.approx(fences(values), abs=0.2)


@pytest.mark.parametrize("values", [[], [5.0] * 60 + [6.0] * 10, [1.0]])
def test_where_the_middle_half_is_one_value_there_are_none(values: list[float]) -> None:
    assert fences(np.array(values)) is None
