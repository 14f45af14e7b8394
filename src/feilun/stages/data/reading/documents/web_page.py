"""Web pages: what a person reads of them, by headings; scripts, styles, navigation and hidden parts are left out."""

from __future__ import annotations

import codecs
import re
from html.parser import HTMLParser
from pathlib import Path

from feilun.parts.delimited import encoding
from feilun.stages.data.reading.documents.sections import Outline, Section, some

LEFT_OUT = frozenset(
    (
        "script",
        "style",
        "noscript",
        "template",
        "nav",
        "footer",
        "svg",
        "iframe",
        "object",
        "select",
        "button",
        "dialog",
    )
)
BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt", "fieldset"),
        *("figcaption", "figure", "form", "header", "li", "main", "ol", "p", "section", "summary", "table", "tr"),
        *("ul", "caption"),
    )
)
HEADINGS = {f"h{level}": level for level in range(1, 7)}
VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))
DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
BLANK, SPACES = re.compile(r"\s+"), re.compile(r" {2,}")
HEAD_BYTES = 4096  # in which a page says how it is encoded


def read(path: Path, code: str | None) -> list[Section]:
    """A section for each heading; before the first the page's title. Raises DataError for what is no text."""
    parser = _Page()
    parser.feed(_text(path, code))
    parser.close()
    return some(parser.sections(), "has no text that a person reads")


def _text(path: Path, code: str | None) -> str:
    """Decoded as the page says, where that works; else as any text file."""
    if code is None:
        content = path.read_bytes()
        said = DECLARED.search(content[:HEAD_BYTES])
        try:
            return content.decode(codecs.lookup(said[1].decode()).name) if said else encoding.text_of(path)
        except (LookupError, UnicodeDecodeError):
            pass
    return encoding.text_of(path, code)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.outline = Outline()
        self.said: list[str] = []
        self.hidden: list[str] = []  # open elements that are left out, or stand inside one
        self.level = 0  # of the heading that is open
        self.title = ""
        self.in_title = self.in_pre = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Blocks stand apart; what is left out is left out to its end."""
        if tag in VOID:
            self.said += ["\n"] if tag in ("br", "hr") and not self.hidden else []
            return
        told = dict(attrs)
        unseen = "hidden" in told or told.get("aria-hidden") == "true" or told.get("role") == "navigation"
        if self.hidden:
            self.hidden += [tag] if tag == self.hidden[0] else []
        elif tag in LEFT_OUT or unseen:
            self._flush()
            self.hidden = [tag]
        elif tag == "title":
            self.in_title = True
        elif tag in HEADINGS:
            self._flush()
            self.level = HEADINGS[tag]
        elif tag in ("td", "th"):
            self.said.append("\t")
        elif tag in BLOCKS or tag == "pre":
            self._flush()
            self.in_pre = tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        """A heading is known at its end."""
        if self.hidden:
            if tag == self.hidden[-1]:
                self.hidden.pop()
        elif tag == "title":
            self.in_title = False
        elif tag in HEADINGS and self.level:
            self.outline.heading(self.level, "".join(self.said))
            self.said, self.level = [], 0
        elif tag in BLOCKS or tag == "pre":
            self._flush()
            self.in_pre = False

    def handle_data(self, data: str) -> None:
        """Spaces count once, but in a pre."""
        if self.in_title:
            self.title += data
        elif not self.hidden:
            self.said.append(data if self.in_pre else BLANK.sub(" ", data))

    def sections(self) -> list[Section]:
        """All of the page."""
        self._flush()
        made, title = self.outline.close(), " ".join(self.title.split())
        return [Section(one.place or title, one.text) for one in made]

    def _flush(self) -> None:
        lines = "".join(self.said).split("\n")
        plain = lines if self.in_pre else [SPACES.sub(" ", line).strip(" ") for line in lines]
        self.outline.paragraph("\n".join(plain).strip())
        self.said = []
