"""Those who look on while a network learns: what they are told, how often, and that none of them can stop it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from feilun.core.errors import FeilunError
from feilun.core.protocols import Say

EVERY_S = 0.5  # between two points within an epoch


class Watcher(Protocol):
    """Keeps curves. Whatever goes wrong it raises as OSError or FeilunError; it is told no more then."""

    def begin(self, step: int) -> None:
        """step: made so far, 0 at the start. Points of later steps that it has already will come again."""

    def note(self, step: int, values: Mapping[str, float]) -> None:
        """{name of a curve: value} after so many steps."""

    def end(self, *, finished: bool) -> None:
        """Nothing more comes. finished: training came to its end, it was not stopped."""


class Curves:
    """The watchers of one training. A class because the loss since the last point is summed between calls."""

    def __init__(self, watchers: Sequence[Watcher], say: Say) -> None:
        self.watchers, self.say = list(watchers), say
        self.total, self.rows = 0.0, 0  # summed loss and rows since the last point
        self.last = time.monotonic()

    @contextmanager
    def over(self, step: int) -> Iterator[None]:
        """Begin, and end whatever happens inside. step: made so far."""
        finished = False
        self._each("begin", step)
        try:
            yield
            finished = True
        finally:
            self._each("end", finished=finished)

    def add(self, loss: float, rows: int) -> None:
        """One step's mean loss."""
        self.total += loss * rows
        self.rows += rows

    def step(self, step: int, learning_rate: float, rows_per_s: float | None) -> None:
        """A point now and then: the mean loss since the last one, learning rate and speed."""
        now = time.monotonic()
        if not self.rows or now - self.last < EVERY_S:
            return
        values = {"loss": self.total / self.rows, "learning_rate": learning_rate, "rows_per_s": rows_per_s}
        self.total, self.rows, self.last = 0.0, 0, now
        self._note("step", step, values)

    def epoch(self, step: int, point: Mapping[str, Any]) -> None:
        """point: an entry of `Fitted.curves`."""
        values = {name: value for name, value in point.items() if name not in ("epoch", "losses")}
        self._note("epoch", step, values | {f"loss/{player}": x for player, x in point.get("losses", {}).items()})

    def _note(self, group: str, step: int, values: Mapping[str, float | None]) -> None:
        self._each("note", step, {f"{group}/{name}": x for name, x in values.items() if x is not None})

    def _each(self, what: str, *args: Any, **options: Any) -> None:
        for watcher in list(self.watchers):
            try:
                getattr(watcher, what)(*args, **options)
            except (OSError, FeilunError) as error:
                self.watchers.remove(watcher)
                said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                self.say.line(f"{type(watcher).__name__} gets no more curves ({said}); training goes on.")
