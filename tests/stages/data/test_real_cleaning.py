"""What the cleaning table says of real data sets: copies, drift, placeholders, and no slips where there are none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from feilun.core.recipe import Recipe
from feilun.stages.data import verbs

DATA = Path(os.environ.get("FEILUN_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data sets in {DATA}; name their folder in FEILUN_DATA"),
]


def looked(source: str, target: str | None = None, **data: Any) -> dict[str, Any]:
    values = {"data": {"source": source, **data}} | ({"target": target} if target else {})
    return verbs.check_rows(Recipe.model_validate(values), DATA)


def rows(found: dict[str, Any], what: str) -> dict[str, int]:
    return {line["column"]: line["rows"] for line in found["cleaning"] if line["what"] == what}


@pytest.mark.parametrize(
    ("source", "target", "equal", "near"),
    [
        ("sms_spam", "label", {"": 414}, {"text": 232}),
        ("chnsenticorp_htl", "label", {}, {"review": 10}),
        ("cats_dogs_3k", None, {}, {"image": 2}),
    ],
)
def test_copies(source: str, target: str | None, equal: dict[str, int], near: dict[str, int]) -> None:
    found = looked(source, target)
    assert rows(found, "duplicates") == equal
    assert rows(found, "near-duplicates") == near
    assert rows(found, "template") == {}


def test_news_that_share_a_description_and_not_the_title_stand_on_one_side() -> None:
    found = looked("ag_news_7k", "label")
    assert rows(found, "near-duplicates") == {"title, description": 44}
    assert rows(found, "shared texts or pictures") == {"": 33}


def test_occupancy_differs_from_week_to_week() -> None:
    drift = {entry["column"]: entry["distance"] for entry in looked("occupancy", "Occupancy")["drift"]}
    assert {"Humidity", "Temperature", "CO2", "Occupancy"} <= set(drift)
    assert drift["Humidity"] > 0.4


@pytest.mark.parametrize(
    ("source", "target"),
    [("adult_income", "income"), ("credit_default", "default"), ("heart_disease", "target"), ("student_mat", "G3")],
)
def test_no_units_and_no_slips_where_there_are_none(source: str, target: str) -> None:
    found = looked(source, target)
    assert rows(found, "unit suspects") == rows(found, "typo suspects") == {}


def test_placeholders_of_two_banks() -> None:
    bank = rows(looked("bank_marketing", "y"), "placeholder")
    assert bank["pdays"] == 39_673  # 999: never called before
    assert {"job", "education"} <= set(bank)  # the word unknown
    assert "capital_gain" in rows(looked("adult_income", "income"), "placeholder")  # 99999


def test_given_files_of_one_source_do_not_drift() -> None:
    assert looked("adult_income", "income")["drift"] == []
    assert looked("bank_marketing", "y")["drift"] == []  # one file writes 0 where the other writes 0.0
