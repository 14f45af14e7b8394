"""What is found in real data sets: kinds, targets, given splits, leaks, duplicates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from feilun.core import discover
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.core.work import Work
from feilun.stages.data import verbs

DATA = Path(os.environ.get("FEILUN_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data sets in {DATA}; name their folder in FEILUN_DATA"),
]


def profile(source: str, target: str | None = None) -> tuple[Recipe, dict[str, dict[str, Any]]]:
    recipe = Recipe.model_validate({"data": {"source": source}} | ({"target": target} if target else {}))
    columns = verbs.profile(recipe, DATA)
    return verbs.resolve(recipe, DATA), {entry["column"]: entry for entry in columns}


@pytest.mark.parametrize(
    ("source", "target", "task", "model", "kinds"),
    [
        ("adult_income", "income", "classification", "mlp", "number category number category number category"),
        ("california_housing", "median_house_value", "regression", "mlp", "number " * 8 + "category"),
        ("chnsenticorp_htl", "label", "classification", "gru", "text"),
        ("sms_spam", "label", "classification", "gru", "text"),
        ("ag_news_7k", "label", "classification", "gru", "text text"),
        ("mnist", None, "classification", "cnn", "image"),
        ("cats_dogs_3k", None, "classification", "cnn", "image"),
        ("student_mat", "G3", "regression", "mlp", "category category number category"),
    ],
)
def test_kinds(source: str, target: str | None, task: str, model: str, kinds: str) -> None:
    recipe, columns = profile(source, target)
    assert (recipe.task, recipe.model.name) == (task, model)
    found = [entry["kind"] for entry in columns.values() if entry["role"] == "input"]
    assert found[: len(kinds.split())] == kinds.split()


def test_codes_and_counts() -> None:
    recipe, columns = profile("credit_default", "default")
    assert columns["ID"]["role"] == "left out"
    kinds = {name: column.kind for name, column in recipe.inputs.items()}
    coded = {"SEX", "EDUCATION", "MARRIAGE", "PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6"}
    assert {name for name, kind in kinds.items() if kind == "category"} == coded


@pytest.mark.parametrize(
    ("source", "target", "warned"),
    [
        ("bank_marketing", "y", {"duration"}),
        ("student_mat", "G3", {"G2"}),
        ("occupancy", "Occupancy", {"Light", "CO2"}),
        ("adult_income", "income", set()),
        ("heart_disease", "target", set()),
        ("california_housing", "median_house_value", set()),
        ("credit_default", "default", set()),
    ],
)
def test_leaks(source: str, target: str, warned: set[str]) -> None:
    columns = profile(source, target)[1]
    assert {name for name, entry in columns.items() if entry["warning"]} == warned


def test_rows_of_adult_income(tmp_path: Path) -> None:
    recipe = profile("adult_income", "income")[0]
    task = discover.task(str(recipe.task))
    facts = verbs.make(Work(recipe=recipe, task=task, folder=tmp_path, before={}, say=Quiet(), base=DATA)).facts
    assert facts["splits"]["test"] == 16_281
    assert facts["rows"] + facts["left_out_equal_to_given"] == 32_561 + 16_281
