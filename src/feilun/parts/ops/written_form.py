"""A form that text is held to, byte by byte: rows of parts, choices, repetitions; what may come next, and how soon it
can end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from feilun.parts.ops.next_token import OutOfBoundsError

MOST_PLACES = 512  # that one text may stand at together: what is read in more ways than that is refused
UNLIMITED = -1


@dataclass(frozen=True, eq=False, slots=True)
class Byte:
    """One byte of a set. among: bool (256,)."""

    among: np.ndarray
    shortest: int = 1


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """One part behind the other. shortest: bytes of the shortest text of this form."""

    parts: tuple[Form, ...]
    left: tuple[int, ...] = field(init=False)  # shortest of the parts from each on
    shortest: int = field(init=False)

    def __post_init__(self) -> None:
        left = [0]
        for part in reversed(self.parts):
            left.append(left[-1] + part.shortest)
        object.__setattr__(self, "left", tuple(reversed(left)))
        object.__setattr__(self, "shortest", left[-1])


@dataclass(frozen=True, eq=False, slots=True)
class Either:
    """One of several."""

    options: tuple[Form, ...]
    shortest: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shortest", min(option.shortest for option in self.options))


@dataclass(frozen=True, eq=False, slots=True)
class Repeat:
    """The same, at least and at most so many times. body: never empty."""

    body: Form
    least: int = 0
    most: int = UNLIMITED
    shortest: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shortest", self.least * self.body.shortest)


Form: TypeAlias = Byte | Row | Either | Repeat
# (form, its part or how many times it must still come, how many times it may, what comes behind it, shortest text of
# all that); None: nothing comes any more
Place: TypeAlias = "tuple[Form, int, int, Place, int] | None"
State: TypeAlias = tuple[Place, ...]  # the places of Byte where a text may stand, and None if it may be whole


def begun(form: Form) -> State:
    """Before the first byte."""
    return _opened([_start(form, None)])


def after(state: State, byte: int) -> State:
    """Behind one more byte; empty: it does not fit."""
    return _opened(place[3] for place in state if place and place[0].among[byte])  # type: ignore[union-attr]


def shortest(state: State) -> int:
    """Bytes that are missing at least."""
    return min((place[4] if place else 0 for place in state), default=0)


def rows_of(state: State) -> list[tuple[np.ndarray, State]]:
    """Every set of bytes, bool (256,), behind which the state is the same, and that state."""
    places = [place for place in state if place]
    if not places:
        return []
    sets = np.array([place[0].among for place in places])  # type: ignore[union-attr]
    columns = np.ascontiguousarray(np.packbits(sets, axis=0).T)
    _, firsts, which = np.unique(
        columns.view(np.dtype((np.void, columns.shape[1])))[:, 0], return_index=True, return_inverse=True
    )
    found = []
    for number, first in enumerate(firsts.tolist()):
        going = [place[3] for place, goes in zip(places, sets[:, first].tolist(), strict=True) if goes]
        if going:
            found.append((which == number, _opened(going)))
    return found


def bounded(state: State, most: int) -> tuple[State, int]:
    """The same for whoever reads at most `most` bytes, and how many bytes fewer are missing there: what must or may be
    repeated more often than that is, so that few states differ."""
    both = [_bounded(place, most, cuts=True) for place in state]
    fewer = {place[4] - (other[4] if other else 0) for place, other in zip(state, both, strict=True) if place}
    if len(fewer) == 1 and None not in state:
        return tuple(dict.fromkeys(both)), fewer.pop()
    return tuple(dict.fromkeys(_bounded(place, most, cuts=False) for place in state)), 0


def literal(text: bytes) -> Form:
    """Exactly this."""
    return Row(tuple(one_byte(byte) for byte in text))


@lru_cache(maxsize=1024)
def one_byte(*among: int) -> Byte:
    """One of these bytes."""
    made = np.zeros(256, bool)
    made[list(among)] = True
    made.setflags(write=False)
    return Byte(made)


def one_of(texts: Iterable[bytes]) -> Form:
    """One of these, at least one; what begins alike is one part, so that no choice is made too early."""
    found = sorted(set(texts))
    groups: dict[int, list[bytes]] = {}
    for text in found:
        if text:
            groups.setdefault(text[0], []).append(text[1:])
    ends = {byte: rest == [b""] for byte, rest in groups.items()}
    plain = [byte for byte, is_last in ends.items() if is_last]
    options: list[Form] = [one_byte(*plain)] if plain else []
    options += [Row((one_byte(byte), one_of(rest))) for byte, rest in groups.items() if not ends[byte]]
    options += [Row(())] if b"" in found else []
    return options[0] if len(options) == 1 else Either(tuple(options))


def _start(form: Form, behind: Place) -> Place:
    missing = form.shortest + (behind[4] if behind else 0)
    if isinstance(form, Repeat):
        return form, form.least, form.most, behind, missing
    return form, 0, 0, behind, missing


def _opened(places: Iterable[Place]) -> State:
    found: dict[Place, None] = {}
    work, seen = list(places)[::-1], set[Place]()
    while work:
        place = work.pop()
        if place in seen:
            continue
        seen.add(place)
        if place is None or isinstance(place[0], Byte):
            found[place] = None
        else:
            work += reversed(_inside(place))
        if len(seen) > 8 * MOST_PLACES or len(found) > MOST_PLACES:
            raise OutOfBoundsError("schema", "alternatives that differ sooner, with fewer ways to read one text", "it")
    return tuple(found)


def _inside(place: tuple[Form, int, int, Place, int]) -> Sequence[Place]:
    form, at, most, behind, _ = place
    if isinstance(form, Either):
        return [_start(option, behind) for option in form.options]
    missing = behind[4] if behind else 0
    if isinstance(form, Row):
        if at == len(form.parts):
            return [behind]
        rest = behind if at + 1 == len(form.parts) else (form, at + 1, 0, behind, form.left[at + 1] + missing)
        return [_start(form.parts[at], rest)]
    if not isinstance(form, Repeat) or most == 0:
        return [behind]
    least, left = max(0, at - 1), most if most == UNLIMITED else most - 1
    again = _start(form.body, (form, least, left, behind, least * form.body.shortest + missing))
    return [again] if at else [again, behind]


def _bounded(place: Place, most: int, *, cuts: bool) -> Place:
    """cuts: also what must be repeated."""
    if place is None:
        return None
    form, at, times, behind, missing = place
    rest = _bounded(behind, most, cuts=cuts)
    missing += (rest[4] if rest else 0) - (behind[4] if behind else 0)
    if isinstance(form, Repeat):
        least = min(at, most) if cuts else at
        missing -= (at - least) * form.body.shortest
        at, times = least, min(times, max(least, most))
    return form, at, times, rest, missing
