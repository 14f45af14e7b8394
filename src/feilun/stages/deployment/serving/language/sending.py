"""Sending while it is written: server-sent events, and an end to everything when the client goes away."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from feilun.core.errors import FeilunError
from feilun.stages.deployment.serving import replies
from feilun.stages.deployment.serving.replies import Refused

T = TypeVar("T")
GONE = 499


async def watched(receive: Receive, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """The work's result. The work is cancelled when the client goes away or the time is over: Refused 499 or 504."""
    tasks = asyncio.ensure_future(work), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            return tasks[0].result()
        if tasks[1].done():
            raise Refused(GONE, "The client went away.")
        raise Refused(
            504,
            f"The answer took longer than {timeout_s:g} s.",
            retry_after_s=1,
            where="serve.timeout_s",
            expected=f"{timeout_s:g} s",
            fix="ask for fewer tokens, or raise serve.timeout_s",
        )
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Events(Response):
    """Chunks of JSON as server-sent events, `[DONE]` at last (HTML Living Standard, 9.2).

    What is refused before the first chunk is an ordinary error; afterwards it is an event of its own.
    """

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncIterator[Mapping[str, Any]], timeout_s: float, headers: Mapping[str, str]) -> None:
        super().__init__(headers={**headers, "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._chunks, self._timeout_s = chunks, timeout_s
        self._is_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises FeilunError only while nothing was sent."""
        try:
            await watched(receive, self._sent(send), self._timeout_s)
        except Exception as error:
            if not self._is_begun:
                raise
            known = isinstance(error, FeilunError) and replies.status_of(error) != 500
            if not known:
                logging.getLogger("feilun.serve").exception("a stream failed")
            problem = error if known and isinstance(error, FeilunError) else replies.hidden()
            if replies.status_of(problem) != GONE:
                await _event(send, json.dumps(replies.openai(problem), ensure_ascii=False))
                await send({"type": "http.response.body", "body": b""})

    async def _sent(self, send: Send) -> None:
        async with aclosing(self._chunks) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                if not self._is_begun:
                    self._is_begun = True
                    await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await _event(send, json.dumps(chunk, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
        await _event(send, "[DONE]")
        await send({"type": "http.response.body", "body": b""})


async def _event(send: Send, data: str) -> None:
    body = b"data: " + data.encode("utf-8", "backslashreplace") + b"\n\n"
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
