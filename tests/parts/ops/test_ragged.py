"""Rows that are padded together take no more room than they may."""

from __future__ import annotations

import numpy as np
import pytest

from feilun.parts.ops.ragged import together


@pytest.mark.parametrize("most", [1, 64, 1000])
def test_neighbours_are_parted_by_the_room_they_take(most: int) -> None:
    lengths = np.sort(np.random.default_rng(0).integers(0, 90, 500))
    parts = list(together(lengths, most))
    assert np.concatenate([np.arange(500)[part] for part in parts]).tolist() == list(range(500))
    for part, after in zip(parts, [*parts[1:], None], strict=True):
        own = lengths[part]
        assert len(own) == 1 or len(own) * own.max() <= most
        if after is not None:  # the first of the next ones had no room
            assert (len(own) + 1) * max(1, lengths[part.stop]) > most


def test_nothing_is_no_part() -> None:
    assert list(together(np.zeros(0, np.int64), 10)) == []
