"""How progress is drawn: one overwritten line on a terminal, plain lines elsewhere, JSON lines, or nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

EVERY_S = 0.1  # a terminal is redrawn at most ten times a second
EVERY_PLAIN_S = 10.0  # and a log file gets a line every ten seconds
UNITS = {"rows_per_s": "rows/s", "left_s": "left"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TerminalSay:
    """Lines on `out`; progress on one line that is overwritten if `out` is a terminal."""

    out: TextIO
    tty: bool
    columns: int = 100
    seen: dict[str, Any] = field(default_factory=dict)  # "shown": width of the line on screen; "at": when drawn

    def line(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        print(text, file=self.out, flush=True)

    def progress(self, stage: str, **fields: Any) -> None:
        """Overwrites the line; elsewhere now and then a plain line."""
        now = time.monotonic()
        new_stage = self.seen.get("stage") != stage
        if not new_stage and now - self.seen.get("at", 0.0) < (EVERY_S if self.tty else EVERY_PLAIN_S):
            return
        self.seen.update(stage=stage, at=now)
        text = sentence(stage, fields)[: self.columns - 1]
        if self.tty:
            self._clear()
            print(text, end="\r", file=self.out, flush=True)
            self.seen["shown"] = len(text) * 2  # a Chinese letter is two cells wide
        elif not new_stage or fields:
            print(text, file=self.out, flush=True)

    def close(self) -> None:
        """Leave a clean line behind."""
        self._clear()

    def _clear(self) -> None:
        width = min(self.seen.pop("shown", 0), self.columns - 1)
        if width:
            print("\r" + " " * width, end="\r", file=self.out, flush=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonSay:
    """One JSON object a line on standard error, so that standard output holds the one result."""

    out: TextIO

    def line(self, text: str) -> None:
        """`{"line": ...}`."""
        print(json.dumps({"line": text}, ensure_ascii=False), file=self.out, flush=True)

    def progress(self, stage: str, **fields: Any) -> None:
        """`{"stage": ..., "epoch": ...}`."""
        print(json.dumps({"stage": stage, **fields}, ensure_ascii=False, default=str), file=self.out, flush=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class QuietSay:
    """Says nothing."""

    def line(self, text: str) -> None:
        """Drop it."""

    def progress(self, stage: str, **fields: Any) -> None:
        """Drop it."""


def sentence(stage: str, fields: Mapping[str, Any]) -> str:
    """`train 12/30  loss 0.41  AUC 0.842  41k rows/s  0:18 left`."""
    rest = {name: value for name, value in fields.items() if value is not None}
    done = next((rest.pop(name) for name in ("epoch", "done", "step", "row") if name in rest), None)
    of = rest.pop("of", None)
    head = stage if done is None else f"{stage} {done}/{of}" if of is not None else f"{stage} {done}"
    return "  ".join([head, *(_field(name, value) for name, value in rest.items())])


def short_number(value: float) -> str:
    """41,234 -> `41k`, 0.41234 -> `0.412`."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if letter == 'k' else limit):.3g}{letter}"
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:.0f}"


def clock(seconds: float) -> str:
    """78 -> `1:18`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def default_say(*, as_json: bool, quiet: bool) -> TerminalSay | JsonSay | QuietSay:
    """The drawing that fits where standard output and standard error go."""
    if as_json:
        return QuietSay() if quiet else JsonSay(out=sys.stderr)
    if quiet:
        return QuietSay()
    import shutil

    return TerminalSay(out=sys.stdout, tty=sys.stdout.isatty(), columns=shutil.get_terminal_size((100, 24)).columns)


def _field(name: str, value: Any) -> str:
    if name == "left_s":
        return f"{clock(value)} left"
    shown = short_number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    if name in UNITS:
        return f"{shown} {UNITS[name]}"
    return shown if name == "doing" else f"{name.replace('_', ' ')} {shown}"
