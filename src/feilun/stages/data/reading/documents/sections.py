"""What every kind of document gives: its sections, in order. A section is a page, or what stands below a heading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

LARGEST_BYTES = 64 << 20  # of a file, and of what is unpacked from one
BELOW = " > "  # between a heading and the one above it


class UnreadableError(Exception):
    """Why a document gives no text, in words that follow its name: `is encrypted`."""


@dataclass(frozen=True, slots=True)
class Section:
    """place: `page 3`, or headings such as `Returns > Fees`; empty where there are none.  text: what stands there."""

    place: str
    text: str


@dataclass(slots=True)
class Outline:
    """Sections while a document is read from its beginning to its end."""

    made: list[Section] = field(default_factory=list)
    headings: list[tuple[int, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    bare: bool = False  # nothing stands below the last heading yet

    def heading(self, level: int, text: str) -> None:
        """A heading begins a section; headings of its own level and below end with it."""
        self.close(level)
        words = " ".join(text.split())
        if words:
            self.headings = [*((depth, name) for depth, name in self.headings if depth < level), (level, words)]
            self.bare = True

    def paragraph(self, text: str) -> None:
        """Lines of text, apart from others."""
        if text.strip():
            self.lines.append(text.strip("\n"))

    def close(self, level: int = 0) -> list[Section]:
        """All sections so far. A heading below which nothing stands, not even a heading, is a text of its own."""
        place = BELOW.join(name for _, name in self.headings)
        if self.lines:
            self.made.append(Section(place, "\n\n".join(self.lines)))
        elif self.bare and level <= self.headings[-1][0]:
            self.made.append(Section(place, self.headings[-1][1]))
        self.lines, self.bare = [], False
        return self.made


def some(sections: Iterable[Section], otherwise: str) -> list[Section]:
    """Those that have text. Raises UnreadableError, with these words, where none has."""
    found = [section for section in sections if section.text.strip()]
    if not found:
        raise UnreadableError(otherwise)
    return found
