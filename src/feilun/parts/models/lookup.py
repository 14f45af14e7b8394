"""Simple searches to stand beside ours: by the words that texts have in common (BM25), and in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from feilun.core import discover
from feilun.core.task import Json, Rows
from feilun.parts.ops import bm25
from feilun.parts.ops.ragged import stacked

Answer = Callable[[Rows], list[Json]]
DEPTH = 10
WORDS, LONGEST = 200_000, 2_000  # different words that are told apart, and those of a text that are read
COLUMN = "text"


def of_labels(known: Sequence[str], labels: Sequence[str], asked: Callable[[Rows], Sequence[str]], seed: int) -> Any:
    """{baseline: Answer}, `{labels}` of the first ten of the known texts. asked: the texts in rows."""
    words = _words(known)
    index = bm25.index(words.encode({COLUMN: known}))

    def by_words(rows: Rows) -> list[Json]:
        tokens = words.encode({COLUMN: asked(rows)})
        scores = (bm25.scores(index, tokens[row]) for row in range(len(tokens)))
        return [{"labels": [labels[place] for place in np.argsort(-one, kind="stable")[:DEPTH]]} for one in scores]

    def by_chance(rows: Rows) -> list[Json]:
        drawn = np.random.default_rng(seed)
        return [{"labels": [labels[place] for place in drawn.permutation(len(known))[:DEPTH]]} for _ in asked(rows)]

    return {"words_in_common": by_words, "random": by_chance}


def of_places(known: Sequence[str], pairs: Callable[[Rows], tuple[Sequence[str], Sequence[str]]], seed: int) -> Any:
    """{baseline: Answer}, `{place, of}` of each row's own text among the known ones and itself; equal scores share it.

    pairs: what asks and what is to be found in rows.
    """
    words = _words(known)
    tokens = words.encode({COLUMN: known})
    count = len(known)

    def by_words(rows: Rows) -> list[Json]:
        asking, wanted = pairs(rows)
        index = bm25.index(stacked(tokens, words.encode({COLUMN: wanted})))
        asked, copies = words.encode({COLUMN: asking}), np.array(known, object)
        answers: list[Json] = []
        for row, own in enumerate(wanted):
            scores = bm25.scores(index, asked[row])
            others, mine = scores[:count][copies != own], scores[count + row]
            place = 1 + int((others > mine).sum()) + int((others == mine).sum() + 1) // 2
            answers.append({"place": place, "of": count + 1})
        return answers

    def by_chance(rows: Rows) -> list[Json]:
        drawn = np.random.default_rng(seed).integers(1, count + 2, len(pairs(rows)[0]))
        return [{"place": int(place), "of": count + 1} for place in drawn]

    return {"words_in_common": by_words, "random": by_chance}


def _words(known: Sequence[str]) -> Any:
    feature = discover.feature("text", columns=(COLUMN,), tokens="words", vocabulary=WORDS, max_length=LONGEST)
    return feature.fit({COLUMN: known})
