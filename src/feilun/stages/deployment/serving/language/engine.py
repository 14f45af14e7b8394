"""Writes for many at once: a thread that takes texts from a fair line into one batch, and out of it when they end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feilun.core.errors import FeilunError
from feilun.parts.bundle import answering
from feilun.parts.ops.continuing import Batch
from feilun.parts.ops.fair_line import Line
from feilun.parts.ops.telling import STRANGE, Telling
from feilun.stages.deployment.serving.replies import Refused, hidden

if TYPE_CHECKING:
    from feilun.core.recipe import Serve
    from feilun.parts.ops.continuing import Pen, Row, Wish

STOP, LENGTH = "stop", "length"


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """What is known of a token. log: its log-probability.  bytes: what it writes, which of a part of a letter the text
    cannot tell; None where nobody knows.  likeliest: of the likeliest tokens, the first of them first."""

    text: str
    log: float
    bytes: bytes | None
    likeliest: tuple[Note, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """What is new of a text. tokens and log: of all of it so far. finish: stop or length, with the last piece."""

    choice: int
    text: str
    tokens: int
    log: float | None = None
    notes: tuple[Note, ...] = ()
    finish: str | None = None


@dataclass(kw_only=True, eq=False, slots=True)
class Job:
    """A request: a wish for each of its texts. deliver: called from the engine's thread."""

    key: str  # whose it is
    wishes: Sequence[Wish]
    stops: tuple[str, ...]
    deliver: Callable[[Piece | FeilunError], None]
    is_over: bool = False


@dataclass(kw_only=True, eq=False, slots=True)
class Text:
    """One text of a job."""

    job: Job
    choice: int
    telling: Telling
    row: Row | None = None  # once it has a slot
    heard: int = 0  # of the row's tokens
    noted: int = 0  # of its notes, told


