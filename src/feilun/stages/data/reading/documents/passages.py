"""Passages: a text in pieces of bounded size, cut where paragraphs or sentences end, each with the end of the last."""

from __future__ import annotations

import re
from collections.abc import Iterator

LETTERS, OVERLAP = 1000, 150  # of a passage at most, and of what it repeats of the one before
# Where a text may be cut: behind a paragraph, a line, or a sentence, in scripts with and without spaces between words.
ENDS = re.compile(r"\n+|(?<=[.!?…])[\"'”’)\]]*\s+|[。！？；]+[”’」』）】]*\s*")
SPACE = re.compile(r"\s+")


def cut(text: str, letters: int = LETTERS, overlap: int = OVERLAP) -> Iterator[str]:
    """Passages of at most so many letters; every letter but space is in one. A sentence is cut only if it is longer."""
    if len(text.strip()) <= letters:
        yield from filter(None, [text.strip()])
        return
    pieces = list(_pieces(text, letters))
    first = 0
    while first < len(pieces):
        last = first + 1
        while last < len(pieces) and pieces[last][1] - pieces[first][0] <= letters:
            last += 1
        passage = text[pieces[first][0] : pieces[last - 1][1]].strip()
        if passage:
            yield passage
        if last == len(pieces):
            return
        again = last
        while again - 1 > first and pieces[last - 1][1] - pieces[again - 1][0] <= overlap:
            again -= 1
        room = pieces[last][1] - pieces[again][0] <= letters  # else the next piece alone fills a passage
        first = again if room else last


def _pieces(text: str, letters: int) -> Iterator[tuple[int, int]]:
    """(start, end) of sentences, one behind the other, none longer than a passage."""
    start = 0
    for end in [*(match.end() for match in ENDS.finditer(text)), len(text)]:
        while end - start > letters:
            half = start + letters // 2
            spaces = [match.end() for match in SPACE.finditer(text, half, start + letters)]
            yield start, (spaces or [start + letters])[-1]
            start = (spaces or [start + letters])[-1]
        if end > start:
            yield start, end
        start = max(start, end)
