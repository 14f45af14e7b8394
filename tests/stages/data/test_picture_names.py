"""Tables that name pictures: relative to the table, and nothing outside."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from feilun.core.errors import DataError
from feilun.stages.data.looking import kinds
from feilun.stages.data.reading import picture_files, pictures


def load(folder: Path, *names: str | None) -> list[bytes | None]:
    table = pa.table({"f": pa.array(names, pa.string())})
    return picture_files.load(table, ["f"], [folder / "data", folder]).column("f").to_pylist()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("data/img/一.png", "img/2.png", "../outside.png"):
        path = tmp_path / "base" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pictures.to_png(np.zeros((2, 2), np.uint8)))
    return tmp_path / "base"


def test_names_start_at_the_table_or_the_recipe(place: Path) -> None:
    png = pictures.to_png(np.zeros((2, 2), np.uint8))
    inside = str(place / "img/2.png")
    assert load(place, "img/一.png", None, "img/2.png", "../img/2.png", inside) == [png, None, png, png, png]


@pytest.mark.parametrize("name", ["../../outside.png", "/etc/passwd.png", "img/../../../outside.png"])
def test_names_that_lead_out(place: Path, name: str) -> None:
    with pytest.raises(DataError, match="leads out of"):
        load(place, name)


def test_missing_and_broken(place: Path) -> None:
    for name in ("img/3.png", "x" * 300 + ".png", "a\x00b.png"):
        with pytest.raises(DataError, match="1 of 2 pictures named in column f are not there"):
            load(place, "img/一.png", name)
    (place / "data" / "img" / "half.png").write_bytes(pictures.to_png(np.zeros((9, 9), np.uint8))[:40])
    with pytest.raises(DataError, match="1 of 1 pictures do not open"):
        load(place, "img/half.png")


def test_names_as_windows_and_macos_write_them(place: Path) -> None:
    png = pictures.to_png(np.zeros((2, 2), np.uint8))
    composed, apart = unicodedata.normalize("NFC", "é.png"), unicodedata.normalize("NFD", "ö.png")
    (place / "data" / "img" / composed).write_bytes(png)
    (place / "data" / "img" / apart).write_bytes(png)
    names = [
        "img\\一.png",
        "img/" + unicodedata.normalize("NFD", "é.png"),
        "img\\" + unicodedata.normalize("NFC", "ö.png"),
    ]
    assert load(place, *names) == [png] * 3
    with pytest.raises(DataError, match="leads out of"):
        load(place, "..\\..\\outside.png")


def test_a_name_without_its_ending_is_told_so(place: Path) -> None:
    with pytest.raises(DataError, match=r"not there.*There is 一.png: names need their ending"):
        load(place, "img/一")


def test_one_strange_cell_does_not_hide_a_column_of_pictures(place: Path) -> None:
    for number in range(30):
        (place / "data" / f"p{number}.png").write_bytes(pictures.to_png(np.full((2, 2), number, np.uint8)))
    names = [*(f"p{number}.png" for number in range(30)), "../../../../etc/passwd"]
    found = kinds.find("f", pa.chunked_array([names]))
    assert found.kind == "image"
    with pytest.raises(DataError, match=r"names the picture \.\./\.\./\.\./\.\./etc/passwd, which leads out of"):
        load(place, *names)
    assert kinds.find("f", pa.chunked_array([[f"word {n}" for n in range(20)] + names[:20]])).kind != "image"