class Engine:
    """Of one loaded bundle. Its thread lives, and its cache takes memory, only while there is something to write."""

    def __init__(self, pen: Pen, settings: Serve) -> None:
        self.pen = pen
        self._settings = settings
        self._lock = threading.Lock()
        self._line = Line[Text]()
        self._under_way: list[Text] = []
        self._batch = self._new_batch()
        self._thread: threading.Thread | None = None

    @property
    def counts(self) -> dict[str, int]:
        """{writing, waiting}: texts."""
        return {"writing": len(self._under_way), "waiting": len(self._line)}

    async def pieces(self, key: str, wishes: Sequence[Wish], stops: tuple[str, ...]) -> AsyncIterator[Piece]:
        """Of all texts as they are written, each to its end. Left early, it frees their slots at once.

        Raises Refused 400 for what no cache can hold, 503 where too many wait, and what went wrong while writing.
        """
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[Piece | FeilunError]()
        job = Job(
            key=key,
            wishes=wishes,
            stops=stops,
            deliver=lambda piece: loop.call_soon_threadsafe(queue.put_nowait, piece),  # type: ignore[arg-type]
        )
        self.submit(job)
        left = len(wishes)
        try:
            while left:
                piece = await queue.get()
                if isinstance(piece, FeilunError):
                    raise piece
                left -= piece.finish is not None
                yield piece
        finally:
            self.cancel(job)

    def submit(self, job: Job) -> None:
        """Raises Refused, see `pieces`; then none of its texts is written."""
        for wish in job.wishes:
            self._require_fit(wish)
        with self._lock:
            for choice in range(len(job.wishes)):
                text = Text(job=job, choice=choice, telling=Telling(decode=self.pen.decode, stops=job.stops))
                if not (self._waits(text) or (self._made_room(job) and self._waits(text))):
                    self._forget(job)
                    raise _busy(len(self._line))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="writing", daemon=True)
                self._thread.start()

    def cancel(self, job: Job) -> None:
        """Its texts wait no longer, and leave the batch before the next step. Nothing if it is over."""
        with self._lock:
            self._forget(job)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._take()
                if not self._under_way:
                    self._batch, self._thread = self._new_batch(), None
                    return
            try:
                moved = {id(row) for row in self._batch.advance()}
            except Exception:
                logging.getLogger("feilun.serve").exception("writing failed")
                self._fail()
                continue
            with self._lock:
                for text in [one for one in self._under_way if id(one.row) in moved]:
                    self._tell(text)

    def _take(self) -> None:
        """Texts into free slots, from the line; those that nobody waits for out of theirs."""
        for text in [one for one in self._under_way if one.job.is_over]:
            self._leave(text)
        while len(self._under_way) < self._settings.slots:
            following = self._line.first(Counter(one.job.key for one in self._under_way))
            if following is None or not self._batch.room_for(wish := following.job.wishes[following.choice]):
                return
            self._line.remove(following.job.key, following)
            following.row = self._batch.add(wish)
            self._under_way.append(following)

    def _tell(self, text: Text) -> None:
        row, telling = text.row, text.telling
        if row is None or text.job.is_over:
            return
        if row.problem:
            self._forget(text.job)
            self._deliver(text.job, answering.refused(row.problem))
            return
        new = "".join(telling.add(token) for token in row.tokens[text.heard :])  # an end is none of the tokens
        text.heard = len(row.tokens)
        is_full = len(row.tokens) >= row.wish.longest
        finish = STOP if row.ended or telling.stopped else LENGTH if is_full else None
        if finish:
            new += telling.end()
            finish = STOP if telling.stopped else finish
            self._leave(text)
        if not new and not finish:
            return
        known = zip(row.tokens[text.noted :], row.notes[text.noted :], strict=bool(row.notes))
        notes, text.noted = tuple(self._note(*one) for one in known), len(row.notes)
        piece = Piece(choice=text.choice, text=new, tokens=len(row.tokens), log=row.log, notes=notes, finish=finish)
        self._deliver(text.job, piece)

    def _note(self, token: int, note: tuple[float, list[tuple[int, float]]]) -> Note:
        return self._spelt(token, note[0], tuple(self._spelt(one, log) for one, log in note[1]))

    def _spelt(self, token: int, log: float, likeliest: tuple[Note, ...] = ()) -> Note:
        text = self.pen.decode([token])
        written = (self.pen.written(token) or None) if STRANGE in text else text.encode()
        return Note(text=text, log=log, bytes=written, likeliest=likeliest)

    def _leave(self, text: Text) -> None:
        self._under_way.remove(text)
        if text.row is not None:
            self._batch.drop(text.row)

    def _fail(self) -> None:
        """Everybody whose text was under way hears of it; those who wait are served."""
        with self._lock:
            jobs = {id(text.job): text.job for text in self._under_way}
            for job in jobs.values():
                self._forget(job)
                self._deliver(job, hidden())
            self._under_way, self._batch = [], self._new_batch()

    def _waits(self, text: Text) -> bool:
        """Whether there is a place in the line, or a slot that is still free."""
        settings = self._settings
        return self._line.add(text.job.key, text, settings.queue + settings.slots - len(self._under_way))

    def _made_room(self, job: Job) -> bool:
        """Whether another request, of the key with most of them waiting, gave way for this one."""
        other = self._line.gives_way(job.key)
        if other is None or any(text.job is other.job for text in self._under_way):
            return False
        self._forget(other.job)
        self._deliver(other.job, _busy(len(self._line)))
        return True

    def _forget(self, job: Job) -> None:
        """It waits no longer; the thread takes what is under way out of the batch."""
        job.is_over = True
        for text in self._line.of(job.key):
            if text.job is job:
                self._line.remove(job.key, text)

    def _deliver(self, job: Job, piece: Piece | FeilunError) -> None:
        with contextlib.suppress(RuntimeError):  # its loop is closed: the server stops
            job.deliver(piece)

    def _new_batch(self) -> Batch:
        settings, pen = self._settings, self.pen
        return Batch(pen.step, pen.sizes, pen.ends, most_rows=settings.slots, most_bytes=self._most_bytes())

    def _most_bytes(self) -> int:
        return int(self._settings.cache_mb * 1e6) // 2  # while it grows, the old one beside the new

    def _require_fit(self, wish: Wish) -> None:
        needed = self._batch.bytes_for(wish)
        if needed > self._most_bytes():
            raise Refused(
                400,
                f"Prompt and answer need {2 * needed / 1e6:.0f} MB of keys and values; serve.cache_mb allows "
                f"{self._settings.cache_mb:g}.",
                where="max_tokens",
                expected=f"at most {self._settings.cache_mb:g} MB",
                got=f"{2 * needed / 1e6:.0f} MB",
                fix="ask for fewer tokens",
            )


def _busy(waiting: int) -> Refused:
    return Refused(
        503,
        f"{waiting} texts are waiting already.",
        retry_after_s=1,
        where="serve.queue",
        expected="a place in the line",
        got=f"{waiting} waiting",
        fix="send it again after a second",
    )
