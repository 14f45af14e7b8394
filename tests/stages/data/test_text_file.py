"""A plain text as pages: all of it, in order, cut where something ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.stages.data.reading import raw, text_file


def pages(path: Path, most: raw.Most | None = None) -> list[str]:
    table = text_file.read(path, Data(format="text"), most or raw.Most()).table
    assert table.column("page").to_pylist() == list(range(1, table.num_rows + 1))
    return list(table.column("text").to_pylist())


@pytest.mark.parametrize(
    "text", ["short\n", "a paragraph\n\n" * 2000, "x" * 10_000, "行" * 9_000, "one line of words " * 900]
)
def test_pages_put_together_are_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "书.txt"
    path.write_bytes(text.encode())
    found = pages(path)
    assert "".join(found) == text
    assert all(0 < len(page) <= text_file.LETTERS for page in found)
    assert all(len(page) > text_file.LETTERS // 2 for page in found[:-1])


def test_a_page_ends_with_a_paragraph_or_else_a_line(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("\n\n".join(f"Paragraph {number}\nof two lines." for number in range(1000)))
    assert all(page.endswith(".\n\n") for page in pages(path)[:-1])
    path.write_text("\n".join(f"Line {number}" for number in range(3000)))
    assert all(page.endswith("\n") for page in pages(path)[:-1])


def test_a_limit_and_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("word " * 9000)
    assert len(pages(path, raw.Most(rows=2))) == 2
    assert text_file.read(path, Data(format="text"), raw.Most(rows=2)).rows == len(pages(path))
    path.write_text(" \n")
    with pytest.raises(DataError, match="has no text"):
        pages(path)
