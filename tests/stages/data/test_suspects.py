"""What looks like a mistake is told and what does not is not: units, placeholders, spellings, constants, outliers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feilun.stages.data.telling import classes, disagreement, outliers, spellings, suspects

MISSING = ("", "NA")


def heights(count: int = 500) -> np.ndarray:
    return np.random.default_rng(0).normal(1.7, 0.1, count)


def told(values: Any, kind: str = "number") -> list[dict[str, Any]]:
    table = pa.table({"c": pa.chunked_array([pa.array(values, from_pandas=True)])})
    return suspects.find(table, {"c": kind}, np.ones(len(values), bool), MISSING)


@pytest.mark.parametrize(
    ("factor", "words"),
    [(100.0, "centimetres among metres"), (3.28084, "feet among metres"), (0.001, "the other way round")],
)
def test_a_few_values_in_another_unit(factor: float, words: str) -> None:
    values = heights()
    values[:7] *= factor
    (line,) = told(values)
    assert (line["what"], line["rows"], line["column"], line["done"]) == ("unit suspects", 7, "c", "kept")
    assert words in line["why"]


@pytest.mark.parametrize(
    "values",
    [
        heights(),
        np.exp(np.random.default_rng(0).normal(size=3000)),  # incomes: a long tail is no other unit
        np.random.default_rng(0).pareto(2, 3000) + 1,
        np.random.default_rng(0).integers(1, 6, 500).astype(float),  # grades
        np.random.default_rng(0).exponential(3, 3000).round() + 1,
        np.where(np.arange(500) % 2, heights(), 100 * heights()),  # half and half: no slip
    ],
)
def test_no_suspects_in_ordinary_numbers(values: np.ndarray) -> None:
    assert told(values) == []


def test_a_placeholder_piles_up() -> None:
    values = heights(2000)
    values[:40] = -999
    (line,) = told(values)
    assert (line["what"], line["rows"], line["key"]) == ("placeholder", 40, 'data.missing: ["", "NA", "-999"]')
    assert told(np.random.default_rng(0).integers(-1200, 1200, 2000).astype(float)) == []
    assert told(np.where(np.arange(2000) < 2, 9999.0, heights(2000))) == []  # twice is no pile


def test_words_for_missing_and_days_for_missing() -> None:
    (line,) = told(["a", "b", "Unknown", "未知"] * 5, "category")
    assert (line["what"], line["rows"]) == ("placeholder", 10)
    assert "Unknown" in line["key"] and "未知" in line["key"]
    (line,) = told(["1900-01-01"] * 4 + [f"2020-01-{day:02d}" for day in range(1, 20)], "time")
    assert (line["what"], line["rows"], line["key"]) == ("placeholder", 4, 'data.missing: ["", "NA", "1900-01-01"]')


@pytest.mark.parametrize(
    "slip", ["Lonndon", "Londn", "Lodnon", "london", "LONDON", "Ｌｏｎｄｏｎ", "Lon don", "Lon-don"]
)
def test_a_rare_spelling_of_a_frequent_value(slip: str) -> None:
    lines = told(["London"] * 200 + ["Paris"] * 200 + [slip], "category")
    found = [line for line in lines if line["what"] == "typo suspects"]
    assert len(found) == 1 and found[0]["rows"] == 1
    assert found[0]["why"] == f"{slip!r} for 'London'"


@pytest.mark.parametrize(
    "words",
    [
        ["room 12"] * 200 + ["room 13"],
        ["cat"] * 200 + ["car"],
        ["-1"] * 300 + ["1"] * 2,
        ["spring"] * 200 + ["string"] * 100,
        ["Berlin"] * 200 + ["London"],
    ],
)
def test_other_words_are_no_slips(words: list[str]) -> None:
    assert [line for line in told(words, "category") if line["what"] == "typo suspects"] == []


def test_rare_values_and_constants() -> None:
    lines = told(["a"] * 200 + ["bbb"] * 2 + ["ccc"], "category")
    assert [(line["what"], line["rows"]) for line in lines] == [("rare categories", 3)]
    assert lines[0]["key"] == 'inputs: {c: {kind: category, at_least: 5}, "*": found}'
    for values, kind in (([2.0] * 30, "number"), (["x"] * 30, "category")):
        (line,) = told(values, kind)
        assert (line["what"], line["rows"], line["key"]) == ("constant", 30, "data.drop: [c]")


def test_ten_thousand_values_are_counted_and_not_compared() -> None:
    column = pa.chunked_array([[f"city{place}" for place in range(10_000)]])
    assert {line["what"] for line in spellings.find("c", column, MISSING)} == {"rare categories"}


def test_outliers_are_beyond_limits_of_training_rows() -> None:
    values = heights(1000)
    values[:3] = [90.0, -50.0, np.nan]
    values[400:700], values[700:] = 40.0, -40.0  # not training rows: they do not widen the limits
    train = np.arange(1000) < 400
    table = pa.table({"c": values, "half": np.where(np.arange(1000) < 800, 0.0, heights(1000))})
    found = outliers.find(table, ["c", "half"], train, "keep")
    assert [(line["column"], line["rows"], line["done"]) for line in found.lines] == [("c", 602, "kept")]
    assert found.rows.tolist() == [True, True, *[False] * 398, *[True] * 600]
    assert "such as 90" in found.lines[0]["why"] and found.lines[0]["key"] == "data.outliers: clip"
    dropped = outliers.find(table, ["c"], train, "drop")
    assert (dropped.lines[0]["rows"], dropped.lines[0]["key"]) == (2, "data.outliers: keep")


def test_equal_rows_that_say_different_things() -> None:
    units = np.array([1, 1, 2, 3, 3, 3, 4, 4], np.uint64)
    found = disagreement.find(units, np.array([0, 1, 0, 2, 2, 2, 1, 0]))
    assert (found["groups"], found["rows"], found["share"]) == (2, 4, 4 / 7)
    assert sorted(map(sorted, found["places"])) == [[0, 1], [6, 7]]
    assert disagreement.find(units, np.array([0, 0, 1, 2, 2, 2, 1, 1])) == {}
    assert disagreement.find(np.arange(5).astype(np.uint64), np.arange(5)) == {}
    prices = disagreement.find(units, np.array([10.0, 11.0, 500.0, 20.0, 20.0, 900.0, 5.0, 5.1]))
    assert (prices["groups"], prices["rows"], prices["places"]) == (1, 3, [[3, 4, 5]])


def test_uneven_and_small_classes() -> None:
    codes = np.array([0] * 200 + [1] * 12 + [2] * 3 + [-1])
    splits = np.array(([0] * 150 + [3] * 50) + [0] * 10 + [3] * 2 + [0] * 3 + [0])
    lines = classes.find(codes, ["no", "yes", "maybe"], splits, "y")
    assert [(line["what"], line["key"]) for line in lines] == [
        ("uneven classes", "train.balance: weights"),
        ("few training rows", "add rows"),
        ("few test rows", "add rows"),
    ]
    assert "50 training rows of 'no' for one of 'maybe'" in lines[0]["why"]
    assert "'maybe' 3" in lines[1]["why"] and "'maybe' 0, 'yes' 2" in lines[2]["why"]
    even = np.arange(300) % 2
    assert classes.find(even, ["a", "b"], np.arange(300) // 2 % 2 * 3, "y") == []
