"""Letters that Unicode puts together: a text in pieces that are normalised each for itself (NFC, annex 15)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

COMPOSED = 4  # letters that may become one


def apart(text: str) -> Iterator[str]:
    """The pieces, in order; no letter composes with one of another piece."""
    start = 0
    for place in range(1, len(text)):
        letter, before = text[place], text[max(start, place - COMPOSED) : place]
        if unicodedata.combining(letter):
            continue
        both = unicodedata.normalize("NFC", before + letter) if not (letter + before).isascii() else ""
        if not both or both == unicodedata.normalize("NFC", before) + unicodedata.normalize("NFC", letter):
            yield text[start:place]
            start = place
    yield text[start:]
