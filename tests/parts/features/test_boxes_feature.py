"""Boxes as a feature: shares of the picture, any number a row, and what is refused."""

import json

import numpy as np
import pytest

from feilun.core.errors import DataError
from feilun.parts.features.boxes import FEATURE as Boxes
from feilun.parts.features.image_size import FEATURE as ImageSize

PICTURES = [np.zeros((10, 20), np.uint8), np.zeros((50, 100, 3), np.uint8), np.zeros((4, 4), np.uint8)]
ROWS = {
    "p": PICTURES,
    "b": [
        [{"label": "dog", "box": [0, 0, 10, 5]}, {"label": "cat", "box": [5, 5, 20.5, 10]}],
        [],
        '[{"label": "dog", "box": [1, 1, 2, 3]}]',
    ],
}


def test_boxes_are_shares_and_rows_ragged():
    feature = Boxes(columns=("p", "b")).fit({"b": ROWS["b"]})
    feature = Boxes(**json.loads(json.dumps(feature.to_json())))
    assert feature.labels == ("cat", "dog")
    encoded = feature.encode(ROWS)
    np.testing.assert_allclose(encoded[0], [[1, 0, 0, 0.5, 0.5], [0, 0.25, 0.5, 1, 1]])  # half a pixel over is cut
    assert len(encoded[1]) == 0
    np.testing.assert_allclose(encoded[2], [[1, 0.25, 0.25, 0.5, 0.75]])
    empty = feature.encode({"p": PICTURES[:1], "b": [[]]})
    assert empty.values.shape == (0, 5) and len(empty) == 1


def test_sizes_of_pictures():
    feature = ImageSize(columns=("p",))
    assert feature.fit(ROWS).encode(ROWS).tolist() == [[20, 10], [100, 50], [4, 4]]
    assert feature.encode({"p": []}).shape == (0, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "no json",
        {"label": "dog"},
        [{"box": [0, 0, 1, 1]}],
        [{"label": "dog", "box": [0, 0, 1]}],
        [{"label": "dog", "box": [3, 0, 1, 1]}],
        [{"label": "dog", "box": [0, 0, float("nan"), 1]}],
        [{"label": "dog", "box": [0, 0, 90, 5]}],
        [{"label": "wolf", "box": [0, 0, 5, 5]}],
    ],
)
def test_what_is_no_box_is_named(wrong):
    feature = Boxes(columns=("p", "b"), labels=("dog",))
    with pytest.raises(DataError, match="'b'") as error:
        feature.encode({"p": PICTURES[:1], "b": [wrong]})
    assert error.value.fix


def test_no_box_at_all_teaches_nothing():
    with pytest.raises(DataError, match="no box"):
        Boxes(columns=("p", "b")).fit({"p": PICTURES, "b": [[], [], []]})
