"""CoNLL: a token a line with its tag in the last column, an empty line between texts; BIO, IOB, BIOES and BILOU."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.parts.delimited import encoding
from feilun.parts.features.text import ALONE
from feilun.stages.data.reading import raw

TEXT, SPANS = "text", "spans"
BEGINS, ENDS, ALONE_TAGS, GOES_ON = ("B", "S", "U"), ("E", "L"), ("S", "U"), ("I", "M")
OUTSIDE = "O"
DOCUMENT = "-DOCSTART-"


def read(path: Path, data: Data, most: raw.Most) -> raw.Raw:
    """Columns text, tokens with spaces between them, and spans, JSON. Raises DataError naming the wrong line."""
    with raw.opened(path):
        content = encoding.text_of(path, data.encoding)
    texts, spans, total = [], [], 0
    for tokens, tags in _blocks(content, path):
        total += 1
        if most.rows is None or total <= most.rows:
            text, found = _spans(tokens, tags)
            texts.append(text)
            spans.append(json.dumps(found, ensure_ascii=False))
    if not texts:
        raise DataError(f"{path} has no texts. Add some.", where=str(path), fix="a token and its tag a line")
    table = pa.table({TEXT: pa.array(texts, pa.string()), SPANS: pa.array(spans, pa.string())})
    return raw.of(table, str(path), kinds={TEXT: "text"}, target=SPANS, rows=total)


def _blocks(content: str, path: Path) -> Iterator[tuple[list[str], list[str]]]:
    tokens: list[str] = []
    tags: list[str] = []
    for number, line in enumerate([*content.splitlines(), ""], 1):
        cells = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or cells[0] == DOCUMENT:
            if tokens:
                yield tokens, tags
            tokens, tags = [], []
            continue
        if line.startswith("# ") and "\t" not in line and not tokens and not _is_tag(cells[-1]):
            continue  # a remark before a text
        if len(cells) < 2 or not _is_tag(cells[-1].strip()):
            raise DataError(
                f"{path}, line {number}: {line[:60]!r} is no token with a tag behind it, such as `Rome\\tB-place` or "
                "`was\\tO`.",
                where=f"{path}, line {number}",
                expected="a token and a tag",
                got=line[:60],
                fix="correct the line",
            )
        tokens.append(cells[0].strip())
        tags.append(cells[-1].strip())


def _is_tag(tag: str) -> bool:
    kind, mark, label = tag.partition("-")
    return tag == OUTSIDE or (kind in (*BEGINS, *ENDS, *GOES_ON) and bool(mark and label))


def _spans(tokens: list[str], tags: list[str]) -> tuple[str, list[dict[str, Any]]]:
    """The text, and its spans. A tag that goes on with another label, or after none, begins a span (IOB)."""
    text, found = "", list[dict[str, Any]]()
    running = ""
    for token, tag in zip(tokens, tags, strict=True):
        close = not text or (ALONE.match(token) and ALONE.match(text[-1]))
        text += token if close else f" {token}"
        kind, _, label = tag.partition("-")
        if tag == OUTSIDE:
            running = ""
            continue
        if running == label and kind not in BEGINS:
            found[-1]["end"] = len(text)
        else:
            found.append({"start": len(text) - len(token), "end": len(text), "label": label})
        running = "" if kind in (*ENDS, *ALONE_TAGS) else label
    return text, found
