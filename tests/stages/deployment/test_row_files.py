"""Files to answer are read as training reads them: numbers, missing values, archives, arrays, texts, pictures."""

from __future__ import annotations

import csv
import gzip
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from feilun.core.errors import DataError, InputError
from feilun.core.recipe import Recipe, Window
from feilun.parts.bundle import loading
from feilun.parts.bundle.answering import Answered
from feilun.parts.features.number import Number
from feilun.stages.data.cells import clean
from feilun.stages.data.looking import window
from feilun.stages.deployment import asking, row_files, verbs

NUMBER, CATEGORY, TEXT, IMAGE = ({"kind": kind} for kind in ("number", "category", "text", "image"))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEILUN_CACHE", str(tmp_path / ".cache"))


def rows(path: Path, signature: dict[str, dict[str, str]], target: str | None = None, **data: Any) -> list[Any]:
    recipe = Recipe.model_validate({"data": data} | ({"target": target} if target else {}))
    return list(row_files.rows_of(path, signature, recipe))


@pytest.mark.parametrize(
    ("text", "data", "values"),
    [
        ("a;b\n3,14;x\n1.234,5;y\n", {}, ["3.14", "1234.5"]),
        ("a\tb\n1,234.5\tx\n1,234\ty\n", {}, ["1234.5", "1234"]),
        ("a\tb\n1,234\tx\n", {"decimal": ","}, ["1.234"]),
        ("a\tb\n1,234\tx\n", {"decimal": "."}, ["1234"]),
        ("a;b\n3.5;x\n4,998;y\n", {}, ["3.5", "4998"]),
        ("a;b\n3.5;x\n4,998;y\n", {"decimal": "."}, ["3.5", "4998"]),
        ("a,b\n1.5,x\n?,y\n NA ,z\n", {}, ["1.5", None, None]),
        ("a,b\n1.5,x\n-9,y\n", {"missing": ("-9",)}, ["1.5", None]),
        ("a,b\n3.5,x\n", {"delimiter": ";", "encoding": "gb18030"}, ["3.5"]),
        ("a,b\n3.5,x\n", {"header": False}, ["3.5"]),
    ],
)
def test_cells_are_what_training_made_of_them(
    tmp_path: Path, text: str, data: dict[str, Any], values: list[str | None]
) -> None:
    (tmp_path / "r.csv").write_text(text)
    assert [row["a"] for row in rows(tmp_path / "r.csv", {"a": NUMBER, "b": CATEGORY}, **data)] == values


def test_a_number_that_may_be_two_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "r.tsv").write_text("a\tb\n1,234\tx\n")
    with pytest.raises(DataError, match=r"a is '1,234', which may be 1234 or 1\.234"):
        rows(tmp_path / "r.tsv", {"a": NUMBER})
    (tmp_path / "r.csv").write_text("a;b\n3.5;x\n4,998;y\n")
    with pytest.raises(DataError, match=r"a is '4,998', which may be 4998 or 4\.998"):
        rows(tmp_path / "r.csv", {"a": NUMBER}, decimal=",")


def test_a_point_is_never_taken_for_thousands_because_of_other_columns(tmp_path: Path) -> None:
    signature = {"a": NUMBER, "b": NUMBER}
    (tmp_path / "r.csv").write_text("a,b\n1.234,7\n")
    with pytest.raises(DataError, match=r"a is '1\.234', which may be 1\.234 or 1234"):
        rows(tmp_path / "r.csv", signature, decimal=",")
    assert rows(tmp_path / "r.csv", signature) == [{"a": "1.234", "b": "7"}]
    for text, data in (("a;b\n1.234;7\n", {"decimal": ","}), ('a,b\n1.234,"7,5"\n', {})):
        (tmp_path / "r.csv").write_text(text)
        with pytest.raises(DataError, match=r"a is '1\.234', which may be 1\.234 or 1234"):
            rows(tmp_path / "r.csv", signature, **data)
    (tmp_path / "r.csv").write_text("a,b\n1.25,0.125\n")
    assert rows(tmp_path / "r.csv", signature, decimal=",") == [{"a": "1.25", "b": "0.125"}]


def test_texts_and_codes_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text('a,b\n007,"1,5"\n008,"2,5"\n')
    assert rows(tmp_path / "r.csv", {"a": CATEGORY, "b": TEXT}) == [{"a": "007", "b": "1,5"}, {"a": "008", "b": "2,5"}]


