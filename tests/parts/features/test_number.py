"""Numbers: scaling, gaps, wild values, the way back."""

import json

import numpy as np
import pytest

from feilun.core.errors import DataError, RecipeError
from feilun.parts.features.number import FEATURE as Number


def again(feature):
    return Number(**json.loads(json.dumps(feature.to_json())))


def test_standardises_a_column_of_few_values():
    rows = {"a": [1.0, 2.0, 3.0]}
    encoded = Number(columns=("a",)).fit(rows).encode(rows)
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded[:, 0], [-1.2247449, 0, 1.2247449], atol=1e-6)  # (x - 2) / sqrt(2/3)


def test_quantiles_make_a_skewed_column_normal():
    skewed = np.exp(np.random.default_rng(0).normal(size=5000) * 3)
    feature = Number(columns=("a",), transform="quantile").fit({"a": skewed})
    encoded = feature.encode({"a": skewed})[:, 0]
    assert abs(encoded.mean()) < 0.01 and abs(encoded.std() - 1) < 0.02
    assert len(feature.scales[0]["values"]) <= 1000
    assert np.all(np.diff(encoded[np.argsort(skewed)]) >= 0)  # order is kept
    assert np.abs(feature.encode({"a": [-1e30, 1e30]})).max() < 5  # the ends hold beyond what was seen


