"""Work that nobody waits for any longer ends before its next graph."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from feilun.parts.bundle.onnx_runner import OnnxRunner
from feilun.parts.ops import deadline
from feilun.stages.deployment.serving.desk import Desk
from feilun.stages.deployment.serving.replies import Refused


def test_a_worker_is_free_soon_after_the_time_is_over() -> None:
    async def asked() -> int:
        desk, stop = Desk(1, 1, 0.05), threading.Event()

        def writing() -> None:
            while not stop.wait(0.001):
                deadline.check()

        try:
            first, waiting = await asyncio.gather(desk.ask(writing), desk.ask(writing), return_exceptions=True)
            assert isinstance(first, Refused) and isinstance(waiting, Refused)
            assert first.status == waiting.status == 504
            for _ in range(1000):
                if not desk.inside:
                    break
                await asyncio.sleep(0.01)
            assert desk.inside == 0
            return await desk.ask(lambda: 7)
        finally:
            stop.set()
            desk.close()

    assert asyncio.run(asked()) == 7


def test_a_graph_is_not_run_when_the_time_is_over() -> None:
    runner = OnnxRunner.__new__(OnnxRunner)
    with deadline.until(time.monotonic() - 1), pytest.raises(deadline.OverError):
        runner("step")
    deadline.check()
    with deadline.until(time.monotonic() + 100):
        deadline.check()
