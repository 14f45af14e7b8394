"""What the server says when it says no: {error: {code, message, where, ...}}, or OpenAI's on its routes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import Response

from feilun.core.errors import FeilunError, InputError
from feilun.stages.deployment.serving import places

STATUS = {"busy": 503, "storage_full": 507, "missing_extra": 500, "integrity": 500, "error": 500}
TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
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


def error(problem: FeilunError, path: str = "") -> Response:
    """The response to an error on this path."""
    status, told = status_of(problem), {"error": _fields(problem)}
    if places.of(path) in places.OPENAI:
        status, told = 400 if status == 422 else status, openai(problem)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    retry = problem.retry_after_s if isinstance(problem, Refused) else 1 if problem.code == "busy" else None
    if retry is not None:
        headers["Retry-After"] = str(retry)
    return answer(told, status, headers)


def openai(problem: FeilunError) -> dict[str, Any]:
    """`{error: {message, type, param, code}}`; param: the parameter that is wrong, if one is."""
    status, fields = status_of(problem), _fields(problem)
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    code = {
        400: "invalid_value",
        401: "invalid_api_key",
        404: "model_not_found" if fields["where"] == "model" else "not_found",
    }.get(status)
    param = fields["where"] if status in (400, 404, 413, 422) and fields["where"] else None
    return {"error": {"message": fields["message"], "type": kind, "param": param, "code": code or fields["code"]}}


def fault(path: str = "") -> Response:
    """The response to our own bug: it tells nothing of the inside."""
    return error(hidden(), path)


def hidden() -> FeilunError:
    """What the outside hears of our own bug."""
    return FeilunError("The server met an error of its own; it is written in the server's log.", fix="report it")


def _fields(problem: FeilunError) -> dict[str, str]:
    return {name: text if len(text) <= LONGEST else text[:LONGEST] + " …" for name, text in problem.to_json().items()}
