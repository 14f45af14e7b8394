"""Telling a person what happens, when nobody draws it; and the lock that keeps two runs of one name apart."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from feilun.core.errors import BusyError


class Quiet:
    """A Say that says nothing."""

    def line(self, text: str) -> None:
        """Drop it."""

    def progress(self, stage: str, **fields: Any) -> None:
        """Drop it."""


class Heard:
    """A Say that keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        """Keep it."""
        self.lines.append(text)

    def progress(self, stage: str, **fields: Any) -> None:
        """Drop it."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold this folder's lock; the system lets go of it when the process ends, however it ends. BusyError if taken."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as file:
        try:
            _lock(file.fileno())
        except OSError as error:
            raise BusyError(
                f"{folder} is being worked on by another process. Wait for it, or stop it, and try again.",
                where=str(folder),
                fix="try again later",
            ) from error
        yield


def peak_memory_mb() -> float:
    """The most memory this process ever held, in MB; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 1024), 1)


def cpu_seconds() -> float:
    """Processor time of all threads of this process, and of those it started that have ended, in seconds."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _lock(handle: int) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
