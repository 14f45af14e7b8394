"""Ctrl-C and SIGTERM: the first asks for a stop at the next safe point, the second quits at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True, eq=False)
class Stop:
    """Whether somebody asked to stop."""

    asked: bool = False


_watching: list[Stop] = []


def ask() -> None:
    """Ask what is being watched in this process to stop, as the first Ctrl-C does; from any thread."""
    for stop in _watching:
        stop.asked = True


@contextmanager
def watched() -> Iterator[Stop]:
    """Catch both signals inside. Python delivers signals to the main thread only: elsewhere only `ask` is heard."""
    stop = Stop()
    _watching.append(stop)
    try:
        if threading.current_thread() is threading.main_thread():
            with _caught(stop):
                yield stop
        else:
            yield stop
    finally:
        _watching.remove(stop)


@contextmanager
def _caught(stop: Stop) -> Iterator[None]:

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None stands for a handler that was not installed from Python and cannot be put back
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
