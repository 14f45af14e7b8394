"""Answers in OpenAI's shapes: whole ones and chunks, of chats and of completions."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feilun.stages.deployment.serving.language.engine import Note


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One text, whole or new. id: of its prediction, for feedback."""

    index: int
    id: str
    text: str
    notes: Sequence[Note] | None  # None: nobody asked
    finish: str | None
    start: int = 0  # letters before it
    cut: dict[str, int] | None = None  # of the prompt what was read, where that is not all


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """Of one of the two routes."""

    is_chat: bool

    def whole(self, choice: Choice) -> dict[str, Any]:
        """A choice of an answer that is sent at once."""
        if not self.is_chat:
            return self._text(choice)
        message = {"role": "assistant", "content": choice.text, "refusal": None}
        return {**self._common(choice), "message": message, "logprobs": _content(choice.notes)}

    def chunk(self, choice: Choice, *, is_first: bool) -> dict[str, Any]:
        """A choice of a chunk."""
        if not self.is_chat:
            return self._text(choice)
        delta = {"role": "assistant"} if is_first else {}
        if choice.text or is_first:
            delta["content"] = choice.text
        return {**self._common(choice), "delta": delta, "logprobs": _content(choice.notes)}

    def called(self, *, is_chunk: bool) -> str:
        """The `object` of the answer."""
        if not self.is_chat:
            return "text_completion"
        return "chat.completion.chunk" if is_chunk else "chat.completion"

    def _text(self, choice: Choice) -> dict[str, Any]:
        return {**self._common(choice), "text": choice.text, "logprobs": _tokens(choice)}

    def _common(self, choice: Choice) -> dict[str, Any]:
        cut = {} if choice.cut is None else {"cut": {"messages" if self.is_chat else "prompt": choice.cut}}
        return {"index": choice.index, "id": choice.id, "finish_reason": choice.finish, **cut}


def usage(prompt: int, written: int) -> dict[str, int]:
    """Tokens."""
    return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}


def _content(notes: Sequence[Note] | None) -> dict[str, Any] | None:
    if notes is None:
        return None
    told = [{**_spelt(note), "top_logprobs": [_spelt(one) for one in note.likeliest]} for note in notes]
    return {"content": told, "refusal": None}


def _spelt(note: Note) -> dict[str, Any]:
    """A token."""
    return {"token": note.text, "logprob": note.log, "bytes": None if note.bytes is None else list(note.bytes)}


def _tokens(choice: Choice) -> dict[str, Any] | None:
    if choice.notes is None:
        return None
    offsets, place, letters = [], choice.start, getincrementaldecoder("utf-8")("replace")
    for note in choice.notes:
        offsets.append(place)  # of a part of a letter where the letter begins
        place += len(note.text if note.bytes is None else letters.decode(note.bytes))
    return {
        "tokens": [note.text for note in choice.notes],
        "token_logprobs": [note.log for note in choice.notes],
        "top_logprobs": [{one.text: one.log for one in reversed(note.likeliest)} for note in choice.notes],
        "text_offset": offsets,
    }
