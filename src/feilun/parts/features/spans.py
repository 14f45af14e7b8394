"""Spans: labelled pieces of a text, such as names, as one tag a token."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import chain, pairwise
from typing import Any, ClassVar

import numpy as np

from feilun.core.errors import DataError
from feilun.core.task import Rows
from feilun.parts.features.category import in_order, unknown_label
from feilun.parts.features.text import Text, text_of
from feilun.parts.features.token_places import tokens_of
from feilun.parts.ops.ragged import Ragged

OUTSIDE = 0  # the tag of a token in no span
FIRST, INSIDE, LAST, ALONE = range(4)  # of a label's tags (BIOES: Ratinov & Roth 2009)
TAGS = 4


@dataclass(frozen=True, kw_only=True)
class Spans:
    """Two columns, texts and their spans, as ragged int32: one tag a token of the text.

    A row's spans are `[{"start": int, "end": int, "label": str}, ...]`, letters counted from 0, the end not in it, or
    that as JSON text; [] is none; of two that overlap the longer one is learnt.  text: the options of the text's own
    feature, which decide about tokens.  Tag 0 is outside, then for label k: 1 + 4k its first token, 2 + 4k inside,
    3 + 4k its last, 4 + 4k its only one.
    """

    kind: ClassVar[str] = "spans"
    names_the_question: ClassVar[bool] = True  # the labels are what is asked: they are taken from all rows

    columns: tuple[str, ...]  # (texts, spans)
    text: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    knows_tokens: bool = False  # text is that of a fitted feature

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "labels", tuple(self.labels))

    @property
    def fitted(self) -> bool:
        """Whether `encode` can be called."""
        return bool(self.labels)

    @property
    def tags(self) -> int:
        """How many there are."""
        return 1 + TAGS * len(self.labels)

    def knowing(self, fitted: Mapping[str, Any]) -> Spans:
        """With the tokens of the text's own feature, if that is fitted. fitted: features by name."""
        found = tokens_of(self.columns[0], fitted)
        return self if found is None else replace(self, text=found, knows_tokens=True)

    def fit(self, rows: Rows) -> Spans:
        """Learn the labels, and the text's tokens. Raises DataError if there is not one span."""
        text, column = self.columns
        counts = Counter(span["label"] for value in rows[column] for span in checked(column, value))
        if not counts:
            raise DataError(f"Column {column!r} has no span in any row. Add spans.", where=column, got="no span")
        if not self.knows_tokens:
            return self.knowing({"text": Text(columns=(text,), **self.text).fit({text: rows[text]})}).fit(rows)
        return replace(self, labels=in_order(counts))

    def encode(self, rows: Rows) -> Ragged:
        """int32 values. Raises DataError for a bad span, an unknown label, or a span outside its text."""
        text, column = self.columns
        places = {label: place for place, label in enumerate(self.labels)}
        made = []
        tokens = self.tokens.places({text: rows[text]})
        for value, said, where in zip(rows[column], rows[text], tokens, strict=True):
            spans = checked(column, value, len(text_of(text, said)))
            for span in spans:
                if span["label"] not in places:
                    raise unknown_label(column, span["label"], self.labels)
            made.append(self._tagged(spans, where, places))
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in made])]).astype(np.int64)
        return Ragged(np.fromiter(chain.from_iterable(made), np.int32, int(offsets[-1])), offsets)

    def to_json(self) -> dict[str, Any]:
        """Columns, labels and the text's feature."""
        return {**asdict(self), "text": dict(self.text)}

    @cached_property
    def tokens(self) -> Text:
        """The fitted feature of the text."""
        return Text(**self.text)

    def allowed(self) -> np.ndarray:
        """bool (tags + 1, tags): which tag may follow which; the last row: which may come first."""
        kinds = np.concatenate([[-1], np.tile(np.arange(TAGS), len(self.labels))])
        labels = np.concatenate([[-1], np.repeat(np.arange(len(self.labels)), TAGS)])
        open_before = np.isin(kinds, (FIRST, INSIDE))
        goes_on = np.isin(kinds, (INSIDE, LAST))
        same = labels[:, None] == labels[None, :]
        follows = np.where(open_before[:, None], goes_on[None, :] & same, ~goes_on[None, :])
        return np.concatenate([follows, ~goes_on[None, :]])

    def may_end(self) -> np.ndarray:
        """bool (tags,): which tag may be the last of a text."""
        kinds = np.concatenate([[-1], np.tile(np.arange(TAGS), len(self.labels))])
        return ~np.isin(kinds, (FIRST, INSIDE))

    def read(self, tags: Sequence[int], places: np.ndarray) -> list[dict[str, Any]]:
        """Spans from tags and the places of their tokens, int (T, 2); `tokens` says which: [first, after the last]."""
        found: list[dict[str, Any]] = []
        begun = 0
        for place, tag in enumerate(map(int, tags)):
            if tag == OUTSIDE:
                continue
            label, kind = divmod(tag - 1, TAGS)
            begun = place if kind in (FIRST, ALONE) else begun
            if kind in (LAST, ALONE):
                start, end = int(places[begun][0]), int(places[place][1])
                span = {"start": start, "end": end, "label": self.labels[label], "tokens": [begun, place + 1]}
                found += [span] if start < end else []  # tokens that stand for no letter are none
        return found

    def _tagged(self, spans: list[dict[str, Any]], where: np.ndarray, places: Mapping[str, int]) -> list[int]:
        """The tag of each token. where: int (T, 2), first letter and the one behind the last; (0, 0) is no letter."""
        tags = [OUTSIDE] * len(where)
        for span in sorted(spans, key=lambda one: (one["start"] - one["end"], one["start"])):
            touched = np.flatnonzero((where[:, 0] < span["end"]) & (where[:, 1] > span["start"]))
            if not len(touched) or any(tags[place] for place in touched):
                continue  # cut off at the end of the text, or inside a longer one
            base = 1 + TAGS * places[span["label"]]
            tags[touched[0]] = base + (ALONE if len(touched) == 1 else FIRST)
            for place in touched[1:]:
                tags[place] = base + (LAST if place == touched[-1] else INSIDE)
        return tags


