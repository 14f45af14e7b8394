"""What answers without reading: nothing, always the same, or the words that stand among those of the question."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

from feilun.core.task import Json, Rows
from feilun.parts.features.answers import checked
from feilun.parts.features.text import WORD

SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
LONGEST = 5  # words of an answer


def always(text: str | None, **more: Json) -> Callable[[Rows], list[Json]]:
    """The same answer to every question."""
    return lambda rows: [{"answer": text, **more}] * len(next(iter(rows.values())))


def most_frequent(values: Iterable[Any], column: str) -> str | None:
    """The answer that is right most often; None where there never is one."""
    counts = Counter(one["text"] for value in values for one in checked(column, value))
    return min(counts, key=lambda text: (-counts[text], text)) if counts else None


def sliding_window(questions: Sequence[Any], passages: Sequence[Any]) -> list[Json]:
    """Of the sentence with most words of the question, rare ones counting more, the words that stand nearest to them.

    After the baseline of SQuAD (Rajpurkar et al. 2016, section 4.1), which weighs words as Richardson et al. (2013):
    log(1 + 1 / how often it stands in the passage). Its candidates came from a parser; here they are runs of up to five
    words that are none of the question's.
    """
    return [
        {"answer": _nearest(str(asked or ""), str(told or ""))} for asked, told in zip(questions, passages, strict=True)
    ]


def _nearest(question: str, passage: str) -> str | None:
    asked = {word.lower() for word in WORD.findall(question) if word[0].isalnum()}
    counts = Counter(word.lower() for word in WORD.findall(passage))
    weights = {word: math.log1p(1 / counts[word]) for word in asked if word in counts}
    sentences = [sentence for sentence in SENTENCE_ENDS.split(passage) if sentence.strip()]
    if not sentences:
        return None

    def common(sentence: str) -> float:
        return sum(weights.get(word, 0.0) for word in {found.lower() for found in WORD.findall(sentence)})

    best = max(sentences, key=common)
    words = list(WORD.finditer(best))
    seen = [(place, weights[word]) for place, one in enumerate(words) if (word := one.group().lower()) in weights]
    free = [one.group()[0].isalnum() and one.group().lower() not in asked for one in words]
    runs = [[place for place, _ in part] for is_free, part in groupby(enumerate(free), lambda pair: pair[1]) if is_free]
    if not runs:
        return None

    def near(run: Sequence[int]) -> float:
        return sum(weight / min(abs(place - run[0]), abs(place - run[-1])) for place, weight in seen)

    chosen = max((run[:LONGEST] for run in runs), key=near)
    return best[words[chosen[0]].start() : words[chosen[-1]].end()]
