"""Freed memory is kept from step to step, and given back afterwards."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from feilun.parts.engine import heap

resource = pytest.importorskip("resource")
SIZE, TIMES = 48 << 20, 10  # beyond what the C library takes from its heap by itself


def glibc() -> bool:
    try:
        return hasattr(ctypes.CDLL(None), "mallopt")
    except (OSError, TypeError):
        return False


pytestmark = pytest.mark.skipif(not glibc(), reason="needs glibc")


def faults() -> int:
    """Pages that became this process's during some rounds of taking and freeing the same block."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(TIMES):
        torch.zeros(SIZE, dtype=torch.uint8).fill_(1)
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)


def held_mb() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() >> 20


def test_a_block_that_is_taken_again_costs_no_new_pages() -> None:
    with heap.kept():
        faults()
        inside = faults()
    assert inside < SIZE // resource.getpagesize()  # ten rounds cost less than the pages of one


def test_what_was_kept_is_given_back() -> None:
    """In a process of its own: after a thousand tests there may be room for the block that nobody gives back."""
    script = (
        "import test_heap\nwith test_heap.heap.kept():\n    test_heap.faults()\n    inside = test_heap.held_mb()\n"
        "assert test_heap.held_mb() < inside - (test_heap.SIZE >> 21), (test_heap.held_mb(), inside)\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
