"""Answers out of documents: passages are found by their terms, the first few are read, and the best answer quoted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.task import Json, Rows, State
from feilun.parts.metrics.answers import f1, words
from feilun.parts.ops import bm25, reading
from feilun.parts.ops.ragged import Ragged
from feilun.parts.ops.reading import COMMON
from feilun.tasks.question_answering import answering
from feilun.tasks.question_answering.answering import Names, Span

if TYPE_CHECKING:
    from feilun.core.protocols import Runner
    from feilun.core.task import Features

FOUND, READ = 5, 5  # passages that are named beside an answer, at least; and read, where settling
WEIGHTS = (0.0, 0.1, 0.3, 1.0, 3.0)  # of a passage's fit beside its answer's log odds; chosen on validation rows
ENDING, PAGE = re.compile(r"\.(txt|text|md|markdown|html?|xhtml|pdf|docx|jsonl?|csv|tsv)$"), re.compile(r"page \d+")
DEEPER = 20  # passages that are looked through for some without the answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """What one question found: numbers of passages, how well they fit, and what was read in each."""

    places: np.ndarray
    fits: np.ndarray
    spans: Sequence[Span]

    def best(self, weight: float) -> tuple[int, float]:
        """(which of them has the answer, its margin with the lag of its fit behind the first counted in)."""
        margins = np.array([one.margin for one in self.spans]) + weight * (self.fits - self.fits[0])
        return int(margins.argmax()), float(margins.max())


def settled(
    run: Runner, names: Names, features: Features, rows: Mapping[str, Rows], truths: Sequence[Json], state: State
) -> State:
    """The passages, their index, and on validation rows: how much the fit counts, and from which margin one answers.

    Every validation question is asked twice: with its own passage beside the documents, and without any that has a
    right answer, where saying nothing is right.
    """
    passages = {name: [str(one) for one in rows["documents"][name]] for name in ("document", "place", "passage")}
    headed = [_headed(*one) for one in zip(*passages.values(), strict=True)]
    index = _index(features, headed)
    state = {**state, "documents": passages, "index": index, "weight": 0.0}
    if not truths:
        return state
    seen = rows["validation"]
    own = [str(one or "") for one in seen[names.told]]
    known = set(passages["passage"])
    texts = [*passages["passage"], *(one for one in dict.fromkeys(own) if one not in known)]
    place_of = {text: place for place, text in enumerate(texts)}
    others = texts[len(headed) :]
    whole, terms = _index(features, [*headed, *others]), features["terms"].encode(seen)
    right = [[one["text"] for one in truth["answers"]] for truth in truths]
    asked = [(row, has) for row in range(len(right)) for has in (True, False)]
    found = []
    for row, has in asked:
        fits = bm25.scores(whole, terms[row])
        mine = fits[place_of[own[row]]]
        fits[len(headed) :] = 0
        fits[place_of[own[row]]] = mine
        places = bm25.best(fits, DEEPER)
        found.append(_without((places, fits[places]), texts, () if has else right[row]))
    questions = features["question"].encode(seen)
    looked = _read(run, features, [questions[row] for row, _ in asked], found, texts, int(state["max_answer"]))
    goals = [right[row] if has else [] for row, has in asked]
    weight = max(WEIGHTS, key=lambda weight: sum(_gains(looked, goals, texts, weight)[::2]))
    margins = np.array([one.best(weight)[1] if len(one.places) else reading.LOWEST for one in looked])
    losses = np.array([f1(None, goal) for goal in goals])
    cut = reading.threshold(margins, np.array(_gains(looked, goals, texts, weight)), losses)
    return {**state, "weight": weight, "threshold": cut if state["no_answer"] else 0.0}


def answers(run: Runner, inputs: Mapping[str, np.ndarray], features: Features, state: State, count: int) -> list[Json]:
    """See the task's `answer`. Nothing found is no answer."""
    texts = state["documents"]["passage"]
    found = [_ranked(state["index"], terms, max(count, FOUND)) for terms in answering.rows_of(inputs, "terms")]
    questions = list(answering.rows_of(inputs, "question"))
    looked = _read(run, features, questions, found, texts, int(state["max_answer"]), count)
    return [_answer(one, places, state) for one, (places, _) in zip(looked, found, strict=True)]


