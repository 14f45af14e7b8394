"""Progress in a notebook: one line of text with a bar, drawn in place; IPython is noticed, never imported."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any, TextIO

WIDE = 20  # signs of a full bar
EVERY_S = 0.2  # a page is slower to draw than a terminal


@dataclass(frozen=True, kw_only=True, slots=True)
class NotebookSay:
    """Lines that stay, and below them one that is drawn over."""

    out: TextIO | None = None  # the cell's standard output where left out
    seen: dict[str, Any] = field(default_factory=dict)  # "stage", "at": when drawn, "wide": letters of the line

    def line(self, text: str) -> None:
        """A line that stays."""
        self._draw("")
        print(text, file=self.out or sys.stdout, flush=True)

    def progress(self, stage: str, **fields: Any) -> None:
        """Draws over the last line, a few times a second; a new stage at once."""
        now = time.monotonic()
        if self.seen.get("stage") == stage and now - self.seen.get("at", 0.0) < EVERY_S:
            return
        self.seen.update(stage=stage, at=now)
        self._draw(sentence(stage, fields))

    def _draw(self, text: str) -> None:
        before = self.seen.get("wide", 0)
        self.seen["wide"] = len(text)
        if before or text:
            print("\r" + text.ljust(before), end="" if text else "\r", file=self.out or sys.stdout, flush=True)


def say() -> NotebookSay | None:
    """Where a notebook or an IPython shell runs this code, what draws there; else None."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return NotebookSay() if shell is not None and shell() is not None else None


def sentence(stage: str, fields: dict[str, Any]) -> str:
    """`training ██████░░░░ 12/30  loss 0.41`."""
    rest = {name: value for name, value in fields.items() if value is not None}
    done, of = next((rest.pop(name) for name in ("epoch", "done", "step") if name in rest), None), rest.pop("of", None)
    head = [stage]
    if isinstance(done, int | float) and isinstance(of, int | float) and of > 0:
        full = round(WIDE * min(1.0, done / of))
        head.append(f"{'█' * full}{'░' * (WIDE - full)} {done}/{of}")
    elif done is not None:
        head.append(str(done))
    told = [f"{name.replace('_', ' ')} {_short(value)}" for name, value in rest.items() if name not in ("doing",)]
    return "  ".join([" ".join(head), *([str(rest["doing"])] if "doing" in rest else []), *told[:2]])


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
