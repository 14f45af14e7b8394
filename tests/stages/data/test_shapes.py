"""Columns within columns: objects, lists of labels, lists of numbers to predict, units behind numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from feilun.core.recipe import Recipe
from feilun.stages.data import resolve, verbs
from feilun.stages.data.looking import measures, shapes, survey


def flattened(**columns: list[Any]) -> tuple[dict[str, list[Any]], list[str]]:
    table, notes = shapes.flattened(pa.table(columns), "my.csv")
    return table.to_pydict(), notes


def test_objects_become_columns() -> None:
    made, notes = flattened(a=['{"x": 1, "y": {"z": "q"}}', None, '{"x": 2}'], b=[1, 2, 3])
    assert made == {"a.x": [1, None, 2], "a.y.z": ["q", None, None], "b": [1, 2, 3]}
    assert notes == ["a holds objects: its keys are the columns a.x, a.y.z."]
    assert flattened(a=[{"x": 1}, {"x": 2}])[0] == {"a.x": [1, 2]}  # Arrow's own
    assert flattened(a=['{"x": 1}', '{"x": "one"}', '{"x": [1]}'])[0] == {"a.x": ["1", "one", "[1]"]}


@pytest.mark.parametrize(
    "cells", [["{a}", "{b}"], ['{"a": 1}', "text"], ["[1] a book", "[2] a page"], ["[]", "[]"], ["{", "}"]]
)
def test_text_that_is_no_json_stays_text(cells: list[str]) -> None:
    assert flattened(c=cells) == ({"c": cells}, [])


def test_an_empty_list_of_labels_is_no_label_and_not_no_target() -> None:
    made, notes = flattened(tags=['["a", "b"]', "[]", None])
    assert made == {"tags": [["a", "b"], [], None]} and notes == []


def test_objects_that_the_recipe_reads_as_text_stay_whole(tmp_path: Path) -> None:
    rows = {"a": [json.dumps({"x": i}) for i in range(60)], "y": ["a", "b"] * 30}
    assert survey.take(Recipe.model_validate({"target": "y"}), tmp_path, rows).columns[0]["column"] == "a.x"
    kept = survey.take(Recipe.model_validate({"target": "y", "inputs": {"a": "text"}}), tmp_path, rows)
    assert kept.inputs == {"a": "text"}


def test_a_list_of_numbers_to_predict_becomes_columns(tmp_path: Path) -> None:
    rows = {"x": [i / 7 for i in range(60)], "y": [json.dumps([i, i % 9 + 0.5]) for i in range(60)]}
    found = resolve.resolve(Recipe.model_validate({"target": "y", "name": "my"}), tmp_path, rows)
    assert found.target is not None and found.target.columns == ("y_0", "y_1") and found.task == "regression"
    again = survey.take(found, tmp_path, rows)
    assert again.targets == ("y_0", "y_1") and "y" not in [entry["column"] for entry in again.columns]
    uneven = {**rows, "y": [[1.0]] * 30 + [[1.0, 2.0]] * 30}
    assert shapes.spread_target(pa.table(uneven), ("y",)).column_names == ["x", "y"]
    wide = {"x": rows["x"], "y_0": list(range(60)), "y_1": [i / 3 for i in range(60)]}
    assert survey.take(Recipe.model_validate({"target": "y"}), tmp_path, wide).targets == ("y_0", "y_1")


@pytest.mark.parametrize(
    ("cells", "unit", "expected"),
    [
        (["$3.50", "$1,200", "-$4"], "$", ["3.50", "1200", "-4"]),
        (["12 kg", "13kg", None], "kg", ["12", "13", None]),
        (["85%", "3.5 %"], "%", ["85", "3.5"]),
        (["3 €", "4€"], "€", ["3", "4"]),
        (["12元", "15元"], "元", ["12", "15"]),
        (["37.5°C", "36 °C"], "°C", ["37.5", "36"]),
        (["3,5 km", "12 km", "1.200,25 km"], "km", ["3.5", "12", "1200.25"]),
        (["3\u00a0€", "4€"], "€", ["3", "4"]),
        ([*["12 kg", "14 kg"] * 20, "3 lb"], "kg", [*["12", "14"] * 20, "3 lb"]),
    ],
)
def test_one_unit_is_taken_off(cells: list[Any], unit: str, expected: list[Any]) -> None:
    made = measures.stripped(pa.chunked_array([pa.array(cells)]))
    assert made is not None and (made.unit.name, made.column.to_pylist()) == (unit, expected)


@pytest.mark.parametrize(
    "cells",
    [
        ["12 kg", "12 lb", "13 kg"],  # two units: 12 lb is not 12 kg
        ["1st", "2nd", "3rd"],
        ["A12", "A13"],
        ["007 kg", "008 kg"],
        ["10:30", "11:30"],
        ["3.5.1", "2.4.1"],
        ["12", "13"],
        ["12 kg", "12 kg"],
        [None, None],
    ],
)
def test_what_has_not_one_unit_stays(cells: list[Any]) -> None:
    assert measures.stripped(pa.chunked_array([pa.array(cells, pa.string())])) is None


def test_a_comma_beside_a_unit_is_read_as_in_the_rest_of_the_file() -> None:
    cells = pa.chunked_array([pa.array(["1,500 kg", "2 kg"])])
    for decimal, expected in ((None, "1500"), (".", "1500"), (",", "1.500")):
        made = measures.stripped(cells, decimal)
        assert made is not None and made.column.to_pylist() == [expected, "2"]
        assert made.unclear == ("1,500" if decimal is None else "")
        assert made.line("w")["done"] == "read as 1500" if made.unclear else True
    clear = measures.stripped(pa.chunked_array([pa.array(["1,500 kg", "2.5 kg"])]))
    assert clear is not None and (clear.column.to_pylist(), clear.unclear) == (["1500", "2.5"], "")


def test_units_are_said_and_a_category_stays_what_it_is(tmp_path: Path) -> None:
    rows = {"w": [f"{i % 50 + 0.5} kg" for i in range(60)], "y": ["a", "b"] * 30}
    found = survey.take(Recipe.model_validate({"target": "y"}), tmp_path, rows)
    assert found.inputs == {"w": "number"}
    assert found.notes == ("w: numbers written with kg, which was taken off; ask with or without.",)
    kept = survey.take(Recipe.model_validate({"target": "y", "inputs": {"w": "category"}}), tmp_path, rows)
    assert kept.inputs == {"w": "category"} and kept.notes == ()


def test_every_decision_has_a_line_that_changes_it(tmp_path: Path) -> None:
    count = 240
    rows = {
        "customer_id": [f"c{i:05d}" for i in range(count)],
        "same": ["x"] * count,
        "city": ["Rome", "Bonn", "Oslo"] * (count // 3),
        "size": [i * 7 % 50 + 0.5 for i in range(count)],
        "when": [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(count)],
        "tags": ["red|blue", "red", "blue", "green|red"] * (count // 4),
    }
    given = Recipe.model_validate({"target": "tags", "name": "my"})
    found = {entry["column"]: entry for entry in verbs.profile(given, tmp_path, rows)}
    assert {name: entry["override"] for name, entry in found.items()} == {
        "customer_id": 'inputs: {customer_id: category, "*": found}',
        "same": "",
        "city": 'inputs: {city: text, "*": found}',
        "size": 'inputs: {size: category, "*": found}',
        "when": 'inputs: {when: category, "*": found}',
        "tags": 'target: {column: tags, separator: "|"}',
    }
    named = given.but(inputs={"customer_id": "category", "*": "found"}, data={"drop": ["customer_id"]})
    kept = resolve.resolve(named, tmp_path, rows)
    assert {name: column.kind for name, column in kept.inputs.items()} == {
        "customer_id": "category",
        "city": "category",
        "size": "number",
        "when": "time",
    }
    listed = resolve.resolve(given.but(inputs={"customer_id": "category"}), tmp_path, rows)
    assert list(listed.inputs) == ["customer_id"]
