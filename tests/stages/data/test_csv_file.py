"""CSV as people save it: delimiters, encodings, quotes, and every way a file can be wrong."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.stages.data import csv_file, raw


def read(path: Path, most: int | None = None, **data: object) -> dict[str, list[str]]:
    return csv_file.read(path, Data(**data), raw.Most(rows=most)).table.to_pydict()


def written(folder: Path, content: bytes | str, name: str = "my.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_are_found(tmp_path: Path, delimiter: str) -> None:
    text = "\n".join(delimiter.join(row) for row in (["a", "b"], ["1,5" if delimiter == ";" else "1", "x"], ["2", "y"]))
    assert read(written(tmp_path, text)) == {"a": ["1,5" if delimiter == ";" else "1", "2"], "b": ["x", "y"]}


def test_cells_stay_text_and_quotes_hold_newlines(tmp_path: Path) -> None:
    path = written(tmp_path, 'code,text\r\n007,"two\nlines, ""quoted"""\r\n008,plain\r\n')
    assert read(path) == {"code": ["007", "008"], "text": ['two\nlines, "quoted"', "plain"]}


def test_byte_order_mark_and_spaces_in_the_header(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf a , b \n1,2\n")
    assert list(read(path)) == ["a", "b"]


@pytest.mark.parametrize(("code", "said"), [("gb18030", "GB18030"), ("utf-16", ""), ("cp1252", "Windows-1252")])
def test_other_encodings(tmp_path: Path, code: str, said: str) -> None:
    text = "名字,情感\n张三,好\n李四,坏\n"
    if code == "cp1252":  # é and r, or l, are one Chinese character in GB18030: both readings are possible
        text = "éla,mère\nnoël,père\nél,très\n"
    path = written(tmp_path, text.encode(code))
    found = csv_file.read(path, Data(), raw.Most())
    assert list(found.table.to_pydict()) == text.splitlines()[0].split(",")
    assert found.table.column(0).to_pylist()[0] == text.splitlines()[1].split(",")[0]
    assert said in "".join(found.notes)
    assert bool(found.notes) == bool(said)


def test_chinese_file_and_column_names(tmp_path: Path) -> None:
    path = written(tmp_path, "评论,情感\n很好,正\n不好,负\n", "评论.csv")
    assert read(path) == {"评论": ["很好", "不好"], "情感": ["正", "负"]}


def test_first_rows_only(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n" + "".join(f"{i},x\n" for i in range(50)))
    assert read(path, 3)["a"] == ["0", "1", "2"]
    assert csv_file.read(path, Data(), raw.Most(rows=3)).rows is None
    assert csv_file.read(path, Data(), raw.Most(rows=99)).rows == 50


def test_columns_for_a_file_without_header(tmp_path: Path) -> None:
    path = written(tmp_path, "1,x\n2,y\n")
    assert read(path, columns=("n", "w")) == {"n": ["1", "2"], "w": ["x", "y"]}
    with pytest.raises(DataError, match=r"2 columns, and data\.columns names 3"):
        read(path, columns=("n", "w", "z"))


def test_unnamed_columns_get_a_name(tmp_path: Path) -> None:
    assert list(read(written(tmp_path, ",a\n0,x\n1,y\n"))) == ["column_1", "a"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a,b\n", "a header and no rows"),
        (b"a,b", "a header and no rows"),
        (b"a,b,a\n1,2,3\n", "two columns called 'a'"),
        (b"1,2.5\n3,4\n", "no header"),
        (b"a,b\n1,2\n3,4,5\n6,7\n", r"my.csv:3: this row has 3 cells and the header 2"),
        (b'a,b\n"x\ny",2\n3\n', r"my.csv:4: this row has 1 cells"),
        (b'a,b\n1,"never closed\n2,3\n', "my.csv:2: a quote opens here and is never closed"),
        (bytes(range(256)) * 40, "not text but binary data"),
        (b"PK\x03\x04" + bytes(100), "Excel"),
        (b"\x1f\x8b\x08\x00abc", "gzip"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read(written(tmp_path, content))
    assert "my.csv" in str(caught.value)
    assert caught.value.where


def test_random_bytes(tmp_path: Path) -> None:
    for seed in range(20):
        import random

        path = written(tmp_path, random.Random(seed).randbytes(3000))
        with pytest.raises(DataError):
            read(path)


def test_a_file_that_may_not_be_read() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        path = written(folder, "a,b\n1,2\n")
        path.chmod(0)
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            with pytest.raises(DataError, match="may not be read by this user"):
                read(path)
        finally:
            if root:
                os.seteuid(0)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
