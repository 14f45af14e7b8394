"""A plain text, such as a book: pages of some thousand letters, cut where a paragraph or a line ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.parts.delimited import encoding
from feilun.stages.data.reading import raw

TEXT, PAGE = "text", "page"
LETTERS = 4096  # of a page, at most
ENDS = ("\n\n", "\n", " ")  # where a page may end, the best first; in its second half


def read(path: Path, data: Data, most: raw.Most) -> raw.Raw:
    """Columns text and page, from 1 on; put together the pages are the file. Raises DataError if there is no text."""
    with raw.opened(path):
        content = encoding.text_of(path, data.encoding)
    pages = list(_pages(content))
    if not any(page.strip() for page in pages):
        raise DataError(f"{path} has no text.", where=str(path), expected="text", got="none", fix="write some into it")
    shown = pages[: most.rows]
    table = pa.table({TEXT: pa.array(shown, pa.string()), PAGE: pa.array(range(1, len(shown) + 1), pa.int64())})
    return raw.of(table, str(path), kinds={TEXT: "text"}, rows=len(pages))


def _pages(content: str) -> Iterator[str]:
    start = 0
    while start < len(content):
        end = start + LETTERS
        if end < len(content):
            half = start + LETTERS // 2
            found = (content.rfind(mark, half, end) + len(mark) for mark in ENDS if content.find(mark, half, end) >= 0)
            end = next(found, end)
        yield content[start:end]
        start = end
