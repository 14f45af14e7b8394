"""Going on with token sequences: prompts are read in portions, then a token a step over a cache of keys and values.

Rows join and leave between steps (continuous batching: Yu et al. 2022), and a row's neighbours change nothing of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from feilun.parts.ops import next_token
from feilun.parts.ops.held_text import Holding

READ_AT_ONCE = 512  # tokens of prompts a step, padding too: those who write wait no longer than that
BLOCK = 32  # the cache has room for a multiple of so many tokens
MOST_ROWS = 64  # at a time
MOST_BYTES = 1 << 30  # of the cache; while it grows, the old one beside it


class Step(Protocol):
    """(tokens int64 (B, T), length (B,), past (B,), cache (layers, 2, B, groups, P, head)) -> logits (B, V) after the
    last token of each row, keys and values of the new ones (layers, 2, B, groups, T, head)."""

    def __call__(
        self, *, tokens: np.ndarray, length: np.ndarray, past: np.ndarray, cache: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Of the cache, and what may be written. context: tokens that the network sees at once."""

    layers: int
    groups: int
    head: int
    context: int
    symbols: int  # numbers from here on mean nothing
    banned: tuple[int, ...] = ()  # marks that are never written


@dataclass(frozen=True, kw_only=True, slots=True)
class Pen:
    """What a bundle that writes lends to a server, which writes for many at once. ends: tokens that end a text."""

    step: Step
    sizes: Sizes
    ends: tuple[int, ...]
    decode: Callable[[Sequence[int]], str]
    written: Callable[[int], bytes]  # by a token, which may be a part of a letter; nothing by a mark
    row: Callable[[str | Sequence[tuple[str, str]]], dict[str, Any]]  # of a text, or (role, said) of turns; DataError
    prompt: Callable[[Mapping[str, Any]], list[int]]  # tokens to go on with, of such a row
    hold: Callable[[Mapping[str, Any], int], Holding]  # of a JSON schema and at most so many tokens: Wish.allowed


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is to be written behind a prompt, of which the last `context` tokens are seen.

    allowed: (tokens written so far) -> bool (symbols,), which may come next, an end among them; None: all may. May
    raise OutOfBoundsError.  whole: (tokens) -> whether that is an end; None: where an end was written it is.
    told: so many of the likeliest tokens are noted beside each chosen one; None: nothing is noted.
    """

    prompt: Sequence[int]
    longest: int
    drawing: next_token.Drawing = field(default_factory=next_token.Drawing)
    seed: Sequence[int] = (0,)
    allowed: Callable[[Sequence[int]], np.ndarray | None] | None = None
    whole: Callable[[Sequence[int]], bool] | None = None
    told: int | None = None


@dataclass(kw_only=True, slots=True, eq=False)
class Row:
    """A wish under way. ended: by an end; else there was no room for more, or it was dropped.  problem: it cannot go
    on, and has left."""

    wish: Wish
    seen: list[int]  # that the cache holds, and what comes next
    generator: np.random.Generator | None
    tokens: list[int] = field(default_factory=list)
    log: float = 0.0  # of its tokens' probabilities, summed
    notes: list[tuple[float, list[tuple[int, float]]]] = field(default_factory=list)  # of a token; of the likeliest
    ended: bool = False
    problem: next_token.OutOfBoundsError | None = None
    past: int = 0  # of what was seen, in the cache
    place: int = -1  # in the cache; none yet


@dataclass(kw_only=True, slots=True)
class Written:
    """What one row has got. ended: by an end, or by `stop`; else there was no room for more."""

    tokens: list[int] = field(default_factory=list)
    log: float = 0.0  # of its tokens' probabilities, summed
    ended: bool = False


class Batch:
    """Rows that are written together. The cache is as large as what they have seen, and never over `most_bytes`."""

    def __init__(
        self,
        step: Step,
        sizes: Sizes,
        ends: Sequence[int],
        *,
        most_rows: int = MOST_ROWS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.rows: list[Row] = []
        self._step, self._sizes, self._ends = step, sizes, tuple(ends)
        self._most_rows, self._most_bytes = most_rows, most_bytes
        self._cache = self._empty(0, 0)

    def room_for(self, wish: Wish) -> bool:
        """Whether it may join now: with all rows at their longest the cache stays within its bound."""
        longest = max(self._most(one) for one in (wish, *(row.wish for row in self.rows)))
        rows = len(self.rows) + 1
        return rows <= self._most_rows and rows * longest * self._token_bytes() <= self._most_bytes

    def bytes_for(self, wish: Wish) -> int:
        """What its keys and values take at its longest."""
        return self._most(wish) * self._token_bytes()

    def add(self, wish: Wish) -> Row:
        """It is read from the next step on. Raises ValueError for a prompt of nothing."""
        if not len(wish.prompt):
            raise ValueError("there is nothing to go on from; expected at least one token")
        generator = np.random.default_rng(wish.seed) if wish.drawing.temperature else None
        row = Row(wish=wish, seen=list(wish.prompt[-self._sizes.context :]), generator=generator)
        self.rows.append(row)
        return row

    def drop(self, row: Row) -> None:
        """It leaves; what it has got stays with it."""
        self.rows = [one for one in self.rows if one is not row]

    def advance(self) -> list[Row]:
        """One step: a portion of the prompts is read, all others write a token. -> rows that moved on; those that
        ended or are as long as was wished have left."""
        context = self._sizes.context
        for row in self.rows:
            if row.past >= context:
                row.seen, row.past = row.seen[-max(1, context // 2) :], 0
        writing = [(row, 1) for row in self.rows if len(row.seen) - row.past == 1]
        reading = _portion([(row, len(row.seen) - row.past) for row in self.rows if len(row.seen) - row.past > 1])
        self._arrange([*writing, *reading])
        moved = [row for part in (reading, writing) if part for row in self._moved(part)]
        for row in moved:
            if row.ended or len(row.tokens) >= row.wish.longest:
                row.ended = row.wish.whole(row.tokens) if row.wish.whole and not row.problem else row.ended
                self.drop(row)
        return moved

    def _moved(self, part: Sequence[tuple[Row, int]]) -> list[Row]:
        """Rows of these that are read to their end, a token further."""
        logits = self._read(part)
        there = [place for place, (row, _) in enumerate(part) if len(row.seen) == row.past]
        rows = [part[place][0] for place in there]
        if rows:
            self._write(rows, _allowed(logits[there], rows, self._sizes))
        return rows

    def _read(self, part: Sequence[tuple[Row, int]]) -> np.ndarray:
        """Logits behind so many more tokens of each row, whose keys and values come into the cache."""
        rows, counts = [row for row, _ in part], np.array([count for _, count in part], np.int64)
        past = np.array([row.past for row in rows], np.int64)
        tokens = np.zeros((len(rows), int(counts.max())), np.int64)
        for place, (row, count) in enumerate(part):
            tokens[place, :count] = row.seen[row.past : row.past + count]
        places = [row.place for row in rows]
        held = self._cache
        if len(rows) < len(self.rows) or not past.any():
            held = np.ascontiguousarray(held[:, :, places, :, : int(past.max())])
        logits, fresh = self._step(tokens=tokens, length=counts, past=past, cache=held)
        if tokens.shape[1] == 1:  # of all rows at once: one after another took a tenth as long as the network
            self._cache[:, :, places, :, past] = np.moveaxis(fresh[:, :, :, :, 0], 2, 0)
        else:
            for row, count, kept in zip(rows, counts.tolist(), np.moveaxis(fresh, 2, 0), strict=True):
                self._cache[:, :, row.place, :, row.past : row.past + count] = kept[:, :, :, :count]
        for row, count in zip(rows, counts.tolist(), strict=True):
            row.past += count
        return logits

    def _write(self, rows: Sequence[Row], logits: np.ndarray) -> None:
        """A token behind each row, of those whose logits are not -inf; where there is none, the row ends."""
        alike: dict[next_token.Drawing, list[int]] = {}
        may = (logits.max(1) != -np.inf).tolist()
        for place, row in enumerate(rows):
            if not may[place]:
                row.ended = True
            else:
                alike.setdefault(row.wish.drawing, []).append(place)
        for drawing, places in alike.items():
            some = [rows[place] for place in places]
            generators = [row.generator for row in some if row.generator is not None]
            theirs = logits if len(places) == len(rows) else logits[places]
            tokens, logs = next_token.chosen(theirs, drawing, [row.tokens for row in some], generators)
            for row, token, log, own in zip(some, tokens.tolist(), logs.tolist(), theirs, strict=True):
                row.log += log
                row.ended = token in self._ends
                if not row.ended:
                    row.tokens.append(token)
                    row.seen.append(token)
                    if row.wish.told is not None:
                        row.notes.append(_noted(own, token, row.wish.told))

    def _arrange(self, part: Sequence[tuple[Row, int]]) -> None:
        """A place in the cache for every row, and room for what is read now; made anew where that changes."""
        wanted = max((row.past + count for row, count in part), default=0)
        wanted = max([wanted, *(row.past for row in self.rows)])
        if [row.place for row in self.rows] == list(range(self._cache.shape[2])) and wanted <= self._cache.shape[4]:
            return
        made = self._empty(len(self.rows), -(-wanted // BLOCK) * BLOCK)
        for place, row in enumerate(self.rows):
            if row.past:
                made[:, :, place, :, : row.past] = self._cache[:, :, row.place, :, : row.past]
            row.place = place
        self._cache = made

    def _empty(self, rows: int, room: int) -> np.ndarray:
        sizes = self._sizes
        return np.zeros((sizes.layers, 2, rows, sizes.groups, room, sizes.head), np.float32)

    def _most(self, wish: Wish) -> int:
        return -(-min(self._sizes.context, len(wish.prompt) + wish.longest) // BLOCK) * BLOCK

    def _token_bytes(self) -> int:
        return self._sizes.layers * 2 * self._sizes.groups * self._sizes.head * 4


def gone_on(
    step: Step,
    wishes: Sequence[Wish],
    sizes: Sizes,
    *,
    ends: Sequence[int],
    stop: Callable[[Sequence[int]], bool] = lambda tokens: False,
) -> list[Written]:
    """What each wish gets, until one of `ends` comes or `stop` says so of what is written.

    Of a longer prompt its last `context` tokens are seen. Where the context is full, the last half of it is read
    again, and writing goes on behind that.  Raises OutOfBoundsError if a wish cannot be held to.
    """
    waiting, batch, rows = deque(wishes), Batch(step, sizes, ends), list[Row]()
    while waiting or batch.rows:
        while waiting and (not batch.rows or batch.room_for(waiting[0])):
            rows.append(batch.add(waiting.popleft()))
        for row in batch.advance():
            if row.problem:
                raise row.problem
            if not row.ended and stop(row.tokens):
                row.ended = True
                batch.drop(row)
    return [Written(tokens=row.tokens, log=row.log, ended=row.ended) for row in rows]


def _portion(reading: Sequence[tuple[Row, int]]) -> list[tuple[Row, int]]:
    """The first of these rows, with so many of their tokens as a step reads; of a single one what fits."""
    chosen: list[tuple[Row, int]] = []
    for row, count in reading:
        padded = max([count, *(known for _, known in chosen)]) * (len(chosen) + 1)
        if chosen and padded > READ_AT_ONCE:
            break
        chosen.append((row, min(count, READ_AT_ONCE)))
    return chosen


def _allowed(logits: np.ndarray, rows: Sequence[Row], sizes: Sizes) -> np.ndarray:
    """These logits, now with -inf where a row may not go on."""
    logits[:, list(sizes.banned)] = -np.inf
    logits[:, sizes.symbols :] = -np.inf
    for place, row in enumerate(rows):
        mask = _mask(row)
        if mask is not None:
            logits[place, : len(mask)][~mask] = -np.inf
            logits[place, len(mask) :] = -np.inf
    return logits


def _mask(row: Row) -> np.ndarray | None:
    try:
        return row.wish.allowed(row.tokens) if row.wish.allowed else None
    except next_token.OutOfBoundsError as error:  # its own: its neighbours go on
        row.problem = error
        return np.zeros(0, bool)


def _noted(logits: np.ndarray, token: int, count: int) -> tuple[float, list[tuple[int, float]]]:
    """(log-probability of the token, those of the likeliest), before penalties and temperature."""
    logs = next_token.log_softmax(logits)
    best = np.argsort(-logs, kind="stable")[:count]
    return float(logs[token]), [(int(one), float(logs[one])) for one in best if np.isfinite(logs[one])]
