"""JSON values become values of the parent's columns, or a clear error."""

import base64
from types import SimpleNamespace

import pytest
from datasets import Features, List, Value

from feilun.core import discover
from feilun.core.errors import DataError
from feilun.parts.dataset import load_rows
from feilun.stages.improvement import collecting, values
from feilun.stages.improvement.collecting import split_of

COLUMNS = Features(
    {
        "picture": Value("binary"),
        "age": Value("float64"),
        "count": Value("int64"),
        "city": Value("string"),
        "boxes": List({"label": Value("string"), "box": List(Value("float64"))}),
        "_id": Value("string"),
    }
)


def test_every_form_of_a_value_is_stored_in_its_column(tmp_path):
    png = b"\x89PNG rest"
    text = base64.b64encode(png).decode()
    boxes = [{"label": "cat", "box": [0.0, 0.0, 3.0, 4.0]}]
    given = [
        {"picture": text, "age": "41.5", "count": 3.0, "city": 7, "boxes": boxes, "_id": "a", "unknown": 1},
        {
            "picture": f"data:image/png;base64,{text}",
            "age": None,
            "count": "4",
            "city": "北京",
            "boxes": [],
            "_id": "b",
        },
        {"picture": png, "_id": "c"},
    ]
    values.save(tmp_path / "rows", [values.stored(row, COLUMNS) for row in given], COLUMNS)
    rows = load_rows(tmp_path / "rows")
    assert rows.features == COLUMNS
    assert rows["picture"][:] == [png, png, png]
    assert rows["age"][:] == [41.5, None, None] and rows["count"][:] == [3, 4, None]
    assert rows["city"][:] == ["7", "北京", None]
    assert rows["boxes"][:] == [boxes, [], None]
    assert values.ids(tmp_path / "rows") == ["a", "b", "c"]


@pytest.mark.parametrize(
    "column, value", [("picture", "no base64!"), ("age", "old"), ("count", 2.5), ("city", ["x"]), ("count", [1])]
)
def test_a_value_that_does_not_fit_is_named(column, value):
    with pytest.raises(DataError, match=f"{column}.*feedback brought"):
        values.stored({column: value, "_id": "a"}, COLUMNS)


def test_what_is_held_back_depends_on_the_row_alone():
    rows = [{"x": i} for i in range(3000)]
    held = [split_of(row, 0.33) == "held" for row in rows]
    assert 0.3 < sum(held) / 3000 < 0.36
    assert held == [split_of(dict(row), 0.33) == "held" for row in rows]
    more = [split_of(row, 0.5) == "held" for row in rows]
    assert all(after for before, after in zip(held, more, strict=True) if before)


def test_numbers_of_feedback_are_read_as_they_were_when_they_were_asked():
    number = discover.feature("number", columns=("age", "y"), missing=("?", "-9")).fit({"age": [1, 2], "y": [3, 4]})
    table = SimpleNamespace(features={"numbers": number})
    assert collecting._read({"age": " 1e3", "city": "1e3"}, table) == {"age": 1000.0}
    assert collecting._read({"age": "?", "y": -9.0}, table) == {"age": None, "y": None}
    with pytest.raises(DataError, match="1_000"):
        collecting._read({"age": "1_000"}, table)