def test_pieces_fill_up_one_after_the_other():
    feature = Number(columns=("a",), transform="pieces", pieces=4).fit({"a": list(range(101))})
    assert feature.scales[0]["edges"] == (0, 25, 50, 75, 100) and feature.width == 4
    encoded = feature.encode({"a": [-9, 0, 30, 75, 1e300, None]})
    expected = [[0, 0, 0, 0], [0, 0, 0, 0], [1, 0.2, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    np.testing.assert_allclose(encoded, expected, atol=1e-6)


def test_a_very_frequent_value_leaves_pieces_for_the_others():
    rows = {"a": [0] * 900 + list(range(1, 101))}
    feature = Number(columns=("a",), transform="pieces", pieces=20).fit(rows)
    assert 15 < feature.width <= 20
    assert len(np.unique(feature.encode(rows), axis=0)) == 101


def test_auto_cuts_only_where_rows_can_fill_the_pieces():
    rows = np.random.default_rng(0).normal(size=1000)
    assert Number(columns=("a",)).fit({"a": rows}).width == 48
    assert Number(columns=("a",)).fit({"a": rows[:999]}).width == 1
    assert Number(columns=("a",)).fit({"a": [0, 1] * 600}).width == 1
    assert Number(columns=("a",)).fit({"a": [0, 1, 5] * 600}).width == 2
    many = {str(place): rows for place in range(300)}
    assert Number(columns=tuple(many)).fit(many).width == 300


def test_ties_share_the_score_of_their_middle_rank():
    feature = Number(columns=("a",), transform="quantile").fit({"a": [0] * 50 + list(range(1, 51))})
    zero = feature.encode({"a": [0]})[0, 0]
    assert zero == pytest.approx(-0.6745, abs=1e-4)  # the 25th of 100: the lower quartile


def test_several_columns_gaps_and_wild_values():
    rows = {"a": [1, None, 3, float("inf")], "b": ["1.5", " 2 ", "", "1e3"], "c": [7, 7, 7, 7]}
    feature = Number(columns=("a", "b", "c"), transform="standard").fit(rows)
    encoded = feature.encode(rows)
    assert feature.width == encoded.shape[1] == 5
    assert feature.owners == ("a", "b", "c", "a", "b")
    assert np.isfinite(encoded).all()
    assert encoded[1, 0] == encoded[3, 0] == encoded[2, 1] == 0
    np.testing.assert_array_equal(encoded[:, 2], 0)  # a constant
    np.testing.assert_array_equal(encoded[:, 3], [0, 1, 0, 1])
    np.testing.assert_array_equal(encoded[:, 4], [0, 0, 1, 0])


def test_huge_numbers_do_not_overflow():
    rows = {"a": [1e308, -1e308, 0.0]}
    feature = Number(columns=("a",), transform="standard").fit(rows)
    assert np.isfinite(feature.encode(rows)).all()
    assert np.isfinite(Number(columns=("a",), transform="standard").fit({"a": [1, 2]}).encode(rows)).all()
    many = {"a": [1.7e308, -1.7e308, *range(1998)]}
    for transform in ("pieces", "quantile"):
        assert np.isfinite(Number(columns=("a",), transform=transform).fit(many).encode(many)).all()


def test_a_target_goes_there_and_back():
    rows = {"price": [100_000.0, 250_000.0, 90_000.0] * 20}
    feature = again(Number(columns=("price",), target=True).fit(rows))
    encoded = feature.encode(rows)
    assert encoded.std() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(feature.decode(encoded)[:, 0], rows["price"], rtol=1e-6)  # float32 in between


@pytest.mark.parametrize("gap", [None, float("nan"), ""])
def test_a_missing_target_is_an_error(gap):
    feature = Number(columns=("price",), target=True)
    with pytest.raises(DataError, match=r"price.*missing in 1 of 2"):
        feature.fit({"price": [1.0, gap]})
    with pytest.raises(DataError, match=r"price.*missing in 1 of 1"):
        feature.fit({"price": [1.0, 2.0]}).encode({"price": [gap]})


@pytest.mark.parametrize("wrong", ["soon", "1,200", [1, 2], {}])
def test_what_is_no_number_is_named(wrong):
    feature = Number(columns=("年龄",)).fit({"年龄": [1, 2, 3]})
    with pytest.raises(DataError, match="年龄") as error:
        feature.encode({"年龄": [1, wrong]})
    assert str(error.value.got) and error.value.fix


def test_a_column_without_any_number_is_an_error():
    with pytest.raises(DataError, match=r"'a' has no number"):
        Number(columns=("a",)).fit({"a": [None, float("nan")]})


def test_an_unknown_transform_is_an_error():
    with pytest.raises(RecipeError, match="auto, pieces, quantile, standard, none"):
        Number(columns=("a",), transform="log")


@pytest.mark.parametrize("transform", ["auto", "pieces", "quantile", "standard", "none"])
def test_json_and_back_changes_nothing(transform):
    rows = {"a": list(np.random.default_rng(1).normal(size=300)), "b": [1, None, 3] * 100}
    feature = Number(columns=("a", "b"), transform=transform).fit(rows)
    np.testing.assert_array_equal(again(feature).encode(rows), feature.encode(rows))
    assert json.dumps(again(feature).to_json()) == json.dumps(feature.to_json())


def test_no_rows_give_an_empty_array():
    feature = Number(columns=("a",)).fit({"a": [1, None, 2]})
    assert feature.encode({"a": []}).shape == (0, 2)


WILD = {"a": [*range(100), 1e6, -1e6, None], "b": [*range(100), 50, 51, 52]}


def test_outliers_are_marked_where_a_column_had_some():
    plain = Number(columns=("a", "b"), transform="standard").fit(WILD)
    feature = again(Number(columns=("a", "b"), transform="standard", outliers="mark").fit(WILD))
    assert feature.width == plain.width + 1 and feature.owners == (*plain.owners, "a")
    encoded = feature.encode({"a": [50, 1e5, -9e9, None], "b": [1e9, 0, 0, 0]})
    np.testing.assert_array_equal(encoded[:, -1], [0, 1, 1, 0])  # b had none in training, so it has no mark
    np.testing.assert_array_equal(feature.encode(WILD)[:, :-1], plain.encode(WILD))


@pytest.mark.parametrize("transform", ["standard", "none", "quantile", "pieces"])
def test_clipped_outliers_are_the_limit_before_anything_else(transform):
    feature = again(Number(columns=("a", "b"), transform=transform, outliers="clip").fit(WILD))
    low, high = feature.scales[0]["limits"]
    assert -1e6 < low < 0 and 99 < high < 1e6
    encoded = feature.encode({"a": [high, 1e6, 2e7, low, -1e6], "b": [1] * 5})
    np.testing.assert_array_equal(encoded[1:3], encoded[[0, 0]])
    np.testing.assert_array_equal(encoded[4], encoded[3])
    if transform == "standard":
        assert feature.scales[0]["scale"] < 100  # not the 140,000 that the two outliers make of it


def test_a_target_keeps_its_outliers():
    rows = {"a": [*range(100), 1e6]}
    for outliers in ("mark", "clip"):
        feature = Number(columns=("a",), target=True, outliers=outliers).fit(rows)
        np.testing.assert_allclose(feature.decode(feature.encode(rows))[:, 0], rows["a"], atol=0.1)


def test_features_written_before_there_were_outliers_still_load():
    json_then = Number(columns=("a",)).fit({"a": [1.0, None, 3.0]}).to_json()
    del json_then["outliers"]
    assert "limits" not in json_then["scales"][0]
    assert Number(**json_then).encode({"a": [2.0]}).tolist() == [[0.0, 0.0]]


def test_an_unknown_word_for_outliers_is_an_error():
    with pytest.raises(RecipeError, match="keep, mark, clip") as error:
        Number(columns=("a",), outliers="drop them")
    assert error.value.where == "inputs.a.outliers"


def test_pieces_are_exactly_the_clipped_share():
    draw = np.random.default_rng(0)
    feature = Number(columns=("a",)).fit({"a": np.exp(3 * draw.normal(size=5000))})
    edges = np.array(feature.scales[0]["edges"])
    values = np.concatenate([edges, np.exp(4 * draw.normal(size=3000)), [0, -1, 1e300, -1e300]])
    low, high = edges[:-1], edges[1:]
    expected = ((np.clip(values[:, None], low, high) - low) / (high - low)).astype(np.float32)
    np.testing.assert_array_equal(feature.encode({"a": values}), expected)


def test_an_array_with_nan_is_a_list_with_none():
    values = [1.0, None, 3.5, 7.0] * 300
    array = np.array([np.nan if value is None else value for value in values])
    array.setflags(write=False)  # as Arrow gives it
    feature = Number(columns=("a",)).fit({"a": array})
    assert feature == Number(columns=("a",)).fit({"a": values})
    np.testing.assert_array_equal(feature.encode({"a": array}), feature.encode({"a": values}))


@pytest.mark.parametrize("text", ["1_000", "nan", "inf", "-Infinity", " 1e400", "１２", "0x10", "3,14", "1 000", b"3"])
def test_text_that_python_alone_takes_for_a_number_is_refused(text):
    feature = Number(columns=("a",)).fit({"a": [1.0, 2.0]})
    with pytest.raises(DataError, match="'a' holds numbers"):
        feature.encode({"a": [text]})
    with pytest.raises(DataError, match="plain number"):
        feature.encode({"a": [1.0, None, text]})


def test_text_is_read_as_in_files():
    feature = Number(columns=("a",)).fit({"a": [1.0, 2.0]})
    assert feature.read("a", [" 1e3 ", "+2.", ".5", "-7", 3, True]).tolist() == [1000, 2, 0.5, -7, 3, 1]
    assert np.isnan(feature.read("a", ["", "  ", None, float("nan"), float("inf")])).all()


def test_what_is_listed_as_missing_is_missing_in_every_form():
    feature = Number(columns=("a",), missing=("", "?", "-999", "0.1")).fit({"a": [1.0, 2.0, 3.0, -999.0, None]})
    assert feature.scales[0]["mean"] == 2 and feature.scales[0]["gaps"]
    said = ["?", " ? ", "-999", "-999.0", "-9.99e2", -999, -999.0, np.float32(0.1), float(np.float32(0.1)), None]
    assert again(feature).encode({"a": said}).tolist() == [[0.0, 1.0]] * len(said)
    assert feature.encode({"a": np.array([2, -999])}).tolist() == [[0, 0], [0, 1]]
    assert feature.encode({"a": np.array([2, 0.1], np.float32)}).tolist() == [[0, 0], [0, 1]]
    assert feature.encode({"a": [999, "999"]})[:, 1].tolist() == [0, 0]


def test_a_unit_that_training_took_off_may_be_sent_and_no_other():
    units = {"a": {"before": "$", "after": "", "decimal": "."}, "b": {"before": "", "after": "%", "decimal": "."}}
    rows = {"a": [1.0, 2.0, None], "b": [3.0, 5.0, 4.0]}
    feature = again(Number(columns=("a", "b"), units=units, missing=("", "$-9")).fit(rows))
    assert feature.read("a", ["$1,234.50", "-$4", "$ 5", "7", 7]).tolist() == [1234.5, -4, 5, 7, 7]
    assert feature.read("b", ["12%", " 12 % ", "12"]).tolist() == [12, 12, 12]
    assert np.isnan(feature.read("a", ["$-9", None, ""])).all()
    for column, text in (("a", "€5"), ("a", "5 kg"), ("a", "1,234"), ("b", "0,5%"), ("b", "$5"), ("b", "12‰")):
        with pytest.raises(DataError, match=f"'{column}' holds numbers in [$%]"):
            feature.read(column, [text])
    metric = Number(columns=("a",), units={"a": {"before": "", "after": "km", "decimal": ","}})
    assert metric.read("a", ["3,5 km", "1.200 km", "3.5"]).tolist() == [3.5, 1200, 3.5]
