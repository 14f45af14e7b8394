"""The smallest HTTP client that a test needs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


def ask(
    address: str, path: str, body: Any = None, headers: dict[str, str] | None = None, timeout_s: float = 30
) -> tuple[int, Any, dict[str, str]]:
    """(status, JSON or text, headers in lower case); a body is sent as POST, bytes as they are."""
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, content, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            status, raw, told = answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            status, raw, told = error.code, error.read(), error.headers
    text = raw.decode()
    value = json.loads(text) if told.get_content_type() == "application/json" else text
    return status, value, {name.lower(): value for name, value in told.items()}
