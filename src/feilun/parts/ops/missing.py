"""Which values say that there is none: the texts of data.missing, and the numbers among them however they are typed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np

from feilun.parts.ops import numerals


@dataclass(frozen=True)
class Missing:
    """words: texts without space around them.  -999 among them is also the number -999.0, in text and as a number."""

    words: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def numbers(self) -> frozenset[float]:
        """The numbers among the words; as float32 columns hold them, too. 007 is a code and no number."""
        plain = {float(word) for word in self.words if _is_number(word)}
        return frozenset(number for one in plain for number in (one, _narrow(one)) if math.isfinite(number))

    def says(self, value: Any) -> bool:
        """Whether this text or number stands for no value."""
        if isinstance(value, str):
            text = value.strip()
            return text in self.words or (bool(self.numbers) and _is_number(text) and float(text) in self.numbers)
        if not self.numbers or isinstance(value, bool) or not isinstance(value, int | float | np.number):
            return False
        try:
            return float(value) in self.numbers
        except (OverflowError, TypeError):
            return False

    def among(self, numbers: np.ndarray) -> np.ndarray:
        """bool, of the same shape: which of these numbers stand for no value."""
        return np.isin(numbers, sorted(self.numbers)) if self.numbers else np.zeros(numbers.shape, bool)


@cache
def of(words: Sequence[str]) -> Missing:
    """words: data.missing, as a tuple."""
    return Missing(frozenset(word.strip() for word in words))


def _is_number(text: str) -> bool:
    return bool(numerals.PLAIN.fullmatch(text)) and not numerals.CODED_ZERO.match(text)


def _narrow(number: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(number))
