"""Sequences: lists of numbers and of steps, gaps, the last steps, and what is no sequence."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from feilun.core import discover
from feilun.core.errors import DataError
from feilun.parts.ops.ragged import collate


def fitted(cells: Any, **options: Any) -> Any:
    return discover.feature("sequence", columns=("s",), **options).fit({"s": cells})


def test_each_channel_is_standardised_by_the_training_rows() -> None:
    cells = [[[1, 100], [3, 300]], [[5, 500]], [[7, 700], [9, 900], [11, 1100]]]
    made = fitted(cells)
    encoded = made.encode({"s": cells})
    assert (made.channels, encoded.values.dtype, encoded.offsets.tolist()) == (2, np.float32, [0, 2, 3, 6])
    assert np.allclose(encoded.values.mean(0), 0, atol=1e-6) and np.allclose(encoded.values.std(0), 1, atol=1e-6)
    batch = collate({"s": encoded})
    assert batch["s"].shape == (3, 3, 2) and batch["s_length"].tolist() == [2, 1, 3] and not batch["s"][1, 1:].any()


def test_lists_of_numbers_json_text_and_arrays_are_the_same() -> None:
    made = fitted([[1, 2, 3]])
    same = [[1, 2], "[1, 2]", [[1], [2]], np.array([1, 2]), (1.0, 2.0)]
    encoded = made.encode({"s": same})
    assert all((encoded[place] == encoded[0]).all() for place in range(len(same)))
    assert discover.feature(**{"kind": "sequence", **json.loads(json.dumps(made.to_json()))}) == made


def test_gaps_are_zero_and_marked_where_training_rows_had_some() -> None:
    made = fitted([[[1, 5], [3, None]], [[5, 9]]])
    assert made.channels == 3
    assert made.encode({"s": [[[None, None]]]}).values.tolist() == [[0, 0, 1]]
    for empty in (None, [], "", "[]"):
        assert made.encode({"s": [empty]}).values.tolist() == [[0, 0, 1]]
    assert fitted([[1, 2]]).encode({"s": [[None]]}).values.tolist() == [[0]]
    assert np.isfinite(fitted([[1e308, -1e308], [float("inf")]]).encode({"s": [[1e308]]}).values).all()


def test_the_last_steps_are_kept() -> None:
    made = fitted([[1, 2, 3, 4]], max_steps=2)
    assert made.encode({"s": [[1, 2, 3, 4]]}).values.tolist() == made.encode({"s": [[3, 4]]}).values.tolist()
    assert made.max_length == 2


@pytest.mark.parametrize(
    "wrong", [["a"], [["1"]], 3, "x", "[1, 2", [[1], [2, 3]], [True], [[[1]]], [[1, 2, 3]], {"a": 1}, [{}]]
)
def test_what_is_no_sequence(wrong: Any) -> None:
    with pytest.raises(DataError, match=r"'s' holds sequences.*Write it as"):
        fitted([[[1, 2]], [[3, 4]]]).encode({"s": [[[1, 2]], wrong]})


def test_no_number_anywhere() -> None:
    with pytest.raises(DataError, match="no number in 2 training rows"):
        fitted([None, [None]])


def test_listed_numbers_in_steps_are_gaps() -> None:
    made = fitted([[1.0, -999.0, 3.0], "?"], missing=("-999", "?"))
    assert made.scales[0] == (2.0, 1.0, True)
    assert made.encode({"s": [[2, -999]]}).values.tolist() == [[0, 0], [0, 1]]
    assert made.encode({"s": ["?"]}).values.tolist() == made.encode({"s": [None]}).values.tolist()
