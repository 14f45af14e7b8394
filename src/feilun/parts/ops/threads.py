"""One call over many pieces in a few threads, results in order; for numpy and others that let go of Python's lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")
MOST = 4  # threads: each holds a piece and its result in memory


def in_order(call: Callable[[Piece], Result], pieces: Iterable[Piece], threads: int | None = None) -> Iterator[Result]:
    """call(piece) of every piece, in order; at most one more than `threads` (default: the cores) is under way or waits.

    The first error, in the order of the pieces, is raised, and nothing more is begun.
    """
    threads = min(MOST, os.cpu_count() or 1) if threads is None else threads
    left = iter(pieces)
    if threads < 2:
        yield from map(call, left)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque(pool.submit(call, piece) for piece in islice(left, threads + 1))
        try:
            while waiting:
                done = waiting.popleft().result()
                waiting.extend(pool.submit(call, piece) for piece in islice(left, 1))
                yield done
        finally:
            for future in waiting:
                future.cancel()
