"""Which tokens may come next where text is held to a form, for every piece of a vocabulary at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from feilun.parts.ops import json_schema
from feilun.parts.ops import written_form as forms

LONGEST_PIECE = 32  # bytes; longer tokens are not written where a form is held to
MOST_STATES = 8192  # remembered, a kilobyte each
MASK_BYTES = 8 << 20  # of what is remembered behind states
DEAD = np.iinfo(np.uint16).max
NOT_YET = -2
FIRST_WIDE = 0x80  # bytes from here on are parts of letters


def to_schema(schema: Mapping[str, Any], pieces: Pieces, end: int) -> Held:
    """The vocabulary held to JSON of this schema, see `json_schema.compiled`, which raises OutOfBoundsError.

    The last few are kept with all that was found out about them. end: the token number that ends a text.
    """
    return _to_schema(json_schema.spelled(schema), pieces, end)


@lru_cache(maxsize=8)
def _to_schema(schema: str, pieces: Pieces, end: int) -> Held:
    return Held(json_schema.compiled(json.loads(schema), pieces.letters), pieces, end)


class Pieces:
    """The bytes that every token number writes; b"" for marks.  letters: that can be written; None: every byte can."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        alone = {piece for piece in pieces if len(piece) == 1}
        self.letters: frozenset[str] | None = None
        if any(bytes([byte]) not in alone for byte in (*range(0x20, FIRST_WIDE), *range(FIRST_WIDE, 0xC0), *WIDE)):
            pieces = [piece if _text(piece) else b"" for piece in pieces]
            self.letters = frozenset(text for text in map(_text, pieces) if len(text) == 1)
        kept = [piece if len(piece) <= LONGEST_PIECE else b"" for piece in pieces]
        self.lengths = np.array([len(piece) for piece in kept], np.int64)
        self.bytes = np.zeros((len(kept), max(1, int(self.lengths.max(initial=0)))), np.uint8)
        for number, piece in enumerate(kept):
            self.bytes[number, : len(piece)] = list(piece)
        self.written = kept


WIDE = range(0xC2, 0xF5)  # bytes that begin a letter of several. RFC 3629


class Held:
    """A form over the pieces of a vocabulary. end: the token number that ends a text.

    Tables are made as states come up and are kept for whoever writes next; threads may share it.
    """

    def __init__(self, form: forms.Form, pieces: Pieces, end: int) -> None:
        self.begun, self.pieces, self.end = forms.begun(form), pieces, end
        self._lock = threading.Lock()
        self._states: list[forms.State] = []
        self._shortest: list[int] = []
        self._numbers: dict[forms.State, int] = {}
        self._table = np.full((64, 256), NOT_YET, np.int32)
        self._masks: dict[forms.State, np.ndarray] = {}

    def missing(self, state: forms.State) -> tuple[np.ndarray, int]:
        """Bytes that are missing at least behind each token: uint16 (V,), DEAD where it does not fit, and so many more
        behind every one that fits."""
        state, more = forms.bounded(state, LONGEST_PIECE + 1)
        with self._lock:
            if state not in self._masks:
                if len(self._masks) * 2 * len(self.pieces.lengths) >= MASK_BYTES:
                    self._masks.clear()
                self._masks[state] = self._read(state)
            return self._masks[state], more

    def _read(self, state: forms.State) -> np.ndarray:
        """All tokens walk through the table together, a byte at a time."""
        if len(self._states) > MOST_STATES:
            self._states, self._shortest, self._numbers = [], [], {}
            self._table[:] = NOT_YET
        lengths, pieces = self.pieces.lengths, self.pieces.bytes
        stands = np.full(len(lengths), self._number(state), np.int64)
        stands[lengths == 0] = -1
        going = np.flatnonzero(lengths)
        for place in range(pieces.shape[1]):
            going = going[lengths[going] > place]
            for number in np.unique(stands[going]):
                if self._table[number, 0] == NOT_YET:
                    self._fill(int(number))
            stands[going] = self._table[stands[going], pieces[going, place]]
            going = going[stands[going] >= 0]
        return np.array([*self._shortest, DEAD], np.uint16)[stands]

    def _fill(self, number: int) -> None:
        row = np.full(256, -1, np.int32)
        for among, state in forms.rows_of(self._states[number]):
            row[among] = self._number(state)
        self._table[number] = row

    def _number(self, state: forms.State) -> int:
        found = self._numbers.setdefault(state, len(self._states))
        if found == len(self._states):
            self._states.append(state)
            self._shortest.append(min(forms.shortest(state), DEAD - 1))
            if found == len(self._table):
                self._table = np.concatenate([self._table, np.full_like(self._table, NOT_YET)])
        return found


class Holding:
    """One text that is being written, of at most `longest` tokens."""

    def __init__(self, held: Held, longest: int) -> None:
        self._held, self._longest = held, longest
        self._read, self._state = list[int](), held.begun

    def allowed(self, tokens: Sequence[int]) -> np.ndarray:
        """bool (V,): which may come behind these.

        The end, where the text is whole. Else what leaves room to come to an end within `longest` tokens, each byte
        counted as one; where there is no such token, those behind which the least is missing.
        """
        state = self._at(tokens)
        missing, more = self._held.missing(state)
        found: np.ndarray = missing <= min(self._longest - len(tokens) - 1 - more, DEAD - 1)
        least = missing.min()
        if not found.any() and None not in state and least < DEAD:
            found = missing == least
        found[self._held.end] = None in state
        return found

    def whole(self, tokens: Sequence[int]) -> bool:
        """Whether these are a text of the form."""
        return None in self._at(tokens)

    def _at(self, tokens: Sequence[int]) -> forms.State:
        known = len(self._read)
        if self._read != list(tokens[:known]):
            self._read, self._state, known = [], self._held.begun, 0
        for token in tokens[known:]:
            for byte in self._held.pieces.written[token]:
                self._state = forms.after(self._state, byte)
            self._read.append(token)
        return self._state


def _text(piece: bytes) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return ""
