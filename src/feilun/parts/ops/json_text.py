"""Forms of JSON values in the letters that can be written. A form that nothing fits is None."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from feilun.parts.ops import written_form as forms
from feilun.parts.ops.written_form import Form

DIGITS = 15  # what a number of 64 bits keeps of a decimal one
DEEPEST_ANY = 5  # values of any form inside one another
HEXADECIMAL = "0123456789abcdefABCDEF"
WIDE = (  # ranges of the bytes of letters of several. RFC 3629, section 4
    ((0xC2, 0xDF), (0x80, 0xBF)),
    ((0xE0, 0xE0), (0xA0, 0xBF), (0x80, 0xBF)),
    ((0xE1, 0xEC), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xED, 0xED), (0x80, 0x9F), (0x80, 0xBF)),
    ((0xEE, 0xEF), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xF0, 0xF0), (0x90, 0xBF), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xF1, 0xF3), (0x80, 0xBF), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xF4, 0xF4), (0x80, 0x8F), (0x80, 0xBF), (0x80, 0xBF)),
)


class Texts:
    """JSON (RFC 8259) of these letters; None: of all, as bytes. Behind a comma and a colon comes at most a space."""

    def __init__(self, letters: Collection[str] | None) -> None:
        self._letters = None if letters is None else frozenset(letters)
        self._any: dict[int, Form | None] = {}
        self._letter = either([self._plain_letter(), self._escape()])
        self.comma, self.colon = self._spaced(","), self._spaced(":")

    def spelled(self, *spellings: str) -> str | None:
        """The first of these that can be written."""
        return next((one for one in spellings if self._letters is None or self._letters.issuperset(one)), None)

    def text(self, *spellings: str) -> Form | None:
        """Exactly this."""
        found = self.spelled(*spellings)
        return None if found is None else forms.literal(found.encode())

    def string(self, least: int = 0, most: int = forms.UNLIMITED) -> Form | None:
        """Of so many letters."""
        quote = self.text('"')
        if self._letter is None:
            return None if least else row([quote, quote])
        return row([quote, forms.Repeat(self._letter, least, most), quote])

    def number(self, *, whole: bool) -> Form | None:
        """At most DIGITS digits before the point, as many behind it, and an exponent of two."""
        digit, first = self._byte("0123456789"), self._byte("123456789")
        more = forms.Repeat(digit, 0, DIGITS - 1) if digit else None
        counted = row([_maybe(self.text("-")), either([self.text("0"), row([first, more])])])
        if whole or digit is None:
            return counted
        fraction = row([self.text("."), digit, more])
        exponent = row([self._byte("eE"), _maybe(self._byte("+-")), digit, forms.Repeat(digit, 0, 1)])
        return row([counted, _maybe(fraction), _maybe(exponent)])

    def plain(self, kind: str) -> Form | None:
        """Any string, number, integer, boolean or null."""
        if kind == "string":
            return self.string()
        if kind in ("number", "integer"):
            return self.number(whole=kind == "integer")
        return either([self.text(word) for word in (("null",) if kind == "null" else ("true", "false"))])

    def array(self, item: Form | None, least: int = 0, most: int = forms.UNLIMITED) -> Form | None:
        """Of so many of these."""
        return self._listed("[]", item, least, most)

    def members(self, value: Form | None) -> Form | None:
        """An object of any names, each with such a value."""
        return self._listed("{}", row([self.string(), self.colon, value]), 0, forms.UNLIMITED)

    def anything(self, deep: int = 0) -> Form | None:
        """Any value, to a depth of DEEPEST_ANY."""
        if deep not in self._any:
            inner = self.anything(deep + 1) if deep < DEEPEST_ANY else None
            plain = [self.plain(kind) for kind in ("string", "number", "boolean", "null")]
            self._any[deep] = either([self.members(inner), self.array(inner), *plain])
        return self._any[deep]

    def _listed(self, ends: str, item: Form | None, least: int, most: int) -> Form | None:
        opening, closing = map(self.text, ends)
        another = row([self.comma, item])
        some: Form | None = None
        if item is not None and most != 0:
            left = most if most == forms.UNLIMITED else most - 1
            more = forms.Repeat(another, max(0, least - 1), left) if another else None
            some = row([item, more or (None if least > 1 else forms.Row(())), closing])
        return row([opening, either([some, None if least else closing])])

    def _plain_letter(self) -> Form | None:
        """A letter that stands for itself inside a string."""
        if self._letters is not None:
            plain = [one for one in self._letters if one >= " " and one not in '"\\' and not "\ud800" <= one < "\ue000"]
            return forms.one_of([one.encode() for one in plain]) if plain else None
        alone = [byte for byte in range(0x20, 0x80) if chr(byte) not in '"\\']
        wide = [forms.Row(tuple(forms.one_byte(*range(a, b + 1)) for a, b in ranges)) for ranges in WIDE]
        return forms.Either((forms.one_byte(*alone), *wide))

    def _escape(self) -> Form | None:
        """A letter as an escape; halves of surrogate pairs are none."""
        digit = self._byte(HEXADECIMAL)
        high = [row([self._byte(HEXADECIMAL.replace("d", "").replace("D", "")), digit])]
        high.append(row([self._byte("dD"), self._byte("01234567")]))
        number = row([self._byte("u"), either(high), digit, digit])
        return row([self.text("\\"), either([self._byte('"\\/bfnrt'), number])])

    def _byte(self, letters: str) -> Form | None:
        found = [letter for letter in letters if self._letters is None or letter in self._letters]
        return forms.one_byte(*map(ord, found)) if found else None

    def _spaced(self, mark: str) -> Form | None:
        return row([self.text(mark), _maybe(self.text(" "))])


def either(options: Sequence[Form | None]) -> Form | None:
    """One of those that something fits."""
    found = tuple(option for option in options if option is not None)
    return None if not found else found[0] if len(found) == 1 else forms.Either(found)


def row(parts: Sequence[Form | None]) -> Form | None:
    """One behind the other."""
    found = tuple(part for part in parts if part is not None)
    return forms.Row(found) if len(found) == len(parts) else None


def _maybe(form: Form | None) -> Form:
    return forms.Repeat(form, 0, 1) if form else forms.Row(())
