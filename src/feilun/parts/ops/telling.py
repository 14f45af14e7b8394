"""The text of tokens as they come: never half a character, and nothing of a stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

STRANGE = "\ufffd"  # what bytes read as that are no character, or not one yet


@dataclass(kw_only=True, slots=True)
class Telling:
    """What may be told of a text that is still being written.

    decode: of token numbers.  stops: texts that end it; from the first of them on nothing is told.
    """

    decode: Callable[[Sequence[int]], str]
    stops: tuple[str, ...] = ()
    stopped: bool = False
    _tokens: list[int] = field(default_factory=list)
    _anchor: int = 0  # tokens from here on are read together, so that pieces that lean on others read right
    _border: int = 0  # before this one a character ended
    _read: int = 0  # letters of the anchored tokens that are taken over
    _held: str = ""  # taken over, and perhaps the beginning of a stop

    def add(self, token: int) -> str:
        """What is new to tell, which may be nothing; `stopped` is True from the first stop on."""
        if self.stopped:
            return ""
        self._tokens.append(token)
        text = self.decode(self._tokens[self._anchor :])
        is_open = text.endswith(STRANGE)
        sure = len(text) - is_open
        new, self._read = text[self._read : sure], max(self._read, sure)
        if not is_open:
            self._anchor, self._border = self._border, len(self._tokens)
            self._read = len(self.decode(self._tokens[self._anchor :]))
        return self._told(new, at_end=False)

    def end(self) -> str:
        """The rest, when no token comes any more; of a character cut off in its middle nothing."""
        rest = self.decode(self._tokens[self._anchor :])[self._read :].removesuffix(STRANGE)
        self._read += len(rest)
        return self._told(rest, at_end=True)

    def _told(self, new: str, *, at_end: bool) -> str:
        held = self._held + new
        if self.stopped:
            return ""
        found = [place for place in (held.find(stop) for stop in self.stops) if place >= 0]
        if found:
            self.stopped, self._held = True, ""
            return held[: min(found)]
        kept = 0 if at_end else max((_begun(held, stop) for stop in self.stops), default=0)
        self._held = held[len(held) - kept :]
        return held[: len(held) - kept]


def _begun(text: str, stop: str) -> int:
    """Letters at the end of the text with which the stop begins."""
    return next((count for count in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:count])), 0)