def test_files_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("1.5,x\n2.5,y\n")
    two = {"n": NUMBER, "w": CATEGORY}
    expected = [{"n": "1.5", "w": "x"}, {"n": "2.5", "w": "y"}]
    assert rows(tmp_path / "r.csv", two, columns=("n", "w")) == expected
    assert rows(tmp_path / "r.csv", two, "y", columns=("n", "y", "w")) == expected
    with pytest.raises(DataError, match="2 columns and no names"):
        rows(tmp_path / "r.csv", two, columns=("n", "w", "v", "u"))
    assert rows(tmp_path / "r.csv", {"column_1": NUMBER}) == [{"column_1": "1.5"}, {"column_1": "2.5"}]
    (tmp_path / "r.csv").write_text("w,n\nx,1.5\ny,2.5\n")
    assert rows(tmp_path / "r.csv", two, "y", columns=("n", "w", "y")) == expected


def test_packed_files_and_their_errors(bundle: Path, tmp_path: Path) -> None:
    content = b"width,height\n1.0,2.0\n-4.0,\n"
    expected = loading.load(bundle).predict([{"width": 1.0, "height": 2.0}, {"width": -4.0, "height": None}])
    (tmp_path / "r.csv").write_bytes(content)
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(content))
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("inner/表.csv", content)
    with tarfile.open(tmp_path / "p.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / "r.csv", "r.csv")
    for name in ("p.csv.gz", "p.zip", "p.tar.xz"):
        assert verbs.predict(bundle, tmp_path / name) == expected, name
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(content + b"1\n"))
    with pytest.raises(DataError, match=r"p\.csv\.gz row 3: this row has 1 cells") as caught:
        verbs.predict(bundle, tmp_path / "p.csv.gz")
    assert ".cache" not in str(caught.value)
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("../r.csv", content)
    with pytest.raises(DataError, match="leads out of its folder"):
        verbs.predict(bundle, tmp_path / "p.zip")


def test_arrays(bundle: Path, tmp_path: Path) -> None:
    expected = loading.load(bundle).predict([{"width": 1.0, "height": 2.0}, {"width": -4.0, "height": 0.5}])
    columns = {"width": np.array([1.0, -4.0]), "height": np.array([2.0, 0.5])}
    np.savez(tmp_path / "r.npz", **columns)
    assert verbs.predict(bundle, tmp_path / "r.npz") == expected
    splits = {f"test_{name}": array for name, array in columns.items()}
    np.savez(tmp_path / "s.npz", **splits, **{f"train_{name}": np.ones(5) for name in columns})
    assert verbs.predict(bundle, tmp_path / "s.npz") == expected
    np.savez(tmp_path / "p.npz", image=np.zeros((2, 3, 3), np.uint8))
    assert [row["image"].shape for row in rows(tmp_path / "p.npz", {"image": IMAGE})] == [(3, 3)] * 2


def test_nested_json(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"a": {"b": 1}, "c": [1, 2]}\n')
    assert rows(tmp_path / "r.jsonl", {"a.b": NUMBER, "c": {"kind": "sequence"}}) == [{"a.b": 1, "c": [1, 2]}]


def test_folders_of_texts(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "一.txt").write_bytes("这个饭店很好".encode("gb18030"))
    (tmp_path / "t" / "a.txt").write_text("fine\n")
    assert rows(tmp_path / "t", {"text": TEXT}) == [{"text": "fine\n"}, {"text": "这个饭店很好"}]
    assert rows(tmp_path / "t" / "a.txt", {"text": TEXT}) == [{"text": "fine\n"}]
    assert row_files.names(tmp_path / "t", {"text": TEXT}) == ["a.txt", "一.txt"]
    (tmp_path / "t.txt").write_text("text\tn\nfine\t1\n")
    assert rows(tmp_path / "t.txt", {"text": TEXT}) == [{"text": "fine"}]
    with pytest.raises(InputError, match="needs a, b"):
        rows(tmp_path / "t", {"a": TEXT, "b": TEXT})


def test_names_of_pictures_lead_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "out.png").write_bytes(b"secret")
    for name, words in (("../out.png", "leads out"), ("/etc/x.png", "leads out"), ("no.png", "not there")):
        (tmp_path / "t" / "r.csv").write_text(f"picture,n\n{name},1\n")
        with pytest.raises(DataError, match=words):
            rows(tmp_path / "t" / "r.csv", {"picture": IMAGE, "n": NUMBER})


