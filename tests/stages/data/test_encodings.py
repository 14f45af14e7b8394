"""Files put together from two encodings: refused with the line, and what only looks so by chance is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from feilun.core.errors import DataError
from feilun.parts.delimited import encoding

GB, WEST = "gb18030", "cp1252"
HOTEL = ("北京的酒店,2", GB)


def written(folder: Path, *lines: tuple[str, str, int]) -> Path:
    path = folder / "my.csv"
    path.write_bytes(b"".join(f"{text}\n".encode(code) * count for text, code, count in lines))
    return path


@pytest.mark.parametrize(
    "lines",
    [
        (("北京,1", "utf-8", 5), (*HOTEL, 200)),
        (("北京,1", "utf-8", 1), (*HOTEL, 200)),
        (("京,1", "utf-8", 1), (*HOTEL, 200)),  # an odd number of bytes is no GB18030, and the rest no Windows-1252
        (("京,1", "utf-8", 2), (*HOTEL, 200)),
        (("Köln", "utf-8", 3), ("Köln", WEST, 200)),
        (("Köln", "utf-8", 200), ("Köln", WEST, 1)),
    ],
)
def test_two_encodings_are_refused_with_the_line(tmp_path: Path, lines: tuple[tuple[str, str, int], ...]) -> None:
    path = written(tmp_path, *lines)
    line = 201 if lines[0][2] == 200 else 1
    with pytest.raises(DataError, match=rf"my\.csv:{line}: .* mixes encodings"):
        encoding.of(path)


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        (GB, (("1,女", GB, 40), ("1,男", GB, 50))),  # 女 is the UTF-8 of a strange letter
        (GB, (("联通", GB, 50), ("移动电话", GB, 90))),
        (WEST, (("Spaß“", WEST, 15), ("schön", WEST, 200))),
        (WEST, (("Ä®", WEST, 1), ("schön", WEST, 200))),
    ],
)
def test_lines_that_are_utf_8_by_chance(tmp_path: Path, code: str, lines: tuple[tuple[str, str, int], ...]) -> None:
    assert encoding.of(written(tmp_path, *lines))[0] == code
