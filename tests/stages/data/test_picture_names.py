"""Tables that name pictures: relative to the table, and nothing outside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from feilun.core.errors import DataError
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
