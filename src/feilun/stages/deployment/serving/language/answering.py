"""A request's texts while they are written: into a whole answer, or into chunks; each logged under its own id."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from feilun.stages.deployment.serving import logged
from feilun.stages.deployment.serving.language import shapes

if TYPE_CHECKING:
    from feilun.core.task import Row
    from feilun.parts.store import PredictionLog
    from feilun.stages.deployment.serving.language.engine import Note, Piece
    from feilun.stages.deployment.serving.language.outgoing import Outgoing
    from feilun.stages.deployment.serving.models import Served

CANCELLED = "cancelled"  # in the log: the client went away, and saw what is logged


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A request that is understood. rows: of each text, as the model's own columns have it, for log and feedback."""

    form: shapes.Form
    served: Served
    rows: Sequence[Row]
    pieces: AsyncIterator[Piece]
    usage: Callable[[int], dict[str, int]]  # of so many tokens written
    with_notes: bool
    with_usage: bool  # at the end of a stream
    cut: Mapping[int, dict[str, int]]  # of texts whose prompts were not read whole
    is_held: bool = False  # to a schema


@dataclass(kw_only=True, slots=True)
class Told:
    """One text as far as it is written."""

    id: str
    row: Row
    text: str = ""
    tokens: int = 0
    log: float | None = None
    notes: list[Note] = field(default_factory=list)
    finish: str | None = None
    is_begun: bool = False  # sent, or some of it

    def answer(self) -> dict[str, Any]:
        """As the task itself answers."""
        known = {} if self.log is None else {"confidence": round(math.exp(self.log / max(1, self.tokens)), 4)}
        return {"text": self.text, "finish": self.finish or CANCELLED, "tokens": self.tokens, **known}


class Answering:
    """Of one order."""

    def __init__(self, order: Order, log: PredictionLog, outgoing: Outgoing) -> None:
        self._order, self._log, self._outgoing = order, log, outgoing
        self._told = [Told(id=log.new_id(), row=row) for row in order.rows]
        self._created, self._started = int(time.time()), time.perf_counter()

    async def whole(self) -> dict[str, Any]:
        """The answer when all is written."""
        order, behind = self._order, self._outgoing.behind(is_held=self._order.is_held)
        async with aclosing(order.pieces) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                await self._take(piece)
        self._note()
        choices = [
            order.form.whole(self._choice(index, told.text + behind, told.notes)) for index, told in self._each()
        ]
        return {**self._head(is_chunk=False), "choices": choices, "usage": self._usage(), **self._outgoing.facts()}

    async def chunks(self) -> AsyncIterator[dict[str, Any]]:
        """What is new, as it comes; with a filter every text whole, once it is written and has passed."""
        order = self._order
        try:
            async with aclosing(order.pieces) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    told = await self._take(piece)
                    if self._outgoing.filter is None or piece.finish:
                        yield self._chunk(piece, told)
        finally:
            self._note()
        if order.with_usage:
            yield {**self._head(is_chunk=True), "choices": [], "usage": self._usage()}

    async def _take(self, piece: Piece) -> Told:
        told = self._told[piece.choice]
        told.text += piece.text
        told.tokens, told.log, told.finish = piece.tokens, piece.log, piece.finish
        told.notes += piece.notes
        if piece.finish and self._outgoing.filter is not None:
            told.text = await asyncio.to_thread(self._outgoing.passed, told.text)
        return told

    def _chunk(self, piece: Piece, told: Told) -> dict[str, Any]:
        text = piece.text if self._outgoing.filter is None else told.text
        notes, is_first, told.is_begun = piece.notes, not told.is_begun, True
        shown = text + (self._outgoing.behind(is_held=self._order.is_held) if piece.finish else "")
        choice = self._choice(piece.choice, shown, notes, start=len(told.text) - len(text))
        made = {**self._head(is_chunk=True), "choices": [self._order.form.chunk(choice, is_first=is_first)]}
        return {**made, **({"usage": None} if self._order.with_usage else {}), **self._outgoing.facts()}

    def _choice(self, index: int, text: str, notes: Sequence[Note], start: int = 0) -> shapes.Choice:
        told = self._told[index]
        seen = notes if self._order.with_notes else None
        made = shapes.Choice(index=index, id=told.id, text=text, notes=seen, finish=told.finish, start=start)
        return replace(made, cut=self._order.cut.get(index)) if told.finish else made

    def _head(self, *, is_chunk: bool) -> dict[str, Any]:
        called = self._order.served.bundle.called
        kind = self._order.form.called(is_chunk=is_chunk)
        head = {"id": self._told[0].id, "object": kind, "created": self._created, "model": called}
        return {**head, "system_fingerprint": called}

    def _usage(self) -> dict[str, int]:
        return self._order.usage(sum(told.tokens for told in self._told))

    def _each(self) -> list[tuple[int, Told]]:
        return list(enumerate(self._told))

    def _note(self) -> None:
        """Into the log, what was told under its id; that costs the request nothing."""
        facts = {"latency_s": round(time.perf_counter() - self._started, 6)}
        for told in self._told:
            if told.is_begun or told.finish:
                logged.note(self._log, self._order.served.bundle, told.id, told.row, told.answer(), facts)
