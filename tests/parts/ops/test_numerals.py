"""Numbers as people type them, one by one and column by column."""

from __future__ import annotations

import random

import pytest

from feilun.parts.ops import numerals


@pytest.mark.parametrize(
    ("text", "with_comma", "with_point"),
    [
        ("3,14", "3.14", "3,14"),
        ("1.234,56", "1234.56", "1.234,56"),
        ("1,234.56", "1,234.56", "1234.56"),
        ("1,234", "1.234", "1234"),
        ("1.234", "1234", "1.234"),
        ("0,123", "0.123", "0,123"),
        ("1 234,5", "1234.5", "1 234,5"),
        ("1\u202f234", "1234", "1234"),
        ("1'234.5", "1'234.5", "1234.5"),
        ("-,5", "-.5", "-,5"),
        ("+1.234.567", "+1234567", "+1.234.567"),
        ("1,2,3", "1,2,3", "1,2,3"),
        ("1.23,4", "1.23,4", "1.23,4"),
        ("12,34,567", "12,34,567", "12,34,567"),
        ("1.234 567", "1.234 567", "1.234 567"),
        ("word", "word", "word"),
        ("", "", ""),
        (",", ",", ","),
        ("５,３", "５,３", "５,３"),
    ],
)
def test_one_number(text: str, with_comma: str, with_point: str) -> None:
    assert numerals.plain(text, ",") == with_comma
    assert numerals.plain(text, ".") == with_point


def test_what_is_written_is_read_back() -> None:
    draw = random.Random(0)
    for _ in range(2000):
        number = round(draw.uniform(-1e7, 1e7), draw.randrange(4))
        english = f"{number:,}"
        german = english.translate(str.maketrans(",.", ".,"))
        assert float(numerals.plain(english, ".")) == number
        assert float(numerals.plain(german, ",")) == number


@pytest.mark.parametrize(
    ("values", "known", "delimiter", "mark"),
    [
        (["1", "2.5"], None, ",", None),
        (["1", "2,5"], None, ",", ","),
        (["1,234.5", "1,234"], None, ";", "."),
        (["1,234"], None, ",", "."),
        (["1,234"], None, ";", ","),
        (["1,234"], ",", ",", ","),
        (["1.234", "2.345"], None, ";", None),
        (["1.234", "2.345"], ",", ";", ","),
        (["1.234", "2.3"], ",", ";", None),
        (["1,5", "2.5"], None, ";", None),
        (["1,5", "1,234.5"], None, ";", None),
        (["1,5", "2.5"], ",", ";", ","),
        (["1,5", "a", "b"], None, ";", None),
        (["1,5", "", "", None, "?"], None, ";", ","),
        ([], None, ",", None),
    ],
)
def test_a_column(values: list[str], known: str | None, delimiter: str, mark: str | None) -> None:
    assert numerals.mark(numerals.look(values, {"", "?"}), known, None, delimiter) == mark


@pytest.mark.parametrize(
    ("values", "said", "agreed", "delimiter", "mark"),
    [
        (["3.5", "2.75", "4,998"], None, ",", ";", "."),  # the column itself tells, before the rest of the file
        (["3.5", "2.75", "4,998"], ",", None, ";", ","),
        (["1.234", "4,998"], None, ",", ",", ","),
        (["1.234", "4,998"], None, None, ",", "."),
        (["3.5", "1 234"], None, ",", ";", "."),
        (["3,5", "2.5"], None, ",", ";", None),
        (["3,5", "4.998"], None, ".", ",", ","),
    ],
)
def test_a_column_in_its_file(
    values: list[str], said: str | None, agreed: str | None, delimiter: str, mark: str | None
) -> None:
    assert numerals.mark(numerals.look(values), said, agreed, delimiter) == mark


def test_columns_of_one_file_agree_or_tell_nothing() -> None:
    comma, point, plain = (numerals.look([value]) for value in ("1,5", "1,234.5", "7"))
    assert numerals.agreed([comma, plain]) == ","
    assert numerals.agreed([point, plain]) == "."
    assert numerals.agreed([comma, point]) is None
    assert numerals.agreed([plain]) is None
