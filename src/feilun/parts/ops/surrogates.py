"""Half surrogate pairs in JSON: legal there as an escape such as "\\ud800", and no text that UTF-8 could hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def place(value: Any, name: str) -> str | None:
    """Where the first text with half a surrogate pair stands, such as `name.rows[1].width`; None if there is none.

    For a key it is the object that has it, so that what is returned is always sound text.
    """
    waiting = [(value, name)]
    while waiting:
        value, name = waiting.pop()
        if isinstance(value, str):
            if not is_sound(value):
                return name
        elif isinstance(value, Mapping):
            if not all(is_sound(key) for key in value if isinstance(key, str)):
                return name
            waiting += reversed([(item, f"{name}.{key}") for key, item in value.items()])
        elif isinstance(value, list | tuple):
            waiting += reversed([(item, f"{name}[{at}]") for at, item in enumerate(value)])
    return None


def is_sound(text: str) -> bool:
    """Whether UTF-8 can hold this text."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False
