"""Where requests wait: a few workers, a bounded queue, and a time after which nobody waits any longer."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from feilun.parts.ops import deadline
from feilun.stages.deployment.serving.replies import Refused

T = TypeVar("T")
WORKERS = max(1, min(4, (os.cpu_count() or 1)))
# onnxruntime computes outside of Python's lock: a worker per core, each computing on one, keeps all of them busy.
THREADS = max(1, (os.cpu_count() or 1) // WORKERS)


class Desk:
    """Runs work in worker threads. Called from the event loop's thread only."""

    def __init__(self, workers: int, queue: int, timeout_s: float) -> None:
        self.inside = 0  # running and waiting
        self._most, self._timeout_s = workers + queue, timeout_s
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="answer")

    async def ask(self, work: Callable[[], T]) -> T:
        """The result of `work`. Raises Refused 503 if the queue is full, 504 if the time is over; then the work ends
        before its next graph."""
        if self.inside >= self._most:
            raise Refused(
                503,
                f"{self.inside} requests are waiting already.",
                retry_after_s=1,
                where="serve.queue",
                expected=f"at most {self._most}",
                got=str(self.inside),
                fix="send it again after a second",
            )
        loop = asyncio.get_running_loop()
        over = time.monotonic() + self._timeout_s
        future: Future[T] = self._pool.submit(_given_up, work, over)
        self.inside += 1
        future.add_done_callback(lambda _: _later(loop, self._left))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._timeout_s)
        except (TimeoutError, deadline.OverError) as error:
            if isinstance(error, TimeoutError) and not future.cancelled() and future.done():
                raise  # the work's own
            raise Refused(
                504,
                f"The answer took longer than {self._timeout_s:g} s.",
                retry_after_s=1,
                where="serve.timeout_s",
                expected=f"{self._timeout_s:g} s",
                fix="send fewer rows, or raise serve.timeout_s",
            ) from None

    def close(self) -> None:
        """Let running work end; forget what waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _left(self) -> None:
        self.inside -= 1


def _given_up(work: Callable[[], T], over: float) -> T:
    with deadline.until(over):
        deadline.check()
        return work()


def _later(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(act)
