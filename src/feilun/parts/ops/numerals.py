"""Numbers as people type them: 3,14 and 1.234,56 in one country, 1,234.56 in another; plain is what Python reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

NEARLY_ALL = 0.95  # of the values; the rest stays as it is and counts as words
PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
CODED_ZERO = re.compile(r"-?0\d", re.ASCII)  # how codes such as 007 begin: as numbers they would lose their zeros
_SPACES = " \u00a0\u202f\u2009'\u2019"  # between thousands, in Paris, in Zurich and by ISO 80000
_WHOLE = r"[+-]?(?:[1-9]\d{0,2}([%s])\d{3}(?:\1\d{3})*|\d+|(?=[.,]))"
_MARKS = {
    ",": re.compile(_WHOLE % f".{_SPACES}" + r"(?:,\d+)?", re.ASCII),
    ".": re.compile(_WHOLE % f",{_SPACES}" + r"(?:\.\d+)?", re.ASCII),
}
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+", re.ASCII)  # 1.234: plain, or thousands where commas are decimal
_TAKEN_OUT = str.maketrans("", "", _SPACES)
FOREIGN = f",{_SPACES}"  # a number without these is plain, or thousands with points


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """How the values of a column are written. comma, point: only with that decimal mark; unclear: 1,234 is 1234 or
    1.234; spaced: the same in both, such as 1 234; dotted: plain with a point; grouped: of these, such as 1.234.
    """

    values: int
    plain: int
    comma: int
    point: int
    unclear: int
    spaced: int
    dotted: int
    grouped: int

    @property
    def are_numbers(self) -> bool:
        """Whether nearly all values are numbers in some spelling."""
        numbers = self.plain + self.comma + self.point + self.unclear + self.spaced
        return self.values > 0 and numbers >= NEARLY_ALL * self.values

    @property
    def contradicts(self) -> bool:
        """Whether 3,14 stands beside 2.5 or 1,234.5."""
        return self.comma > 0 and (self.point > 0 or self.has_points)

    @property
    def has_points(self) -> bool:
        """Whether a point is the decimal mark somewhere, as in 3.5: then 4,998 beside it is 4998."""
        return self.dotted > self.grouped

    @property
    def is_open(self) -> bool:
        """Whether there are such as 1,234, and nothing in the column says whether that is 1234 or 1.234."""
        return self.are_numbers and self.unclear > 0 and not (self.comma or self.point or self.has_points)


def look(values: Iterable[str | None], missing: Collection[str] = ("",)) -> Seen:
    """How these values are written; missing ones do not count."""
    count = dict.fromkeys(Seen.__slots__, 0)
    for value in values:
        text = value.strip() if value else ""
        if not text or text in missing:
            continue
        count["values"] += 1
        kind = _kind(text)
        if kind:
            count[kind] += 1
        if kind == "plain" and "." in text:
            count["dotted"] += 1
            count["grouped"] += _GROUPED.fullmatch(text) is not None
    return Seen(**count)


def agreed(columns: Iterable[Seen]) -> str | None:
    """The decimal mark on which all clear columns of a file agree, if there is one."""
    clear = [seen for seen in columns if seen.are_numbers and not seen.contradicts]
    marks = {mark for seen in clear for mark, count in ((",", seen.comma), (".", seen.point)) if count}
    return marks.pop() if len(marks) == 1 else None


def mark(seen: Seen, said: str | None, agreed: str | None, delimiter: str) -> str | None:
    """The decimal mark by which a column is to be read, or None where it is plain, no numbers, or contradicts itself.

    said: by the user, which decides.  Else the column itself does, then what the file's columns `agreed` on.  Where
    nothing tells, 1,234 is thousands, but for files cut at semicolons, which spreadsheets write where commas are
    decimal.
    """
    if not seen.are_numbers or (seen.contradicts and said is None):
        return None
    known = said or ("," if seen.comma else "." if seen.point or seen.has_points else agreed)
    if seen.comma + seen.point + seen.unclear + seen.spaced:
        return known or ("," if delimiter == ";" else ".")
    return "," if known == "," and 0 < seen.grouped == seen.dotted else None


def plain(value: str, decimal: str) -> str:
    """The number as Python reads it; what is no number with this decimal mark stays as it is."""
    text = value.strip()
    if not _MARKS[decimal].fullmatch(text) or not any(letter.isdigit() for letter in text):
        return value
    text = text.translate(_TAKEN_OUT)
    return text.replace(".", "").replace(",", ".") if decimal == "," else text.replace(",", "")


def _kind(text: str) -> str:
    if PLAIN.fullmatch(text):
        return "plain"
    fits = {decimal: plain(text, decimal) for decimal in _MARKS}
    fits = {decimal: number for decimal, number in fits.items() if PLAIN.fullmatch(number)}
    if len(fits) == 2:
        return "spaced" if fits[","] == fits["."] else "unclear"
    return {",": "comma", ".": "point"}[next(iter(fits))] if fits else ""
