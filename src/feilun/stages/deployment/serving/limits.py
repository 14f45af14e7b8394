"""Bounds on what may come in: size and time of the body, depth of its JSON, numbers that are numbers, rows."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from starlette.types import Receive, Scope

from feilun.parts.ops import surrogates
from feilun.stages.deployment.serving.replies import Refused

DEEPEST = 32  # objects and lists in one another; a row is three deep
DRAINED = 8  # bodies of so many times the limit are read to the end, so that the client hears why they are refused
MOST_DIGITS = 300  # what still fits a float
# A string, or the rest of the text if it is not closed; possessive, so that no input makes it go back.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


async def read_body(scope: Scope, receive: Receive, limit_bytes: int, timeout_s: float) -> bytes | None:
    """The whole body, or None if the client went away. Raises Refused 413 if too large, 408 if it takes too long."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    size = int(declared) if declared.isdigit() else 0
    if size > limit_bytes * DRAINED:
        raise _too_large(size, limit_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(receive, limit_bytes)
    except TimeoutError:
        raise Refused(
            408, f"The request took longer than {timeout_s:g} s to arrive.", where="body", expected=f"{timeout_s:g} s"
        ) from None


def parsed(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises Refused 400 for anything else: too deep, not JSON, NaN, Infinity, a number too large,
    half a surrogate pair, a key that stands twice in an object."""
    if body.count(b"[") + body.count(b"{") > DEEPEST and depth(body) > DEEPEST:
        raise Refused(
            400,
            f"The JSON is nested deeper than {DEEPEST} levels.",
            where="body",
            expected=f"at most {DEEPEST} levels",
            got=f"{depth(body)} levels",
            fix="send rows as {column: value}",
        )
    try:
        value = json.loads(
            body.decode(), parse_constant=_no_number, parse_float=_finite, parse_int=_whole, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as error:
        said = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise Refused(
            400, f"The body is not JSON: {said}.", where="body", expected='{"rows": [...]}', got=said
        ) from error
    if not isinstance(value, dict):
        raise Refused(
            400,
            "The body is JSON, but not an object.",
            where="body",
            expected='{"rows": [...]}',
            got=type(value).__name__,
        )
    # Only an escape can bring half a surrogate pair: the bytes themselves were UTF-8.
    place = surrogates.place(value, "body") if _SURROGATE.search(body) else None
    if place is not None:
        raise Refused(
            400,
            f"{place} holds half a surrogate pair, which is no text.",
            where=place,
            expected="text that UTF-8 can hold",
            fix="send both halves, or leave it out",
        )
    return value


def depth(body: bytes) -> int:
    """The deepest nesting of a JSON text, brackets inside strings left out; works on any bytes, in linear time."""
    marks = np.frombuffer(_STRING.sub(b"", body), np.uint8)
    opened = (marks == ord("[")) | (marks == ord("{"))
    closed = (marks == ord("]")) | (marks == ord("}"))
    return int(np.cumsum(opened.astype(np.int32) - closed.astype(np.int32)).max(initial=0))


def asked(body: Mapping[str, Any], most_rows: int) -> tuple[list[Any], dict[str, Any]]:
    """Rows and options of a prediction request: `{"rows": [...]}` or `{"row": {...}}`, with or without options."""
    unknown = sorted(set(body) - {"rows", "row", "options"})
    if unknown or ("rows" in body) == ("row" in body):
        raise Refused(
            422,
            f"Unknown key {unknown[0]!r} in the body." if unknown else "The body needs `rows`, or one `row`.",
            where=f"body.{unknown[0]}" if unknown else "body",
            expected="rows (or row), options",
            got=", ".join(body)[:200],
            fix='send {"rows": [{column: value}]}',
        )
    rows = body["rows"] if "rows" in body else [body["row"]]
    options = body.get("options")
    options = {} if options is None else options
    if not isinstance(rows, list) or not isinstance(options, dict):
        wrong = "options" if isinstance(rows, list) else "rows"
        raise Refused(
            422,
            f"`{wrong}` is {type(body[wrong]).__name__}.",
            where=f"body.{wrong}",
            expected="a list of rows" if wrong == "rows" else "an object",
        )
    if not rows:
        raise Refused(
            422,
            "The body has no rows to answer.",
            where="body.rows",
            expected="at least one row",
            got="no rows",
            fix='send {"rows": [{column: value}]}',
        )
    if len(rows) > most_rows:
        raise Refused(
            413,
            f"{len(rows)} rows in one request; at most {most_rows} are taken.",
            where="body.rows",
            expected=f"at most {most_rows} rows",
            got=f"{len(rows)} rows",
            fix="send them in several requests, or use `feilun predict` for files",
        )
    return rows, options


async def _read(receive: Receive, limit_bytes: int) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        size += len(message.get("body", b""))
        if size > limit_bytes * DRAINED:
            raise _too_large(size, limit_bytes)
        if size <= limit_bytes:
            parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    if size > limit_bytes:
        raise _too_large(size, limit_bytes)
    return b"".join(parts)


def _too_large(size: int, limit_bytes: int) -> Refused:
    return Refused(
        413,
        f"The body is larger than {limit_bytes / 1e6:g} MB.",
        where="body",
        expected=f"at most {limit_bytes} bytes",
        got=f"{size} bytes or more",
        fix="send fewer rows or smaller pictures, or raise serve.body_mb",
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; of a key given twice nobody knows which value was meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for at, key in enumerate(keys) if key in keys[:at])
        raise Refused(
            400,
            f"The key {twice[:80]!r} stands twice in an object.",
            where=twice,
            expected="every key once",
            got=twice,
            fix="send every key once",
        )
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number; send null for a missing value")


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"{text[:20]}… is too large for a number")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large for a number")
    return value
