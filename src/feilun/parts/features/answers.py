"""Answers: the pieces of a passage that answer a question; several may be right, or none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np

from feilun.core.errors import DataError
from feilun.core.task import Rows
from feilun.parts.features.text import text_of
from feilun.parts.ops.ragged import Ragged


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Two columns, passages and their answers, as ragged int32 (A, 2): the first letter of each, one behind its last.

    A row's answers are what `checked` reads. A row without any has no answer in its passage.
    """

    kind: ClassVar[str] = "answers"

    columns: tuple[str, ...]  # (passages, answers)
    fitted: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))

    def fit(self, rows: Rows) -> Answers:
        """There is nothing to learn."""
        return replace(self, fitted=True)

    def encode(self, rows: Rows) -> Ragged:
        """int32 values (total, 2). Raises DataError for an answer that does not stand in its passage."""
        passage, column = self.columns
        made = []
        for value, said in zip(rows[column], rows[passage], strict=True):
            found = checked(column, value, text_of(passage, said))
            ends = [(one["start"], one["start"] + len(one["text"])) for one in found]
            made.append(np.array(ends, np.int32).reshape(-1, 2))
        return Ragged.of(made or [np.zeros((0, 2), np.int32)])

    def to_json(self) -> dict[str, Any]:
        """The columns."""
        return asdict(self)


FEATURE = Answers


def checked(column: str, value: Any, passage: str | None = None) -> list[dict[str, Any]]:
    """A row's different answers, `[{text, start}]`; [] where the passage has none.

    value: `[{"text": str, "answer_start": letter}, ...]`, SQuAD's; a single one; `{"text": [...], "answer_start":
    [...]}`, as data sets on hubs have it; a text alone, or a list of texts; or any of these as JSON text.
    passage: each answer must stand in it; of several places the one nearest to its start is taken. Without it a start
    that is not said is -1.  Raises DataError.
    """
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for one in _listed(column, _plain(value)):
        text, start = one.get("text"), one.get("answer_start", one.get("start"))
        if not isinstance(text, str) or not text.strip() or not _is_letter(start):
            raise _wrong(column, value)
        start = -1 if start is None else int(start)
        if passage is not None and passage[max(0, start) : max(0, start) + len(text)] != text:
            start = _nearest(column, text, start, passage)
        elif passage is not None:
            start = max(0, start)
        found.setdefault((text, start), {"text": text, "start": start})
    return list(found.values())


def _plain(value: Any) -> Any:
    """JSON text as what it says; other text is the answer."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _listed(column: str, value: Any) -> list[Mapping[str, Any]]:
    """Every form as a list of {text, answer_start}."""
    if isinstance(value, str):
        return [{"text": value}]
    if isinstance(value, Mapping):
        texts, starts = value.get("text"), value.get("answer_start")
        if not isinstance(texts, list | tuple | np.ndarray):
            return [value]
        starts = [None] * len(texts) if starts is None else starts
        if len(starts) != len(texts):
            raise _wrong(column, value)
        return [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]
    if not isinstance(value, list | tuple | np.ndarray):
        raise _wrong(column, value)
    made = [{"text": one} if isinstance(one, str) else one for one in value]
    if not all(isinstance(one, Mapping) for one in made):
        raise _wrong(column, value)
    return made


def _is_letter(start: Any) -> bool:
    whole = isinstance(start, int | np.integer) and not isinstance(start, bool)
    return start is None or bool(whole and start >= -1)


def _nearest(column: str, text: str, start: int, passage: str) -> int:
    """The place of this text that is nearest to where it was said to be."""
    places, place = [], passage.find(text)
    while place >= 0:
        places.append(place)
        place = passage.find(text, place + 1)
    if not places:
        raise DataError(
            f"Column {column!r}: the answer {text[:60]!r} does not stand in its passage. An answer is a piece of the "
            "passage, letter by letter; a question without one has [].",
            where=column,
            expected="a piece of the passage",
            got=text[:60],
            fix="correct the row",
        )
    return min(places, key=lambda place: abs(place - start)) if start >= 0 else places[0]


def _wrong(column: str, value: Any) -> DataError:
    shown = "missing" if value is None else f"{value!r:.80}"
    return DataError(
        f"Column {column!r} holds answers, a list of {{'text': text, 'answer_start': letter}}, empty where the passage "
        f"has none; this row has {shown}. Correct it.",
        where=column,
        expected="[{'text': text, 'answer_start': letter}, ...]",
        got=shown,
        fix="correct the row",
    )
