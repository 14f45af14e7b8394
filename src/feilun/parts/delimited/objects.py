"""Rows written as JSON: a list of objects or one per line; nested objects become columns such as address.city."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from feilun.core.errors import DataError
from feilun.parts.delimited import encoding
from feilun.parts.ops import surrogates

ENDINGS = (".json", ".jsonl", ".ndjson")
SHOWN = 60
ANSWERS = {"text", "answer_start"}  # of a question, as hubs write SQuAD's
_HALF = re.compile(r"(?i)\\ud[89a-f]")


def rows(path: Path, code: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, row) of every object in the file; a place is such as my.jsonl:3 or my.json: row 3.

    Raises DataError naming the place for what is no JSON or no object.
    """
    if _is_list(path, code):
        found = parsed(encoding.text_of(path, code), str(path))
        if isinstance(found, Mapping):
            found = [found]
        for number, row in enumerate(found, 1):
            yield f"{path}: row {number}", flat(row, f"{path}: row {number}")
        return
    codec = encoding.of(path, code)[0]
    with path.open(encoding="utf-8-sig" if codec == "utf-8" else codec) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                place = f"{path}:{number}"
                yield place, flat(parsed(line.rstrip(), place), place)


def flat(row: Any, place: str) -> dict[str, Any]:
    """The object, nested ones flattened: {"a": {"b": 1}} is {"a.b": 1}; lists and answers stay. Raises DataError."""
    if not isinstance(row, Mapping):
        raise DataError(
            f"{place} is {_called(row)}, not an object of columns: {json.dumps(row, ensure_ascii=False)[:SHOWN]}. "
            'Write it like {"age": 41, "city": "Bonn"}.',
            where=place,
            expected="an object of columns",
            got=_called(row),
            fix='write rows like {"age": 41}',
        )
    found: dict[str, Any] = {}
    waiting = [("", iter(row.items()))]
    while waiting:
        before, items = waiting.pop()
        for name, value in items:
            key = f"{before}{name}"
            if isinstance(value, Mapping) and value and value.keys() != ANSWERS:
                waiting += [(before, items), (f"{key}.", iter(value.items()))]
                break
            if key in found:
                raise DataError(
                    f"{place} has {key!r} twice, once as a nested object. Rename one of them.",
                    where=place,
                    got=key,
                    fix="rename one of them",
                )
            found[key] = value or None if isinstance(value, Mapping) else value
    return found


def parsed(text: str, place: str) -> Any:
    """What the JSON text holds. Raises DataError naming the place; also for a key given twice, and half a letter."""
    try:
        found = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, place))
    except json.JSONDecodeError as error:
        line = f", line {error.lineno}" if error.lineno > 1 else ""
        shown = text[max(0, error.pos - 20) : error.pos + 20].strip()
        raise DataError(
            f"{place} is not JSON: {error.msg} at character {error.colno}{line}, near {shown!r}. Correct it there.",
            where=place,
            expected="a row or a list of rows as JSON",
            got=shown,
            fix="correct the JSON",
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{place} is not JSON that can be read: {error or 'nested too deeply'}. Write a simple list of rows.",
            where=place,
            expected="a row or a list of rows",
        ) from error
    half = surrogates.place(found, "a row") if _HALF.search(text) else None
    if half is not None:
        raise DataError(
            f"{place}: {half.removeprefix('a row.')} holds half a surrogate pair, such as \\ud800, which is no letter. "
            "Write both halves, or take it out.",
            where=place,
            expected="text",
            got="half a surrogate pair",
            fix="take the escape out",
        )
    return found


def _once(pairs: list[tuple[str, Any]], place: str) -> dict[str, Any]:
    """The object; of a key given twice nobody knows which value was meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for at, key in enumerate(keys) if key in keys[:at])
        raise DataError(
            f"{place} has the key {twice[:SHOWN]!r} twice in an object. Keep the one that is meant.",
            where=place,
            expected="every key once",
            got=twice[:SHOWN],
            fix="take one of them out",
        )
    return found


def _is_list(path: Path, code: str | None) -> bool:
    """Whether the file is one JSON value and not one per line. A first line that is complete decides."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if not head:
        raise DataError(f"{path} is empty: it has no rows. Give them as JSON.", where=str(path), fix="add rows")
    codec = encoding.of(path, code)[0]
    text = head.decode(codec, errors="ignore").lstrip("\ufeff \r\n\t")
    if text.startswith("["):
        return True
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{path} is empty: it has no rows. Give them as JSON.", where=str(path), fix="add rows")
    if path.suffix.lower() != ".json":
        return False
    try:
        json.loads(lines[0])
    except (ValueError, RecursionError):
        return len(head) < 1 << 16 or "\n" in text  # an object over several lines
    return False


def _called(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
