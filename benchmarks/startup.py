"""Claim: from the start of the process to the first training step in at most half the time of Lightning and HF Trainer.

The same small network on the same 64 rows, in a process of its own each time: interpreter, imports, set-up, one step.
Warm, and cold: before each cold start all files of the side's environment are dropped from the page cache
(posix_fadvise, which keeps those that another process has mapped, so run it alone). Also reported: `feilun run` of a
recipe on a table of 400 rows, where the first step comes after the data stage.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peers
import record

RUNS, TARGET = 5, 0.5
SIDE = Path(__file__).resolve().parent / "sides" / "first_step.py"
PEERS = {"lightning": "Lightning", "trainer": "HF Trainer"}


def main() -> int:
    """Print the table and write benchmarks/results/startup.json."""
    sides = ("ours", *PEERS, "run", "again")
    lines = []
    for cold in (False, True):
        found: dict[str, list[float]] = {name: [] for name in sides}
        for name in sides:
            _seconds(name, cold=False)  # bytecode is written once
        for number in range(RUNS):
            for name in sides if number % 2 == 0 else reversed(sides):
                found[name].append(_seconds(name, cold=cold))
        kind = "cold" if cold else "warm"
        lines += [_line(f"{kind}, against {words}", found, "ours", peer) for peer, words in PEERS.items()]
        lines.append(_line(f"{kind}, `feilun run` against Lightning", found, "run", "lightning"))
    for line in lines:
        print(f"{line['claim']:60} {line['ours']:7} {line['peer']:7} {line['ratio_median']:6} {line['met']}")
    record.write("startup", lines)
    return record.status(lines)


def _seconds(name: str, *, cold: bool) -> float:
    """From before the process begins to after its first step."""
    environment = Path(sys.prefix) if name in ("ours", "run", "again") else peers.FOLDER
    python = Path(sys.executable) if name in ("ours", "run", "again") else peers.python()
    if cold:
        _forget(environment)
    with tempfile.TemporaryDirectory() as place:
        started = time.time()
        limits = {**os.environ, **dict.fromkeys(peers.LIMITS, peers.THREADS), **peers.QUIET}
        command = [str(python), str(SIDE), "ours" if name == "again" else name]
        done = subprocess.run(command, cwd=place, env=limits, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}")
    return float(done.stdout.splitlines()[-1]) - started


def _forget(folder: Path) -> None:
    """Drop the folder's files, and Python's own, from the page cache."""
    for root in (folder, Path(sys.base_prefix) / "lib"):
        for path in root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                _dropped(path, os.posix_fadvise)


def _dropped(path: Path, advise: Callable[..., None]) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        advise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def _line(words: str, found: dict[str, list[float]], ours: str, peer: str) -> dict[str, Any]:
    target = f"ratio <= {TARGET:g}"
    claim = f"start to first step, {words}"
    return record.claimed(claim, found, (ours, peer), unit="s, less is better", target=target, peers=peers.versions())


if __name__ == "__main__":
    sys.exit(main())