def test_answers_to_a_folder_name_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        """Says what it was given."""

        signature: dict[str, dict[str, str]] = {"text": TEXT}  # noqa: RUF012
        recipe = Recipe()
        task = type("Task", (), {"options": {}})

        def answered(self, block: list[Any]) -> Answered:
            return Answered(answers=[{"label": row["text"]} for row in block], cut={})

    (tmp_path / "t" / "b").mkdir(parents=True)
    for name, text in (("b/2.txt", "=HYPERLINK(1)"), ("a.txt", "-1"), ("c.txt", "@x")):
        (tmp_path / "t" / name).write_text(text)
    out = tmp_path / "x.csv"
    model: Any = Model()
    assert asking.predict(model, tmp_path / "t", {}, out, {}) == [{"file": str(out), "rows": 3}]
    with out.open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "label"],
            ["a.txt", "-1"],
            ["b/2.txt", "'=HYPERLINK(1)"],
            ["c.txt", "'@x"],
        ]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_windows_are_made_of_plain_rows_as_in_training(tmp_path: Path, kind: str) -> None:
    days = ["2024-01-02", "2024-01-01", None, "2024-01-03", "2024-01-01", "2024-01-04"]
    table = pa.table({"t": days, "g": [*"aaaaba"], "x": [1.0, 2.0, 3.0, -9.0, 5.0, 6.5], "c": [*"uvuvuv"]})
    of = Window(of=("x",), steps=3, by="t", group="g")
    made = window.add(clean.strip(table, ["", "-9"]), of, np.full(6, -1, np.int8), "t")
    if kind == "csv":
        cells = [",".join("" if cell is None else str(cell) for cell in row.values()) for row in table.to_pylist()]
        (tmp_path / "t.csv").write_text("\n".join(["t,g,x,c", *cells]))
    elif kind == "jsonl":
        (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(row) for row in table.to_pylist()))
    else:
        pa.parquet.write_table(table, tmp_path / "t.parquet")
    signature = {"window": {"kind": "sequence"}, "c": CATEGORY}
    recipe = Recipe.model_validate({"data": {"window": of.model_dump(), "missing": ["", "-9"]}})
    told: dict[str, int] = {}
    found = list(row_files.rows_of(tmp_path / f"t.{kind}", signature, recipe, told))
    assert [row["window"] for row in found] == made.column("window").to_pylist()
    assert [row["c"] for row in found] == [*"uvuvuv"] and found[3]["window"] == [[2], [1], [None]]
    assert told == {"short_windows": 4}


def test_ready_sequences_stay_and_rows_that_lack_a_step_column_are_told(tmp_path: Path) -> None:
    recipe = Recipe.model_validate({"data": {"window": {"of": ["x", "z"], "steps": 2, "by": "t"}}})
    signature = {"window": {"kind": "sequence"}}
    (tmp_path / "t.jsonl").write_text('{"window": [[1, 2], [3, 4]]}\n{"window": [[5, 6]]}\n')
    found = list(row_files.rows_of(tmp_path / "t.jsonl", signature, recipe))
    assert found == [{"window": [[1, 2], [3, 4]]}, {"window": [[5, 6]]}]
    (tmp_path / "u.csv").write_text("t,x\n1,2\n")
    with pytest.raises(DataError, match=r"row 1 has no column 'z'"):
        list(row_files.rows_of(tmp_path / "u.csv", signature, recipe))
    (tmp_path / "v.csv").write_text("t,x,z\nsoon,2,3\n")
    with pytest.raises(DataError, match=r"in the order of t \(data.window.by\)"):
        list(row_files.rows_of(tmp_path / "v.csv", signature, recipe))
    (tmp_path / "w.csv").write_text("t,x,z\n1,2,3 kg\n")
    with pytest.raises(DataError, match="'z' holds numbers"):
        list(row_files.rows_of(tmp_path / "w.csv", signature, recipe))


def test_a_column_is_read_as_in_training_whatever_the_other_rows_show(tmp_path: Path) -> None:
    comma, point = ({"decimal": mark, "thousands": False} for mark in ",.")
    signature: Any = {"p": {**NUMBER, "written": comma}, "w": {**NUMBER, "written": point}}
    feature = Number(columns=("p", "w"), written={"p": comma, "w": point})
    for more in ("", "10,00;0.5\n"):
        (tmp_path / "r.csv").write_text("p;w\n10,00;1.234\n" + more)
        first = rows(tmp_path / "r.csv", signature, decimal=",")[0]
        assert [feature.read(name, [first[name]])[0] for name in "pw"] == [10, 1.234]
    (tmp_path / "r.csv").write_text("p;w\n1,5;1.234\n1,5;3,5\n")
    with pytest.raises(DataError, match=r"row 2: w is '3,5', and '1\.234' stands above it.*decimal mark was '\.'"):
        rows(tmp_path / "r.csv", signature, decimal=",")