FEATURE = Spans


def checked(column: str, value: Any, length: int | None = None) -> list[dict[str, Any]]:
    """A row's spans, plain. length: letters of the text. Raises DataError."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise _wrong(column, value) from error
    if not isinstance(value, list | tuple | np.ndarray):
        raise _wrong(column, value)
    return [_checked(column, span, length) for span in value]


def overlapping(spans: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first two that share a letter; [] without."""
    found = sorted(spans, key=lambda one: (one["start"], one["end"]))
    return next(([one, two] for one, two in pairwise(found) if two["start"] < one["end"]), [])


def _checked(column: str, span: Any, length: int | None) -> dict[str, Any]:
    if not isinstance(span, Mapping) or not isinstance(span.get("label"), str) or not span["label"]:
        raise _wrong(column, span)
    edges = [span.get("start"), span.get("end")]
    if any(isinstance(edge, bool) or not isinstance(edge, int | np.integer) for edge in edges):
        raise _wrong(column, span)
    start, end = (int(edge) for edge in edges if edge is not None)
    if not 0 <= start < end:
        raise _wrong(column, span)
    if length is not None and end > length:
        raise DataError(
            f"A span of {column!r} ends at {end}, but its text has {length} letters. Letters are counted from 0.",
            where=column,
            expected=f"an end of at most {length}",
            got=str(end),
            fix="correct the span",
        )
    return {"start": start, "end": end, "label": span["label"]}


def _wrong(column: str, value: Any) -> DataError:
    shown = "missing" if value is None else f"{value!r:.80}"
    return DataError(
        f"Column {column!r} holds spans, a list of {{'start': letter, 'end': letter, 'label': text}} with start < end; "
        f"this row has {shown}. Correct it; a text without any span has an empty list.",
        where=column,
        expected="[{'start': letter, 'end': letter, 'label': text}, ...]",
        got=shown,
        fix="correct the row",
    )
