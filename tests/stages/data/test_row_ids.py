"""A row keeps its name whatever a recipe makes of it, so that two versions can be compared on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feilun import lifecycle
from feilun.core import discover
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.parts.dataset import Table
from feilun.stages.data import assemble, verbs

N = 300


def table(path: Path, count: int = N, **more: list[Any]) -> None:
    drawn = np.random.default_rng(0)
    a, b = drawn.normal(size=(2, count)).round(6)
    columns = {
        "a": a.tolist(),
        "b": b.tolist(),
        "city": drawn.choice(["Rome ", "Paris", "?"], count).tolist(),
        "day": [f"2024-{1 + place // 28 % 12:02d}-{1 + place % 28:02d}" for place in range(count)],
        "y": np.where(a + b + drawn.normal(0, 0.5, count) > 0, "yes", "no").tolist(),
        **more,
    }
    columns = {name: [*cells, *cells[:9]] for name, cells in columns.items()}  # some rows stand twice
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")


def ids(folder: Path, **values: Any) -> list[str]:
    """The rows' names, in order."""
    values = {"target": "y", **values}
    values["data"] = {"source": "my.csv", **values.get("data", {})}
    recipe = verbs.resolve(Recipe.model_validate(values), folder)
    made = assemble.rows_of(recipe, discover.task(str(recipe.task)), folder, None, Quiet())
    return made.table.column("_id").to_pylist()


@pytest.mark.parametrize(
    "values",
    [
        {"inputs": {"a": "number"}},
        {"inputs": {"a": "category", "city": "text"}},
        {"data": {"drop": ["b", "city"]}},
        {"data": {"missing": ["Paris"]}},
        {"data": {"near": "drop", "outliers": "clip"}},
        {"data": {"split": {"by": "time", "column": "day"}}},
        {"data": {"split": {"by": "group", "column": "city"}}, "inputs": {"a": "number", "b": "number"}},
        {"data": {"window": {"of": ["a", "b"], "steps": 4, "by": "day"}}, "inputs": {"window": "sequence"}},
        {"evaluate": {"groups": ["city"]}, "inputs": {"b": "number"}},
        {"target": "b", "inputs": {"a": "number"}},
        {"seed": 7},
    ],
)
def test_no_setting_renames_a_row(tmp_path: Path, values: dict[str, Any]) -> None:
    table(tmp_path / "my.csv")
    plain = ids(tmp_path)
    assert len(set(plain)) == len(plain) == N + 9
    assert ids(tmp_path, **values) == plain


def test_rows_that_leave_rename_no_other(tmp_path: Path) -> None:
    table(tmp_path / "my.csv")
    plain = ids(tmp_path)
    assert ids(tmp_path, data={"duplicates": "drop"}) == plain[:N]
    assert ids(tmp_path, data={"limit": 200}) == plain[:200]
    part = ids(tmp_path, data={"split": {"part": 0.5}})
    assert 0 < len(part) < N and set(part) < set(plain)


def test_rows_and_columns_that_come_later_rename_nobody(tmp_path: Path) -> None:
    table(tmp_path / "my.csv", 200)
    before = ids(tmp_path)
    text = (tmp_path / "my.csv").read_text().splitlines()
    later = [f"{text[0]},note", *[f"{line}," for line in text[1:]], "0.5,word,Oslo,2025-01-01,no,seen"]
    (tmp_path / "my.csv").write_text("\n".join(later) + "\n")
    assert ids(tmp_path)[:209] == before


def test_versions_with_and_without_a_column_are_compared_on_rows_that_tested_both(tmp_path: Path) -> None:
    table(tmp_path / "my.csv", 1000)

    def run(**data: Any) -> lifecycle.Run:
        values = {
            "name": "my",
            "data": {"source": "my.csv", "drop": ["day", "city"], **data},
            "target": "y",
            "model": {"name": "mlp", "width": 8},
            "train": {"epochs": 2, "learning_rate": 0.01},
            "evaluate": {"bootstrap": 100},
            "optimize": {"quantize": "none"},
        }
        return lifecycle.run_recipe(Recipe.model_validate(values), home=tmp_path / "runs", base=tmp_path)

    def names(made: lifecycle.Run, split: str) -> set[str]:
        return set(Table.open(made.stages["data"]).columns(split)["_id"])

    def compared(one: lifecycle.Run, other: lifecycle.Run) -> dict[str, Any]:
        return lifecycle.call("evaluation", "compare", one.stages["evaluation"], other.stages["evaluation"])

    whole, less = run(), run(drop=["day", "city", "b"])
    found = compared(whole, less)
    tested = names(whole, "test") & names(less, "test")
    assert found["n"] == len(tested) > 20 and not tested & (names(whole, "train") | names(less, "train"))
    assert names(whole, "test") & names(less, "train")  # dealt by other inputs: these are not judged
    assert "taught one of them" in found["notes"][0]
    assert found["scores"]["auc"]["first"]["value"] > found["scores"]["auc"]["second"]["value"]
    answered = [json.loads(line) for line in (less.stages["evaluation"] / "answers.jsonl").read_text().splitlines()]
    truths = dict(
        zip(Table.open(whole.stages["data"]).rows["_id"], Table.open(whole.stages["data"]).rows["y"], strict=True)
    )
    assert all(truths[line["id"]] == line["truth"] for line in answered)
    by_time = {"by": "time", "column": "day"}
    whole, less = run(split=by_time), run(split=by_time, drop=["day", "city", "b"])
    assert compared(whole, less)["n"] == len(names(whole, "test")) and compared(whole, less)["notes"] == []
