"""Numbers written with their unit: $3.50, 12 kg, 85 %, 3,5 km. Training and answering take the same unit off."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from feilun.parts.ops import numerals

NEARLY_ALL = 0.95
MONEY = r"[$€£¥₹₽]|US\$|R\$|(?:USD|EUR|GBP|CHF|CNY|RMB|JPY|INR)\b"
SPACE = "[\\s\u00a0\u202f]?"
# By decimal mark. 007 is a code and no number.
NUMBERS = {
    ".": r"(?:(?:0|[1-9][0-9]*)|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.[0-9]+)?",
    ",": r"(?:(?:0|[1-9][0-9]*)|[1-9][0-9]{0,2}(?:\.[0-9]{3})+)(?:,[0-9]+)?",
}
AFTER = r"[%‰°µA-Za-zΩ€£¥$\u4e00-\u9fff][\w/²³°%.]{0,11}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """What stands before and behind the numbers of a column, and the decimal mark of these numbers."""

    before: str = ""
    after: str = ""
    decimal: str = "."

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.before}{self.after}"

    @property
    def form(self) -> str:
        """The expression of a cell, here and in RE2: groups sign, inner (a sign behind the unit) and number."""
        before, after = (f"(?:{re.escape(part)})" for part in (self.before, self.after))
        number = f"(?P<number>{NUMBERS[self.decimal]})"
        return rf"^(?P<sign>[+-]?){before}{SPACE}(?P<inner>[+-]?){number}{SPACE}{after}$"

    def bare(self, text: str) -> str | None:
        """The number as Python reads it; None where the text is no number with this unit."""
        found = re.fullmatch(self.form, text.strip())
        number = numerals.plain(found["number"], self.decimal) if found else ""
        return f"{found['sign']}{found['inner']}{number}" if found else None


def shared(texts: list[str], decimal: str) -> Unit | None:
    """The unit that nearly all of these texts have, if different numbers stand there."""
    cell = re.compile(
        rf"^(?P<sign>[+-]?)(?P<before>{MONEY})?{SPACE}(?P<inner>[+-]?)(?P<number>{NUMBERS[decimal]}){SPACE}"
        rf"(?P<after>{AFTER})?$"
    )
    matches = [match for text in texts if (match := cell.match(text))]
    found = [((match["before"] or "", match["after"] or ""), match["number"]) for match in matches]
    units = Counter(unit for unit, _ in found)
    (before, after), count = units.most_common(1)[0] if units else (("", ""), 0)
    different = {number for own, number in found if own == (before, after)}
    is_unit = bool(before or after) and count >= NEARLY_ALL * len(texts) and len(different) > 1
    return Unit(before=before, after=after, decimal=decimal) if is_unit else None
