"""docs/promises.json: {task: {capability: "yes" | "planned" | reason}}; read, merged and written in one place."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from feilun.core import discover

PATH = Path(__file__).resolve().parents[2] / "docs" / "promises.json"
CAPABILITIES = (
    *("train", "exact resume", "intervals and baseline", "cross-validation", "explanation", "groups", "robustness"),
    *("privacy", "federated", "adapter/transfer", "prune", "quantize", "distil", "ONNX parity", "serve without torch"),
    *("feedback → retrain → promote", "two processes"),
)
TESTED = (  # those with a test in test_promises.py
    *("train", "exact resume", "intervals and baseline", "cross-validation", "explanation", "groups"),
    *("adapter/transfer", "quantize", "ONNX parity"),
    *("serve without torch", "feedback → retrain → promote"),
)
Table = dict[str, dict[str, str]]


def is_writing() -> bool:
    """Whether this run writes the table instead of comparing with it."""
    return os.environ.get("FEILUN_WRITE_PROMISES") == "1"


def read() -> Table:
    """The table as committed; empty before the first promise run."""
    return json.loads(PATH.read_text(encoding="utf-8")) if PATH.is_file() else {}


def reason(task: str, capability: str) -> str:
    """Why this task cannot do this, in the task's own words; empty if it can or might.

    A task names a capability as the table does, or by the first word of it.
    """
    cannot = discover.task(task).cannot
    return cannot.get(capability) or cannot.get(capability.split()[0], "")


def untested(task: str, capability: str) -> str:
    """What an untested cell says."""
    return reason(task, capability) or "planned"


def merged(found: Mapping[str, Mapping[str, str]]) -> Table:
    """The table of today's tasks: what was found now, else what another process found before, else planned."""
    before = read()
    return {
        task: {capability: _cell(task, capability, found, before) for capability in CAPABILITIES}
        for task in sorted(discover.names("tasks"))
    }


def _cell(task: str, capability: str, *tables: Mapping[str, Mapping[str, str]]) -> str:
    if capability not in TESTED:
        return untested(task, capability)
    said = (table.get(task, {}).get(capability) for table in tables)
    return next((cell for cell in said if cell), untested(task, capability))


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process writes."""
    with (Path(tempfile.gettempdir()) / "feilun-promises.lock").open("a+") as file:
        try:
            import fcntl
        except ImportError:  # Windows: promise runs there write from one process
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
