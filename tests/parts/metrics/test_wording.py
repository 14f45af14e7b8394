"""Scores in words."""

from __future__ import annotations

import pytest

from feilun.parts.metrics.wording import full, interval, opening, shown, title


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.9143, "%", "91.4 %"),
        (0.0213, "points", "2.1 points"),
        (0.846, "", "0.846"),
        (51987.3, "", "51,987"),
        (51987.3, "USD", "51,987 USD"),
        (123.456, "", "123.5"),
        (12.3456, "", "12.346"),
        (0.0000123, "", "1.23e-05"),
        (0.0, "", "0"),
        (float("nan"), "", "not known"),
        (None, "%", "not known"),
    ],
)
def test_a_value(value: float | None, unit: str, text: str) -> None:
    assert shown(value, unit) == text


def test_an_interval_says_its_unit_once() -> None:
    assert full({"value": 0.9, "low": 0.88, "high": 0.92, "unit": "%"}) == "90.0 % [88.0, 92.0]"
    assert interval(-0.01, 0.02, sign=True) == "[-0.010, +0.020]"


def test_what_is_nothing_beside_its_interval_is_written_as_nothing() -> None:
    assert full({"value": -4.6e-4, "low": -0.061, "high": -3e-5, "unit": ""}) == "0.000 [-0.061, 0.000]"
    assert full({"value": 4.6e-6, "low": 4e-6, "high": 5e-6, "unit": ""}) == "4.60e-06 [4.00e-06, 5.00e-06]"
    assert shown(-0.0001, "points", sign=True) == "0.0 points"


def test_a_sentence_begins_with_a_capital_but_names_stay() -> None:
    assert [opening(text) for text in ("log loss", "chrF", "R²", "mAP at 50", "")] == [
        "Log loss",
        "chrF",
        "R²",
        "mAP at 50",
        "",
    ]


def test_names() -> None:
    assert [title(name) for name in ("auc", "log_loss", "macro_f1", "gradient_boosting")] == [
        "AUC",
        "log loss",
        "macro F1",
        "gradient boosting",
    ]
