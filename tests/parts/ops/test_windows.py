"""Windows over rows in time."""

from __future__ import annotations

import numpy as np

from feilun.parts.ops import windows


def test_windows_stay_within_file_and_group_and_a_row_without_time_is_alone() -> None:
    when = np.array([3.0, 1.0, np.nan, 2.0, 1.0, 9.0])
    group = np.array([0, 0, 0, 0, 1, 0])
    file = np.array([0, 0, 0, 0, 0, 1])
    order, starts = windows.ordered(when, group, file)
    first, lengths = windows.spans(order, starts, 2)
    seen = [order[start : start + length].tolist() for start, length in zip(first, lengths, strict=True)]
    assert seen == [[3, 0], [1], [2], [1, 3], [4], [5]]


def test_no_rows() -> None:
    order, starts = windows.ordered(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert [len(part) for part in windows.spans(order, starts, 3)] == [0, 0]
