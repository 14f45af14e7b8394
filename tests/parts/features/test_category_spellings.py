"""A value is the same whatever source writes it: with spaces, as 2.0, as true."""

from __future__ import annotations

import pytest

from feilun.parts.features.category import Category


@pytest.mark.parametrize(
    ("taught", "asked"),
    [("2", "2.0"), ("2", " 2 "), ("2", 2.0), ("Oslo", " Oslo"), ("True", True), ("true", "True"), ("FALSE", False)],
)
def test_another_spelling_is_the_same_value(taught: str, asked: object) -> None:
    fitted = Category(columns=("c",)).fit({"c": [taught, "other", taught]})
    assert fitted.encode({"c": [asked]}).tolist() == fitted.encode({"c": [taught]}).tolist() == [[1]]


@pytest.mark.parametrize("asked", ["2.5", "22", "oslo", "0", "yes", ""])
def test_another_value_is_not(asked: str) -> None:
    fitted = Category(columns=("c",)).fit({"c": ["2", "Oslo", "true"]})
    assert fitted.encode({"c": [asked]}).tolist() == [[0]]


def test_what_is_listed_as_missing_is_no_category() -> None:
    feature = Category(columns=("a",), missing=("?", "-9")).fit({"a": ["x", "y", "?", "-9", -9.0, "x"]})
    assert feature.vocabularies == (("x", "y"),)
    assert feature.encode({"a": ["?", " ? ", -9, -9.0, "-9.0", None, "x"]})[:, 0].tolist() == [0, 0, 0, 0, 0, 0, 1]
