"""What a word is, in any language: texts cut into words, and words put together."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Scripts written without spaces: Han, kana, Thai, Lao, Khmer, Burmese. Each character is a word of its own.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+|[^\w\s]")
ALONE = re.compile(rf"[{UNSPACED}]")
SAMPLE = 2000  # texts looked at to choose between characters and words


def half_of(text: str, which: str) -> str:
    """The words before the middle one, or from it on; letters in scripts without spaces are words."""
    words = [match.start() for match in WORD.finditer(text)]
    middle = words[len(words) // 2] if len(words) > 1 else len(text)
    return text[:middle] if which == "first" else text[middle:]


def suited(texts: Sequence[str]) -> str:
    """Characters if more than a third of the letters belong to scripts without spaces."""
    text = "".join(texts[:: max(1, len(texts) // SAMPLE)])
    alone = len(ALONE.findall(text))
    return "characters" if alone * 3 > sum(map(str.isalpha, text)) else "words"


def joined_of(tokens: Sequence[str], *, words: bool) -> str:
    """Words with spaces between them, but none around characters of unspaced scripts or before punctuation."""
    if not words:
        return "".join(tokens)
    text = ""
    for token in tokens:
        close = not text or ALONE.match(token) or ALONE.match(text[-1]) or (len(token) == 1 and token in ".,;:!?%)")
        text += token if close else f" {token}"
    return text
