"""Categories and labels: vocabularies, unknown values, one label and several."""

import json

import numpy as np
import pytest

from feilun.core.errors import DataError
from feilun.parts.features.category import FEATURE as Category
from feilun.parts.features.labels import FEATURE as Labels
from feilun.parts.ops.coded import Coded


def test_the_frequent_come_first_and_ties_by_value():
    rows = {"a": ["x", "y", "y", None, "b", "x", "y"], "b": [True, True, False, 3, 3.0, 3, None]}
    feature = Category(columns=("a", "b")).fit(rows)
    assert feature.vocabularies == (("y", "x", "b"), ("3", "true", "false"))
    assert feature.sizes == (4, 4)
    encoded = feature.encode({"a": ["y", "never", None], "b": ["3", True, ""]})
    np.testing.assert_array_equal(encoded, [[1, 1], [0, 2], [0, 0]])
    assert feature.encode({"a": [], "b": []}).shape == (0, 2)


def test_rare_values_become_unknown():
    rows = {"a": ["x"] * 3 + ["y"] * 2 + ["z"]}
    assert Category(columns=("a",), most=1).fit(rows).vocabularies == (("x",),)
    assert Category(columns=("a",), at_least=2).fit(rows).vocabularies == (("x", "y"),)


def test_category_goes_to_json_and_back():
    rows = {"城市": ["北京", "上海", "北京"]}
    feature = Category(columns=("城市",)).fit(rows)
    assert Category(**json.loads(json.dumps(feature.to_json()))) == feature


def test_a_target_knows_no_unknown():
    feature = Category(columns=("c",), target=True).fit({"c": ["10", "9", "9"]})
    assert feature.labels == ("9", "10") and feature.sizes == (2,)
    np.testing.assert_array_equal(feature.encode({"c": [9, "10"]}), [0, 1])
    with pytest.raises(DataError, match="'11' of 'c' is not one of: 9, 10"):
        feature.encode({"c": ["11"]})
    with pytest.raises(DataError, match="'c' is missing"):
        feature.encode({"c": [None]})


@pytest.mark.parametrize("wrong", [["a"], {"a": 1}, b"x"])
def test_a_list_is_no_category(wrong):
    feature = Category(columns=("a",)).fit({"a": ["x"]})
    with pytest.raises(DataError, match="'a' holds one category"):
        feature.encode({"a": [wrong]})


def test_one_label_a_row():
    feature = Labels(columns=("c",)).fit({"c": ["no", "yes", "no"]})
    feature = Labels(**json.loads(json.dumps(feature.to_json())))
    assert feature.labels == ("no", "yes") and not feature.several
    encoded = feature.encode({"c": ["yes", "no"]})
    assert encoded.dtype == np.int64 and encoded.tolist() == [1, 0]
    with pytest.raises(DataError, match="'maybe' of 'c' is not one of: no, yes"):
        feature.encode({"c": ["maybe"]})
    with pytest.raises(DataError, match="missing"):
        feature.encode({"c": [None]})


@pytest.mark.parametrize("only", [["a", "a"], [None, None], []])
def test_one_class_only_is_an_error(only):
    with pytest.raises(DataError, match="at least two different labels"):
        Labels(columns=("c",)).fit({"c": only})


@pytest.mark.parametrize("cells", [["a|b", "", "b"], [["a", "b"], [], ["b"]]])
def test_several_labels_in_a_cell(cells):
    separator = "|" if isinstance(cells[0], str) else None
    feature = Labels(columns=("c",), separator=separator).fit({"c": cells})
    assert feature.several and feature.labels == ("a", "b")
    encoded = feature.encode({"c": cells})
    assert encoded.dtype == np.float32
    np.testing.assert_array_equal(encoded, [[1, 1], [0, 0], [0, 1]])
    assert feature.encode({"c": [cells[1]]}).shape == (1, 2)


def test_several_label_columns():
    feature = Labels(columns=("rain", "wind")).fit({"rain": [1, 0], "wind": [0, "yes"]})
    assert feature.labels == ("rain", "wind")
    np.testing.assert_array_equal(feature.encode({"rain": [True, 0], "wind": ["no", 1]}), [[1, 0], [0, 1]])
    with pytest.raises(DataError, match=r"'wind'.*0 or 1"):
        feature.encode({"rain": [1], "wind": ["often"]})


def test_coded_columns_are_what_their_lists_are():
    texts = ["b", None, "a", "b", "", "c", "1.0"] * 3
    different = ["b", None, "a", "", "c", "1.0", "never"]
    coded = Coded(different, np.array([different.index(text) for text in texts], np.int32))
    feature = Category(columns=("x",), at_least=2).fit({"x": coded})
    assert feature == Category(columns=("x",), at_least=2).fit({"x": texts})
    np.testing.assert_array_equal(feature.encode({"x": coded}), feature.encode({"x": texts}))
    np.testing.assert_array_equal(feature.encode({"x": coded[2:5]}), feature.encode({"x": texts[2:5]}))


@pytest.mark.parametrize("kind", [Labels, lambda columns: Category(columns=columns, target=True)])
def test_coded_labels_are_what_their_lists_are(kind):
    texts = ["yes", "no", "yes", "maybe"]
    coded = Coded(["maybe", "no", "yes", None], np.array([2, 1, 2, 0]))
    feature = kind(columns=("y",)).fit({"y": coded})
    assert feature == kind(columns=("y",)).fit({"y": texts})
    np.testing.assert_array_equal(feature.encode({"y": coded}), feature.encode({"y": texts}))
    with pytest.raises(DataError, match="'y' is missing in a row"):
        feature.encode({"y": Coded(["yes", None], np.array([0, 1]))})


def test_coded_cells_of_several_labels_are_taken_apart():
    texts = ["a|b", "b", None, "a|b"]
    coded = Coded(["b", "a|b", None], np.array([1, 0, 2, 1]))
    feature = Labels(columns=("y",), separator="|").fit({"y": coded})
    assert feature == Labels(columns=("y",), separator="|").fit({"y": texts})
    np.testing.assert_array_equal(feature.encode({"y": coded}), feature.encode({"y": texts}))
