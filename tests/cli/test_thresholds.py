"""`--fail-under` in every form, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from feilun.cli import thresholds
from feilun.core.errors import InputError, ThresholdMissed

SCORES: dict[str, Any] = {
    "auc": {"value": 0.8, "better": "higher"},
    "rmse": {"value": 5.0, "better": "lower"},
    "empty": {"value": None, "better": "higher"},
    "rate": {"value": 0.3, "better": "", "of": "business"},
}


@pytest.mark.parametrize("text", ["auc=high", "auc=", "auc=nan", "inf", "auc=0.8=0.9x"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--fail-under"):
        thresholds.parsed([text])


def test_a_bare_number_means_the_main_score() -> None:
    thresholds.require(thresholds.parsed(["0.8"]), SCORES, "auc", "my@1")
    with pytest.raises(ThresholdMissed, match="auc"):
        thresholds.require(thresholds.parsed(["0.81"]), SCORES, "auc", "my@1")


def test_a_score_of_errors_misses_from_above() -> None:
    thresholds.require({"rmse": 5.5}, SCORES, "auc", "my@1")
    with pytest.raises(ThresholdMissed, match="rmse"):
        thresholds.require({"rmse": 4.5}, SCORES, "auc", "my@1")


def test_a_score_that_is_not_known_misses() -> None:
    with pytest.raises(ThresholdMissed, match="not known"):
        thresholds.require({"empty": 0.5}, SCORES, "auc", "my@1")


@pytest.mark.parametrize("name", ["rate", "acu"])
def test_a_business_metric_and_an_unknown_name_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=name):
        thresholds.require({name: 0.5}, SCORES, "auc", "my@1")
