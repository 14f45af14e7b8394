"""How a column's numbers are written is decided by the training file, column by column, in every source."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from feilun.core import discover
from feilun.core.errors import DataError
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.stages.data import assemble, resolve
from feilun.stages.data.looking import survey
from feilun.stages.data.reading import raw, sources

TRAIN = "preis;w;n;ziel\n" + "".join(f"{i},5;{i % 3}.512;{i};{i * 7 % 5}\n" for i in range(1, 41))


def read(tmp_path: Path, test: str = "", train: str = TRAIN, **recipe: Any) -> raw.Raw:
    (tmp_path / "train.csv").write_text(train)
    data = {"source": "train.csv"}
    if test:
        (tmp_path / "test.csv").write_text(test)
        data["test"] = "test.csv"
    return sources.read(Recipe.model_validate({"data": data, **recipe}), tmp_path)


def test_the_training_file_says_how_each_column_is_written(tmp_path: Path) -> None:
    forms = {name: (form.decimal, form.thousands) for name, form in read(tmp_path).written.items()}
    assert forms == {"preis": (",", False), "w": (".", False), "n": (",", False), "ziel": (",", False)}
    forms = read(tmp_path, train="a;b\n1.234,5;1\n1,5;2\n").written
    assert forms["a"].thousands and not forms["b"].thousands


def test_given_rows_are_read_as_the_training_column(tmp_path: Path) -> None:
    found = read(tmp_path, "preis;w;n;ziel\n4,5;2.197;3;1\n5,5;1.310;4;2\n")
    assert found.table.column("w").to_pylist()[-2:] == ["2.197", "1.310"]
    found = read(tmp_path, "preis;w;n;ziel\n4,5;3,5;3;1\n")
    assert found.table.column("w").to_pylist()[-1] == "3.5"
    assert any("3,5 of" in note and "read as 3.5" in note for note in found.notes)


@pytest.mark.parametrize(
    "row", ["4,5;3,5;3;1\n4,5;2.197;3;1\n", "1.000;2.1;3;1\n", "4,5;2.1;1.250;1\n", "4,5;1,234;3;1\n"]
)
def test_given_rows_that_may_be_two_numbers_are_refused(tmp_path: Path, row: str) -> None:
    with pytest.raises(DataError, match=r"test\.csv, row \d: \w+ is '[\d.,]+', which may be"):
        read(tmp_path, f"preis;w;n;ziel\n{row}")


def test_a_column_of_groups_is_plain_beside_decimal_points(tmp_path: Path) -> None:
    found = read(tmp_path, train="a;b;c\n3,5;0.5;1.234\n4,5;0.25;2.345\n")
    assert found.table.column("c").to_pylist() == ["1.234", "2.345"]
    assert [(line["column"], line["key"]) for line in found.lines] == [("c", 'data.decimal: ","')]
    assert found.decimal is None


@pytest.mark.parametrize("kind", ["frame", "jsonl", "sqlite", "parquet"])
def test_texts_of_every_source_are_numbers_where_those_of_a_csv_are(tmp_path: Path, kind: str) -> None:
    rows = [{"a": f"{i},5", "b": i} for i in range(30)]
    recipe, frame = Recipe.model_validate({"data": {"source": f"t.{kind}"}}), None
    if kind == "frame":
        frame = pa.Table.from_pylist(rows)
    elif kind == "jsonl":
        (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    elif kind == "parquet":
        pa.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    else:
        with sqlite3.connect(tmp_path / "t.db") as made:
            made.execute("create table t (a text, b integer)")
            made.executemany("insert into t values (:a, :b)", rows)
        recipe = Recipe.model_validate({"data": {"source": "sqlite:///t.db", "query": "select * from t"}})
    found = sources.read(recipe, tmp_path, frame)
    assert found.table.column("a").to_pylist()[-1] == "29.5"
    assert found.written["a"].decimal == "," and pa.types.is_integer(found.table.schema.field("b").type)


@pytest.mark.parametrize(
    "cell", [lambda i: f"192.168.{100 + i}.100", lambda i: f"1{i:02} 200 {100 + i}", lambda i: f"1{i:02}.200.{300 + i}"]
)
def test_codes_in_groups_stay_text(tmp_path: Path, cell: Any) -> None:
    train = "a;b\n" + "".join(f"{cell(i)};{i},5\n" for i in range(60))
    found = read(tmp_path, train=train)
    assert found.table.column("a").to_pylist()[1] == cell(1)
    if cell(1).count(".") < 3:
        assert any(note.startswith(f"a: {cell(0)} may be a number") for note in found.notes)
        found = read(tmp_path, train=train, inputs={"a": "number"})
        assert found.table.column("a").to_pylist()[1] == cell(1).replace(" ", "").replace(".", "")


def test_groups_beside_short_numbers_are_numbers(tmp_path: Path) -> None:
    found = read(tmp_path, train="a;b\n1 234;1\n999;2\n1 234 567;3\n")
    assert found.table.column("a").to_pylist() == ["1234", "999", "1234567"]


@pytest.mark.parametrize(
    ("cells", "kind", "word"),
    [
        ([f"{i % 60:05}" if i % 20 == 0 else str(10000 + i % 60) for i in range(400)], "category", "begin with 0"),
        (["05", *(str(i % 150) for i in range(400))], "number", "such as 05: read as numbers"),
    ],
)
def test_leading_zeros_are_codes(tmp_path: Path, cells: list[str], kind: str, word: str) -> None:
    (tmp_path / "t.csv").write_text("plz,y\n" + "".join(f"{cell},{i % 2}\n" for i, cell in enumerate(cells)))
    recipe = Recipe.model_validate({"data": {"source": "t.csv"}, "target": "y"})
    (entry,) = (entry for entry in survey.take(recipe, tmp_path).columns if entry["column"] == "plz")
    assert entry["kind"] == kind and word in entry["warning"]


def test_a_bad_cell_is_named_where_it_stands(tmp_path: Path) -> None:
    rows = "".join(f"{i}.5;{i}\n" for i in range(30))
    (tmp_path / "trn.csv").write_text("a;y\n" + rows)
    (tmp_path / "tst.csv").write_text("a;y\n1.5;2\n2.5;3\nword;4\nother;5\nthird;6\n")
    recipe = Recipe.model_validate(
        {"data": {"source": "trn.csv", "test": "tst.csv"}, "target": "y", "task": "regression"}
    )
    recipe = resolve.resolve(recipe, tmp_path)
    with pytest.raises(DataError, match=r"tst\.csv, row 3: a should be a number"):
        assemble.rows_of(recipe, discover.task("regression"), tmp_path, None, Quiet())
