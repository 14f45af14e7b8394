"""Pieces of texts that do not stand where they are said to, or lie in each other: told before they are learnt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from feilun.core.errors import DataError
from feilun.parts.features import answers, spans
from feilun.parts.features.text import text_of
from feilun.stages.data.cleaning import Line, line
from feilun.stages.data.wanted import Wanted

SHOWN = 40  # letters of a piece
Checked = Callable[..., list[dict[str, Any]]]


def find(table: pa.Table, wanted: Wanted) -> list[Line]:
    """Lines about answers at another place than said, and about spans that overlap.

    Raises DataError if some are no piece of their text at all, or if no answer stands where it is said to.
    """
    lines: list[Line] = []
    for feature in wanted.features.values():
        if feature.kind not in ("answers", "spans"):
            continue
        text, column = feature.columns
        checked = answers.checked if feature.kind == "answers" else _in_text
        texts, marked = _pairs(table, text, column, checked)
        lines += _answers(text, column, texts, marked) if feature.kind == "answers" else _spans(column, marked)
    return lines


def said(lines: list[Line]) -> list[str]:
    """The same in words."""
    return [f"{one['column']}: {one['rows']:,} rows have {one['what']}, {one['why']}; {one['done']}." for one in lines]


def _pairs(table: pa.Table, text: str, column: str, checked: Checked) -> tuple[list[str], list[list[dict[str, Any]]]]:
    """(texts, what is marked in each, as it is said). Raises DataError with the first row of those that cannot be."""
    texts = [text_of(text, value) for value in table.column(text).to_pylist()]
    marked, wrong = [], []
    for value, said_of in zip(table.column(column).to_pylist(), texts, strict=True):
        try:
            checked(column, value, said_of)
            marked.append(checked(column, value))
        except DataError as error:
            wrong.append((error, said_of))
    if wrong:
        first, said_of = wrong[0]
        raise DataError(
            f"{first} So in {len(wrong):,} of {len(texts):,} rows, first where {text} is {said_of[:SHOWN]!r}.",
            where=column,
            expected=first.expected,
            got=first.got,
            fix=first.fix,
        )
    return texts, marked


def _in_text(column: str, value: Any, text: str | None = None) -> list[dict[str, Any]]:
    return spans.checked(column, value, None if text is None else len(text))


def _answers(text: str, column: str, texts: list[str], marked: list[list[dict[str, Any]]]) -> list[Line]:
    placed = [(said_of, [one for one in row if one["start"] >= 0]) for said_of, row in zip(texts, marked, strict=True)]
    moved = [[(said_of, one) for one in row if not _stands(one, said_of)] for said_of, row in placed]
    moved = [row for row in moved if row]
    if not moved:
        return []
    said_of, one = moved[0][0]
    there = said_of[one["start"] : one["start"] + len(one["text"])]
    why = f"such as {one['text'][:SHOWN]!r} at letter {one['start']}, where {there[:SHOWN]!r} stands"
    count = sum(bool(row) for _, row in placed)
    if len(moved) == count:
        raise DataError(
            f"{column}: in none of {count:,} rows do all answers stand where answer_start says, {why}. Letters of "
            f"{text} are counted from 0. Correct them; without answer_start the first such place is taken.",
            where=column,
            expected="the letter of the text at which the answer starts",
            got=str(one["start"]),
            fix="correct answer_start, or leave it out",
        )
    return [line("answers at another place", len(moved), "the nearest such place is taken", why, column=column)]


def _stands(one: dict[str, Any], text: str) -> bool:
    return text.startswith(str(one["text"]), int(one["start"]))


def _spans(column: str, marked: list[list[dict[str, Any]]]) -> list[Line]:
    pairs = [pair for row in marked if (pair := spans.overlapping(row))]
    if not pairs:
        return []
    one, other = ("{label} {start}-{end}".format(**span) for span in pairs[0])
    why = f"such as {one} and {other}"
    return [line("overlapping spans", len(pairs), "the longest is learnt", why, column=column)]
