"""Memory that one step frees is kept for the next one, where the C library would give it back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

# Of mallopt(3): larger blocks come from the system one by one; more than so much free at the end is given back.
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
USUAL = {MMAP_THRESHOLD: 32 << 20, TRIM_THRESHOLD: 64 << 20}  # as far as glibc goes by itself
MOST = 2**31 - 1  # the arguments are C ints


@contextmanager
def kept() -> Iterator[None]:
    """Inside, freed blocks stay with this process; after it they are given back.

    A fresh page costs a fault, about as much as filling it three times: batches of augmented pictures took three times
    as long.  With another C library than glibc nothing is changed.
    """
    try:
        library = ctypes.CDLL(None)
        setting, trim = library.mallopt, library.malloc_trim
    except (
        OSError,
        TypeError,
        AttributeError,
    ):  # Windows has no library of that name, macOS and musl no such functions
        yield
        return
    for name in USUAL:
        setting(name, MOST)
    try:
        yield
    finally:
        for name, usual in USUAL.items():
            setting(name, usual)
        trim(0)
