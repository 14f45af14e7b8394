"""Answers out of passages: every window is read, and the best span is weighed against there being none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.task import Json, Row, Rows, State
from feilun.parts.metrics.answers import f1
from feilun.parts.ops import reading
from feilun.parts.ops.ragged import collate

if TYPE_CHECKING:
    from feilun.core.protocols import Runner
    from feilun.core.task import Features

ROWS, TOKENS = 64, 8192  # of windows that go through the network together, at most
NOWHERE = reading.LOWEST / 2  # log-probability of a span that may not be: the window has no passage
AT_ONCE = 256  # rows whose windows are held at a time


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """The columns of questions and of passages."""

    asked: str
    told: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The best span of a passage: its letters, and log-probabilities of it and of none, in the window it stands in."""

    start: int
    end: int
    chance: float
    none: float

    @property
    def margin(self) -> float:
        """Log odds of the span against none; very low where there is nothing to answer with."""
        return self.chance - self.none


def read(run: Runner, pairs: Sequence[tuple[np.ndarray, np.ndarray]], asked: Any, longest: int) -> list[Span]:
    """The best span of each (question, passage), encoded; of all its windows the one with the largest margin.

    asked: the feature of the question.  longest: tokens of an answer.
    """
    found: list[Span] = []
    for start in range(0, len(pairs), AT_ONCE):
        found += _read(run, pairs[start : start + AT_ONCE], asked, longest)
    return found


def said(span: Span, state: State) -> dict[str, Any]:
    """The answer but for its letters, which the passage's text has."""
    score = span.margin - float(state["threshold"])
    given = span.chance > NOWHERE and (score > 0 or not state["no_answer"])
    return {
        "answer": None,
        "start": span.start if given else None,
        "end": span.end if given else None,
        "score": round(score, 4),
        "confidence": round(float(np.exp(span.chance if given else span.none)), 4),
    }


def threshold(run: Runner, names: Names, features: Features, rows: Rows, truths: Sequence[Json], state: State) -> float:
    """The margin above which answers are worth giving, by their F1 on these rows."""
    texts = [str(one or "") for one in rows[names.told]]
    found = read(run, encoded(features, names, rows), features["question"], int(state["max_answer"]))
    right = [[one["text"] for one in truth["answers"]] for truth in truths]
    gains = [f1(text[span.start : span.end], good) for text, span, good in zip(texts, found, right, strict=True)]
    losses = [f1(None, good) for good in right]
    return reading.threshold(np.array([span.margin for span in found]), np.array(gains), np.array(losses))


def encoded(features: Features, names: Names, rows: Rows) -> list[tuple[np.ndarray, np.ndarray]]:
    """(question, passage) of each row, encoded."""
    told = features["context"] if "context" in features else features["passage"]
    questions, passages = features["question"].encode(rows), told.encode({told.columns[0]: rows[names.told]})
    return [(questions[row], passages[row]) for row in range(len(questions))]


def rows_of(inputs: Mapping[str, np.ndarray], name: str) -> Iterable[np.ndarray]:
    """The rows of a collated ragged input, without padding."""
    return (row[:length] for row, length in zip(inputs[name], inputs[f"{name}_length"], strict=True))


def by_row(rows: Rows) -> list[Row]:
    """Rows by column, turned into a list of dicts."""
    return [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]


def _read(run: Runner, pairs: Sequence[tuple[np.ndarray, np.ndarray]], asked: Any, longest: int) -> list[Span]:
    cut = [
        (row, *one)
        for row, (question, passage) in enumerate(pairs)
        for one in reading.windows(question, passage, asked.max_length, asked.stride)
    ]
    best: dict[int, Span] = {}
    for batch in reading.batches([len(window) for _, window, _ in cut], ROWS, TOKENS):
        windows = [cut[place][1] for place in batch]
        made = run("main", **_padded(windows))
        spans = zip(*reading.spans(made["starts"], made["ends"], longest), strict=True)
        for place, (first, last, chance, none) in zip(batch, spans, strict=True):
            row, _, begun = cut[place]
            question, passage = pairs[row]
            shift = begun - len(question)
            there = len(passage) > 1 and chance > NOWHERE
            start, end = (int(passage[first + shift, 1]), int(passage[last + shift, 2])) if there else (0, 0)
            span = Span(start=start, end=end, chance=float(chance), none=float(none))
            if row not in best or (span.margin, -span.start) > (best[row].margin, -best[row].start):
                best[row] = span
    return [best[row] for row in range(len(pairs))]


def _padded(windows: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    from feilun.parts.ops.ragged import Ragged

    return collate({"window": Ragged.of(list(windows))})
