"""Answers to files: CSV, JSON, JSONL, Parquet, inline rows, pictures; written out, and refused in words."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tiny_bundle import ROW

from feilun.core.errors import DataError, InputError
from feilun.parts.bundle import loading
from feilun.stages.deployment import asking, verbs

PLUS = {"kind": "number"}


def test_every_source_gives_the_same_answers(bundle: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    rows = [{"名": "x", **ROW}, {"名": "y", "width": -4.0, "height": None}]
    expected = loading.load(bundle).predict([{**ROW}, {"width": -4.0, "height": None}])
    (tmp_path / "r.csv").write_text("名,width,height\nx,1.0,2.0\ny,-4.0,\n", encoding="utf-8-sig")
    (tmp_path / "r.tsv").write_text("width\theight\n1.0\t2.0\n-4.0\t\n")
    (tmp_path / "r.json").write_text(json.dumps(rows))
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "r.parquet")
    for name in ("r.csv", "r.tsv", "r.json", "r.jsonl", "r.parquet"):
        assert verbs.predict(bundle.parent, tmp_path / name, {}) == expected, name
    assert verbs.predict(bundle, json.dumps({**ROW}), None) == expected[:1]
    assert verbs.predict(bundle, [ROW], None) == expected[:1]


def test_many_rows_are_answered_block_by_block_and_written(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "BLOCK", 7)
    (tmp_path / "r.csv").write_text("width,height\n" + "".join(f"{at - 50},0\n" for at in range(100)))
    out = tmp_path / "answers.jsonl"
    assert verbs.predict(bundle, tmp_path / "r.csv", {}, out) == [{"file": str(out), "rows": 100}]
    answers = [json.loads(line) for line in out.read_text().splitlines()]
    assert [answer["label"] for answer in answers] == ["minus"] * 51 + ["plus"] * 49
    table = tmp_path / "answers.csv"
    verbs.predict(bundle, tmp_path / "r.csv", {}, table)
    with table.open() as file:
        written = list(csv.DictReader(file))
    assert written[0]["label"] == "minus" and json.loads(written[0]["probabilities"])["plus"] < 0.5


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("r.csv", b"width\n1\n", "row 1 has no column 'height'"),
        ("r.csv", b"width,height\n1,2\n3,wide\n", r"r\.csv: row 2: .*wide"),
        ("r.jsonl", b'{"width": 1, "height": 2}\n{"width": [1], "height": 2}\n', r"r\.jsonl: row 2: "),
        ("r.csv", b"width,height\n1\n", "row 1: this row has 1 cells and the header 2"),
        ("r.csv", b"width,height\n1,2,3\n", "row 1: this row has 3 cells and the header 2"),
        ("r.csv", b"width,width,height\n1,2,3\n", "two columns called 'width'"),
        ("r.csv", b"width,height\n\xff\xfe,1\n", "(?s)row 1: .*read as Windows-1252.*UTF-8"),
        ("r.csv", b"PK\x03\x04 123", "an Excel workbook"),
        ("r.jsonl", "{'评': 1}".encode("gb18030"), r"r\.jsonl:1 is not JSON: .*评"),
        ("r.csv", b"", "empty"),
        ("r.csv", b"width,height\n", "no rows"),
        ("r.tsv", b"width\theight\r\n\r\n", "no rows"),
        ("r.json", b"[]", "no rows"),
        ("r.jsonl", b"\n", "no rows"),
        ("r.json", b"{", "is not JSON"),
        ("r.jsonl", b"1\n", "not an object"),
        ("r.parquet", bytes(range(200)), "no Parquet file"),
        ("r.xlsx", b"", "no known kind"),
    ],
)
def test_wrong_files_are_refused_in_words(bundle: Path, tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises((DataError, InputError), match=words):
        verbs.predict(bundle, tmp_path / name)


@pytest.mark.parametrize("code", ["gb18030", "utf-16", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_are_read_as_for_training(bundle: Path, tmp_path: Path, code: str, delimiter: str) -> None:
    expected = loading.load(bundle).predict([{"width": 1.0, "height": 2.0}, {"width": -4.0, "height": None}])
    lines = [["评论", " width ", "height"], ["很好的东西", "1.0", "2.0"], ["不\n好", "-4.0", ""]]
    text = "\r\n".join(delimiter.join(f'"{cell}"' if "\n" in cell else cell for cell in line) for line in lines)
    for name in ("r.csv", "r.txt", "r.data"):
        (tmp_path / name).write_bytes(text.encode(code))
        assert verbs.predict(bundle, tmp_path / name) == expected, name


def test_a_wrong_row_is_numbered_over_all_blocks(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "BLOCK", 7)
    lines = ["1,2"] * 40
    lines[32] = "x,2"
    (tmp_path / "r.csv").write_text("width,height\n" + "\n".join(lines))
    with pytest.raises(DataError, match=r"r\.csv: row 33: .*'x'") as raised:
        verbs.predict(bundle, tmp_path / "r.csv")
    assert raised.value.where == f"{tmp_path / 'r.csv'} row 33" and raised.value.expected


def test_nothing_to_answer_and_nowhere_to_write_are_errors(bundle: Path, tmp_path: Path) -> None:
    for source in ([], "[]"):
        with pytest.raises(InputError, match="no rows"):
            verbs.predict(bundle, source)
    out = tmp_path / "nowhere" / "answers.csv"
    with pytest.raises(InputError, match="nowhere") as raised:
        verbs.predict(bundle, [ROW], None, out)
    assert raised.value.fix
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"folder\.csv"):
        verbs.predict(bundle, [ROW], None, tmp_path / "folder.csv")
    (tmp_path / "empty.csv").write_text("width,height\n")
    with pytest.raises(InputError, match="no rows"):
        verbs.predict(bundle, tmp_path / "empty.csv", None, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_missing_files_pictures_and_endings_are_refused(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    for source, words in ((tmp_path / "no.csv", "no file"), (tmp_path, "not a single picture")):
        with pytest.raises(InputError, match=words):
            verbs.predict(bundle, source)
    with pytest.raises(InputError, match=r"\.jsonl or \.csv"):
        verbs.predict(bundle, [ROW], None, tmp_path / "answers.xlsx")


def test_pictures_by_folder_and_by_name(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"two")
    (tmp_path / "a.jpg").write_bytes(b"one")
    (tmp_path / "r.csv").write_text("picture,width\nb.png,3\n")
    image = {"picture": {"kind": "image"}}
    assert list(asking.rows_of(tmp_path, image)) == [{"picture": b"one"}, {"picture": b"two"}]
    assert list(asking.rows_of(tmp_path / "b.png", image)) == [{"picture": b"two"}]
    both = {**image, "width": PLUS}
    assert list(asking.rows_of(tmp_path / "r.csv", both)) == [{"picture": b"two", "width": "3"}]