def wrong(arrays: Mapping[str, Any], length: int, stride: int) -> Iterator[tuple[int, np.ndarray]]:
    """(row, window) of every question that has an answer: the passage that fits it best, of those without the answer.

    Finding brings such passages when one asks; a network that never saw one takes the next best piece of it.
    """
    questions, passages, spans = arrays["question"], arrays["passage"], arrays["answer"]
    bodies = [passages[row][:-1, 0] for row in range(len(passages))]
    place_of: dict[bytes, int] = {}
    places = [place_of.setdefault(body.tobytes(), len(place_of)) for body in bodies]
    rows = np.unique(places, return_index=True)[1]
    index = bm25.index(Ragged.of([bodies[row].astype(np.int64) for row in rows]))
    for row, question in enumerate(questions[row] for row in range(len(questions))):
        ends = [reading.tokens_of(passages[row], int(start), int(end)) for start, end in spans[row]]
        right = [bodies[row][pair[0] : pair[1] + 1].tobytes() for pair in ends if pair]
        fits = bm25.scores(index, question[1:-1, 0].astype(np.int64))
        fits[places[row]] = 0
        for place in bm25.best(fits, DEEPER) if right else ():
            other = passages[rows[place]]
            if not any(one in bodies[rows[place]].tobytes() for one in right):
                cut = reading.windows(question, other, length, stride)
                yield row, max((window for window, _ in cut), key=lambda window: int((window[:, 1] == COMMON).sum()))
                break


def _answer(looked: Looked, found: np.ndarray, state: State) -> dict[str, Any]:
    kept = state["documents"]
    sources = [{name: kept[name][place] for name in ("document", "place", "passage")} for place in found]
    nothing = dict.fromkeys(("document", "place", "passage"))
    if not len(looked.places):
        made = answering.said(Span(start=0, end=0, chance=reading.LOWEST, none=0.0), state)
        return {**made, "score": None, **nothing, "sources": sources}
    place, margin = looked.best(float(state["weight"]))
    span = looked.spans[place]
    behind = margin - span.margin
    made = answering.said(span, {**state, "threshold": float(state["threshold"]) - behind})
    if made["start"] is None:
        return {**made, **nothing, "sources": sources}
    of = {name: kept[name][looked.places[place]] for name in nothing}
    return {**made, "answer": of["passage"][span.start : span.end], **of, "sources": sources}


def _index(features: Features, texts: Sequence[str]) -> dict[str, Any]:
    terms = features["terms"]
    return bm25.index(terms.encode({terms.columns[0]: texts}))


def _headed(document: str, place: str, passage: str) -> str:
    """What a passage is found by: its words, those of its headings, and of its document's name.

    Of squad_sub's passages with their articles' names 98.0 % are among the first five, 97.6 % without.
    """
    words = re.sub(r"[\W_]+", " ", ENDING.sub("", document))
    return f"{words}\n{'' if PAGE.fullmatch(place) else place}\n{passage}"


def _ranked(index: Mapping[str, Any], terms: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(numbers of passages, how well they fit), the best first."""
    fits = bm25.scores(index, terms)
    places = bm25.best(fits, count)
    return places, fits[places]


def _without(
    found: tuple[np.ndarray, np.ndarray], texts: Sequence[str], right: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Only passages in which none of these answers stands."""
    gone = [f" {' '.join(words(one))} " for one in right]
    kept = [not any(one in f" {' '.join(words(texts[place]))} " for one in gone) for place in found[0]]
    return found[0][kept], found[1][kept]


def _read(
    run: Runner,
    features: Features,
    questions: Sequence[np.ndarray],
    found: Sequence[tuple[np.ndarray, np.ndarray]],
    texts: Sequence[str],
    longest: int,
    count: int = READ,
) -> list[Looked]:
    """The first few passages of every question, read."""
    told = features["passage"]
    some = [(places[:count], fits[:count]) for places, fits in found]
    once = sorted({int(place) for places, _ in some for place in places})
    encoded = told.encode({told.columns[0]: [texts[place] for place in once]})
    where = {place: number for number, place in enumerate(once)}
    pairs = [
        (question, encoded[where[int(place)]])
        for question, (places, _) in zip(questions, some, strict=True)
        for place in places
    ]
    spans = iter(answering.read(run, pairs, features["question"], longest))
    return [Looked(places=places, fits=fits, spans=[next(spans) for _ in places]) for places, fits in some]


def _gains(
    looked: Sequence[Looked], goals: Sequence[Sequence[str]], texts: Sequence[str], weight: float
) -> list[float]:
    """F1 of each question if it is answered."""
    made = []
    for one, goal in zip(looked, goals, strict=True):
        said = None
        if len(one.places):
            place, _ = one.best(weight)
            span = one.spans[place]
            said = texts[one.places[place]][span.start : span.end]
        made.append(f1(said, goal))
    return made
