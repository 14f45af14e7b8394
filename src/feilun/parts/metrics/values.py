"""Columns as arrays that can be compared: numbers with NaN where nothing is known, texts, lists; and the comparing."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

_ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Unfit(ValueError):
    """A value is not what a comparison or a sum needs; the message says which and why."""


def column(given: Sequence[Any]) -> np.ndarray:
    """(N,): bool, float64 (missing is NaN), or object with texts, lists and None."""
    plain = [one.item() if isinstance(one, np.generic) else one for one in given]
    if plain and all(isinstance(one, bool) for one in plain):
        return np.array(plain, bool)
    if all(one is None or isinstance(one, int | float) for one in plain) and any(one is not None for one in plain):
        return np.array([math.nan if one is None else float(one) for one in plain], np.float64)
    made = np.empty(len(plain), object)
    for place, one in enumerate(plain):
        made[place] = one
    return made


def numbers(given: np.ndarray) -> np.ndarray:
    """float64. Raises Unfit for a text that is no number."""
    if given.dtype != object and given.dtype.kind not in "US":
        return np.asarray(given, np.float64)
    flat = np.array([_number(one) for one in given.ravel()], np.float64)
    return flat.reshape(given.shape)


def known(given: np.ndarray) -> np.ndarray:
    """float64: the numbers that are not missing."""
    found = numbers(given)
    return np.asarray(found[~np.isnan(found)])


def booleans(given: np.ndarray) -> np.ndarray:
    """bool. Raises Unfit for anything but yes and no."""
    if given.dtype != bool:
        example = given.ravel()[0] if given.size else given
        raise Unfit(f"a condition is needed here, such as score > 0.5; this is {example!r:.60}")
    return given


def quotient(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """one / other; NaN where other is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.true_divide(one, other)
    return np.where(np.isfinite(found), found, np.nan)


def equal(one: Any, other: Any) -> np.ndarray:
    """bool (N,): labels are texts, so "1" is 1; nothing known equals nothing."""
    left, right = _like(one, other)
    return np.asarray(np.asarray(left == right), bool)


def ordered(one: Any, sign: str, other: Any) -> np.ndarray:
    """bool (N,): texts by their letters, as dates want it, if both sides are texts; numbers otherwise."""
    left, right = np.asarray(one), np.asarray(other)
    with np.errstate(invalid="ignore"):
        if _is_text(left) and _is_text(right):
            shape = np.broadcast_shapes(left.shape, right.shape)
            pairs = zip(np.broadcast_to(left, shape).ravel(), np.broadcast_to(right, shape).ravel(), strict=True)
            found = [a is not None and b is not None and _ORDER[sign](str(a), str(b)) for a, b in pairs]
            return np.array(found, bool).reshape(shape)
        return np.asarray(_ORDER[sign](numbers(left), numbers(right)))


def among(one: Any, others: Sequence[Any]) -> np.ndarray:
    """bool (N,): whether it is one of these."""
    found = np.zeros(np.shape(one), bool)
    for other in others:
        found |= equal(one, other)
    return found


def inside(one: Any, lists: Any, count: int) -> np.ndarray:
    """bool (N,): whether it is in the list that stands in each row. Raises Unfit where no lists stand."""
    rows = np.broadcast_to(np.asarray(lists, object), (count,))
    wanted = np.broadcast_to(np.asarray(one, object), (count,)) if np.ndim(one) else [one] * count
    if not all(row is None or isinstance(row, list | tuple | np.ndarray) for row in rows):
        raise Unfit('after `in` stands a list, such as ["a", "b"], or a column of lists')
    return np.array([row is not None and want in list(row) for want, row in zip(wanted, rows, strict=True)], bool)


def _like(one: Any, other: Any) -> tuple[Any, Any]:
    """Both as numbers where both are; else both as texts."""
    left, right = np.asarray(one), np.asarray(other)
    if not _is_text(left) and not _is_text(right):
        return left, right
    return _texts(left), _texts(right)


def _is_text(given: np.ndarray) -> bool:
    return given.dtype == object or given.dtype.kind in "US"


def _texts(given: np.ndarray) -> np.ndarray:
    """Object array of texts: 1.0 is "1", True is "True"; None stays, equal to no text."""
    flat = np.empty(given.size, object)
    for place, one in enumerate(given.ravel().tolist()):
        flat[place] = _text(one, place)
    return flat.reshape(given.shape)


def _text(one: Any, place: int) -> Any:
    if one is None or one != one:
        return object()  # equal to nothing
    if isinstance(one, float) and one.is_integer() and not isinstance(one, bool):
        return str(int(one))
    return one if isinstance(one, str | list) else str(one)


def is_number(text: str) -> bool:
    """Whether it can be computed with."""
    try:
        _number(text)
    except Unfit:
        return False
    return True


def _number(one: Any) -> float:
    if one is None:
        return math.nan
    try:
        return float(one)
    except (TypeError, ValueError, OverflowError):
        raise Unfit(f"{one!r:.60} is no number") from None
