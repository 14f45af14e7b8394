"""Dialogues in the forms in which people keep them, as one list of turns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from feilun.core.errors import DataError

ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model"), "assistant"),
}
LISTS = ("messages", "conversations", "conversation")
FORM = '[{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}]'


def turns_of(column: str, value: Any) -> list[tuple[str, str]]:
    """[(system | user | assistant, what was said)] of a cell; nothing: no turns.

    Read are OpenAI's messages, `[{role, content}]`, whose content may be a list of parts of type text, ShareGPT's
    `[{from, value}]`, either as JSON text, and either under a key such as messages.  Raises DataError.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else []
        except ValueError:
            raise _wrong(column, value, f"the text {value!r:.100}") from None
    if isinstance(value, Mapping):
        if not value.keys() & set(LISTS):
            raise _wrong(column, value, f"an object with {', '.join(map(repr, value))[:100] or 'nothing in it'}")
        value = next(value[key] for key in LISTS if key in value)
    if value is None or (isinstance(value, float) and value != value):
        return []
    if not isinstance(value, list | tuple):
        raise _wrong(column, value, f"{value!r:.100}")
    return [_turn(column, one) for one in value]


def _turn(column: str, one: Any) -> tuple[str, str]:
    if not isinstance(one, Mapping):
        raise _wrong(column, one, f"{one!r:.100} in place of a message")
    speaker = one.get("role", one.get("from"))
    role = ROLES.get(str(speaker).lower())
    said = one.get("content", one.get("value"))
    if isinstance(said, list | tuple) and all(
        isinstance(part, Mapping) and part.get("type") == "text" for part in said
    ):
        said = "".join(str(part.get("text", "")) for part in said)
    if role is None:
        raise _wrong(column, one, f"a message with the role {speaker!r:.60}" if speaker else "a message without a role")
    if not isinstance(said, str):
        raise _wrong(column, one, "a message without a text" if said is None else f"a message that says {said!r:.100}")
    return role, said


def _wrong(column: str, got: Any, what: str) -> DataError:
    """what: how it came, in words."""
    return DataError(
        f"Column {column!r} holds dialogues, lists such as {FORM}; this row has {what}. Roles are {', '.join(ROLES)}.",
        where=column,
        expected=FORM,
        got=f"{got!r:.100}",
        fix="give a list of messages, each with a role and a content",
    )
