"""Markdown in two languages: ours means what it says; a person's text, such as a name, is only shown."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markupsafe import escape

from feilun.stages.evaluation.bilingual import Phrase, Said, tell

HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
MARKS = re.compile(r"[\\`*\[\]|~$#]|(?<![^\W_])_|_(?![^\W_])")  # an underscore within a word means nothing
START = re.compile(r"^([-+=:]|\d+[.)])")  # of a list, a heading, a table's rule
BARE = re.compile(r"(?i)\b(https?|ftp|mailto|www)([:.])")  # an address becomes a link by itself


def escaped(text: str) -> str:
    """The text on one line, for a paragraph, a list or a cell (CommonMark, and what GitHub adds to it)."""
    line = " ".join(str(text).split())
    line = MARKS.sub(r"\\\g<0>", re.sub("[&<>]", lambda found: HTML[found[0]], line))
    line = START.sub(lambda found: f"{found[1][:-1]}\\{found[1][-1]}", line)
    return BARE.sub(lambda found: f"{found[1]}{'&#58;' if found[2] == ':' else '&#46;'}", line)


@dataclass(frozen=True, slots=True)
class Marked(Phrase):
    """A phrase that is Markdown already."""


def marked(template: str, /, **values: Said) -> Marked:
    """`tell` for Markdown: the template is ours; what fills its holes is escaped, unless it is Marked or a number."""
    return as_it_is(tell(template, **{name: _shown(value) for name, value in values.items()}))


def as_it_is(said: Phrase | str) -> Marked:
    """Markdown of ours, such as a number with its interval, that needs no escape."""
    return Marked(said.en, said.zh) if isinstance(said, Phrase) else Marked(escape(said), escape(said))


def written(said: Said, language: str) -> str:
    """Markdown in one language (en or zh) of anything: what is not Marked is escaped."""
    if isinstance(said, Marked):
        return said.of(language)
    return escaped(said.of(language) if isinstance(said, Phrase) else str(said))


def _shown(value: Said) -> Said:
    if isinstance(value, Marked | int | float):
        return value
    return Phrase(escape(written(value, "en")), escape(written(value, "zh")))
