"""Web pages: what a person reads of them, by headings; scripts, styles, navigation and hidden parts are left out."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Collection, Mapping
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
# What begins where these were not ended, so that they have ended (HTML Living Standard, 13.1.2.4).
ENDED_BY: Mapping[str, Collection[str]] = {
    "p": BLOCKS | HEADINGS.keys() | {"pre", "hr"},
    "li": {"li"},
    **dict.fromkeys(("dt", "dd"), ("dt", "dd")),
    **dict.fromkeys(("td", "th"), ("td", "th", "tr")),
    "tr": {"tr"},
}
LOOKED_UP = 50  # elements above, to find one that has ended
VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))
DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
BLANK, SPACES = re.compile(r"\s+"), re.compile(r" {2,}")
# What browsers take these names for (WHATWG, Encoding): larger ones, of which pages under the old names make use.
MEANT = {
    **dict.fromkeys(("iso8859-1", "ascii"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
HEAD_BYTES = 4096  # in which a page says how it is encoded


def read(path: Path, code: str | None) -> list[Section]:
    """A section for each heading; before the first the page's title. Raises DataError for what is no text."""
    parser = _Page()
    said = declared(path) if code is None else None
    parser.feed(encoding.text_of(path, code) if said is None else said)
    parser.close()
    return some(parser.sections(), "has no text that a person reads")


def declared(path: Path) -> str | None:
    """The page decoded as it says it is; None where it says nothing, or that does not work."""
    content = path.read_bytes()
    said = DECLARED.search(content[:HEAD_BYTES])
    try:
        name = codecs.lookup(said[1].decode()).name if said else ""
        return content.decode(MEANT.get(name, name)) if said else None
    except (LookupError, UnicodeError):
        return None


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.outline = Outline()
        self.said: list[str] = []
        self.hidden: list[str] = []  # open elements, from one that is left out on
        self.around: Counter[str] = Counter()  # open elements around it, but for those whose end may be left out
        self.level = 0  # of the heading that is open
        self.title = ""
        self.in_title = self.in_pre = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Blocks stand apart; what is left out is left out to its end."""
        self._end_untold(tag)
        if tag in VOID:
            self.said += ["\n"] if tag in ("br", "hr") and not self.hidden else []
            return
        told = dict(attrs)
        unseen = "hidden" in told or told.get("aria-hidden") == "true" or told.get("role") == "navigation"
        if self.hidden or tag in LEFT_OUT or unseen:
            if not self.hidden:
                self._flush()
            self.hidden.append(tag)
            return
        self.around[tag] += tag not in ENDED_BY
        if tag == "title":
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
        if self.hidden and not self._seen_again(tag):
            return
        self.around[tag] -= self.around[tag] > 0
        if tag == "title":
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

    def _end_untold(self, tag: str) -> None:
        """A hidden element ends where one begins that cannot stand inside it."""
        for place in range(len(self.hidden) - 1, max(-1, len(self.hidden) - LOOKED_UP), -1):
            if tag in ENDED_BY.get(self.hidden[place], ()):
                del self.hidden[place:]
            elif self.hidden[place] in BLOCKS:
                return

    def _seen_again(self, tag: str) -> bool:
        """Whether this end is that of an element around what is hidden, which has then ended too."""
        for place in range(len(self.hidden) - 1, max(-1, len(self.hidden) - LOOKED_UP), -1):
            if self.hidden[place] == tag:
                del self.hidden[place:]
                return False
        if tag == self.hidden[0]:
            self.hidden = []
        elif self.around[tag]:
            self.hidden = []
            return True
        return False

    def _flush(self) -> None:
        lines = "".join(self.said).split("\n")
        plain = lines if self.in_pre else [SPACES.sub(" ", line).strip(" ") for line in lines]
        self.outline.paragraph("\n".join(plain).strip())
        self.said = []
