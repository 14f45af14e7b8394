"""Plain text and Markdown: sections by headings where Markdown has them."""

from __future__ import annotations

import re
from pathlib import Path

from feilun.parts.delimited import encoding
from feilun.stages.data.reading.documents.sections import Outline, Section, some

EMPTY = "is empty"
HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*\s*$")
UNDERLINE = re.compile(r"(=+|-+)\s*$")
FENCE = re.compile(r"\s*(`{3,}(?!.*`)|~~~)")
FRONT = re.compile(r"---\s*\n.*?\n---\s*\n", re.DOTALL)
LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*(?:\s+\"[^\"\n]*\")?\)")


def read_text(path: Path, code: str | None) -> list[Section]:
    """The whole text as one section. Raises DataError for what is no text."""
    return some([Section("", encoding.text_of(path, code))], EMPTY)


def read_markdown(path: Path, code: str | None) -> list[Section]:
    """A section for each heading; of links only their words. What stands between fences is left as it is."""
    content = encoding.text_of(path, code)
    front = FRONT.match(content)
    lines = content[front.end() if front else 0 :].splitlines()
    outline, block, fenced = Outline(), list[str](), False
    for line in lines:
        fenced ^= FENCE.match(line) is not None
        found = None if fenced else HEADING.match(line)
        below = None if fenced or len(block) != 1 else UNDERLINE.match(line)
        if found or below:
            title = found[2] if found else block.pop()
            outline.paragraph("\n".join(block))
            outline.heading(len(found[1]) if found else (1 if line[0] == "=" else 2), LINK.sub(r"\1", title))
            block = []
        elif line.strip() or fenced:
            block.append(line if fenced else LINK.sub(r"\1", line))
        else:
            outline.paragraph("\n".join(block))
            block = []
    outline.paragraph("\n".join(block))
    return some(outline.close(), EMPTY)
