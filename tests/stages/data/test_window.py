"""Windows over time: which steps a row sees, and what it never sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Recipe, Window
from feilun.stages.data import resolve
from feilun.stages.data.looking import window
from feilun.stages.data.reading.raw import DEALT

TABLE = pa.table(
    {
        "t": ["2024-01-02", "2024-01-01", None, "2024-01-03", "2024-01-01"],
        "g": ["a", "a", "a", "a", "b"],
        "x": ["1", "2", "3", "4", "5"],
        "y": [1.0, 2.0, None, 4.0, 5.0],
    }
)


def windows(given: list[int] | None = None, **options: Any) -> list[Any]:
    made = window.add(TABLE, Window(**options), np.array(given or [DEALT] * 5, np.int8), "my.csv")
    assert made.column_names == [*TABLE.column_names, "window"] and made.select(TABLE.column_names) == TABLE
    found: list[Any] = made.column("window").to_pylist()
    return found


def test_the_last_steps_in_order_of_time_within_a_group() -> None:
    assert windows(of=("x", "y"), steps=2, by="t", group="g") == [
        [[2, 2], [1, 1]],
        [[2, 2]],
        [[3, None]],  # without a time it sees only itself
        [[1, 1], [4, 4]],
        [[5, 5]],
    ]


def test_a_window_never_crosses_into_another_file() -> None:
    test = 3
    assert windows([DEALT, DEALT, DEALT, test, test], of=("x",), steps=9) == [
        [[1]],
        [[1], [2]],
        [[1], [2], [3]],
        [[4]],
        [[4], [5]],
    ]


def test_rows_as_they_stand_and_numbers_that_order_them() -> None:
    assert windows(of=("x",), steps=2)[-1] == [[4], [5]]
    assert windows(of=("x",), steps=3, by="y")[0] == [[1]] and windows(of=("x",), steps=3, by="y")[4] == [[2], [4], [5]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"of": ("z",), "steps": 2}, "no column 'z'"),
        ({"of": ("g",), "steps": 2}, "g should be a number"),
        ({"of": ("x",), "steps": 2, "by": "g"}, "holds neither numbers nor times"),
        ({"of": ("x",), "steps": 2, "column": "y"}, "has a column of that name"),
        ({"of": ("x",), "steps": 200_000_000}, "more than 500,000,000 numbers"),
    ],
)
def test_windows_that_do_not_do(options: Any, words: str) -> None:
    with pytest.raises((DataError, RecipeError), match=words):
        windows(**options)


def test_overlapping_windows_are_dealt_by_time_unless_the_recipe_says_otherwise(tmp_path: Any) -> None:
    hours = [f"2024-01-{1 + i // 24:02d}T{i % 24:02d}:00" for i in range(200)]
    frame = {"t": hours, "x": [i % 7 / 2 for i in range(200)], "y": [i % 2 for i in range(200)]}
    given = {"name": "w", "target": "y", "data": {"window": {"of": ["x"], "steps": 3, "by": "t"}}}
    found = resolve.resolve(Recipe.model_validate(given), tmp_path, frame)
    assert (found.data.split.by, found.data.split.column) == ("time", "t")
    assert found.inputs["window"].kind == "sequence" and "x" not in found.inputs and found.model.name == "mlp"
    assert found.inputs["t"].options == {"days": False}
    assert window.said(found) == ["Windows overlap, so rows are dealt by t: the latest are tested."]
    given["data"] = {**given["data"], "split": {"by": "stratified"}}  # type: ignore[dict-item]
    kept = resolve.resolve(Recipe.model_validate(given), tmp_path, frame)
    assert kept.data.split.by == "stratified" and "near-copies" in window.said(kept)[0]
