"""The outermost layer: access, a bounded body, counting, and an answer in JSON whatever happens inside."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from feilun.core.errors import FeilunError
from feilun.stages.deployment.serving import limits, places, replies

if TYPE_CHECKING:
    from feilun.core.recipe import Serve
    from feilun.stages.deployment.serving.access import Door
    from feilun.stages.deployment.serving.counters import Counters

PROTECTION = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data: blob:; "
        b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """An ASGI application around another one."""

    inner: ASGIApp
    door: Door
    settings: Serve
    counters: Counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event: start and end go through, HTTP is checked, anything else is closed."""
        if scope["type"] == "lifespan":
            await self.inner(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        status = 499  # the client went away

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *PROTECTION]
            await send(message)

        try:
            await self._checked(scope, receive, told)
        except FeilunError as error:
            if replies.status_of(error) == 500:
                logging.getLogger("feilun.serve").exception("%s %s failed", scope["method"], scope["path"])
                error = error if error.code != "error" else replies.hidden()
            if status == 499:
                await replies.error(error, scope["path"])(scope, receive, told)
        except Exception:
            logging.getLogger("feilun.serve").exception("%s %s failed", scope["method"], scope["path"])
            if status == 499:
                await replies.fault(scope["path"])(scope, receive, told)
        place = places.of(scope["path"])
        known = any(path == place for _, path in self.door.rules)
        self.counters.request(place if known else "other", status, time.perf_counter() - started)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = await self.door.enter(scope["method"], scope["path"], dict(scope["headers"]))
        scope.setdefault("state", {})["caller"] = caller
        limit = int(self.settings.body_mb * 1_000_000)
        body = await limits.read_body(scope, receive, limit, self.settings.timeout_s)
        if body is None:
            return
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replayed() -> Message:
            return waiting.pop() if waiting else await receive()

        await self.inner(scope, replayed, send)
