"""What the server says when it says no: every error as JSON {error: {code, message, where, expected, got, fix}}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import Response

from feilun.core.errors import FeilunError, InputError

STATUS = {"busy": 503, "storage_full": 507, "missing_extra": 500, "integrity": 500, "error": 500}
LONGEST = 500  # characters of any field that echoes what was sent


class Refused(InputError):
    """A request that is not answered, with its HTTP status and, where trying again helps, after how many seconds."""

    code: ClassVar[str] = "request"

    def __init__(self, status: int, message: str, *, retry_after_s: int | None = None, **fields: str) -> None:
        super().__init__(message, **fields)
        self.status, self.retry_after_s = status, retry_after_s


def status_of(error: FeilunError) -> int:
    """4xx for what the caller can mend, 5xx for what they cannot."""
    if isinstance(error, Refused):
        return error.status
    return STATUS.get(error.code, 422 if isinstance(error, InputError) else 500)


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    content = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    body = content.encode("utf-8", "backslashreplace")  # half a surrogate pair is legal JSON, but no UTF-8
    return Response(body, status, dict(headers or {}), "application/json")


def error(problem: FeilunError) -> Response:
    """The response to an error."""
    fields = {name: text if len(text) <= LONGEST else text[:LONGEST] + " …" for name, text in problem.to_json().items()}
    headers = {"WWW-Authenticate": "Bearer"} if status_of(problem) == 401 else {}
    retry = problem.retry_after_s if isinstance(problem, Refused) else 1 if problem.code == "busy" else None
    if retry is not None:
        headers["Retry-After"] = str(retry)
    return answer({"error": fields}, status_of(problem), headers)


def fault() -> Response:
    """The response to our own bug: it tells nothing of the inside."""
    return error(hidden())


def hidden() -> FeilunError:
    """What the outside hears of our own bug."""
    return FeilunError("The server met an error of its own; it is written in the server's log.", fix="report it")
