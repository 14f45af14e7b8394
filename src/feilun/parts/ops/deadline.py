"""A time after which work in this thread is given up: whoever computes step by step asks before each of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_OWN = threading.local()


class OverError(Exception):
    """Nobody waits for the answer any longer."""


@contextmanager
def until(instant: float) -> Iterator[None]:
    """Inside, and in this thread, `check` raises from this instant of `time.monotonic` on."""
    before = getattr(_OWN, "instant", None)
    _OWN.instant = instant
    try:
        yield
    finally:
        _OWN.instant = before


def check() -> None:
    """Raises OverError where the time is over."""
    instant = getattr(_OWN, "instant", None)
    if instant is not None and time.monotonic() > instant:
        raise OverError("the time for this answer is over")
