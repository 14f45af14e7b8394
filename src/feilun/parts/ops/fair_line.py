"""A waiting line in which nobody starves: who is being served least is next, and who waits with most gives way."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Line(Generic[T]):
    """Things that wait, each under the key of its owner."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[T]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, key: str, thing: T, most: int) -> bool:
        """Whether there was room for it among at most so many; see `gives_way` for making room."""
        if len(self) >= most:
            return False
        self._waiting.setdefault(key, deque()).append(thing)
        return True

    def gives_way(self, key: str) -> T | None:
        """The newest of the owner who waits with most, if one of `key` more would still be fewer (longest queue drop:
        McKenney 1990). It is left in the line."""
        longest = max(self._waiting, key=lambda one: len(self._waiting[one]), default=None)
        if longest is None or len(self._waiting[longest]) <= len(self._waiting.get(key, ())) + 1:
            return None
        return self._waiting[longest][-1]

    def of(self, key: str) -> list[T]:
        """What waits of this owner, oldest first."""
        return list(self._waiting.get(key, ()))

    def first(self, served: Mapping[str, int]) -> T | None:
        """The oldest of the owner of whom fewest are served now; among equals the one whose turn is longest ago."""
        chosen = min(self._waiting, key=lambda one: served.get(one, 0), default=None)
        return None if chosen is None else self._waiting[chosen][0]

    def remove(self, key: str, thing: T) -> None:
        """It waits no longer, and its owner's next turn comes after all others'. Nothing if it does not wait."""
        mine = self._waiting.pop(key, deque[T]())
        if thing in mine:
            mine.remove(thing)
        if mine:
            self._waiting[key] = mine
