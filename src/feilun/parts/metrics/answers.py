"""Answers to questions: letter by letter, by common words, and how many were answered at all; passages found."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from feilun.core.task import Score

SCORES = {
    "answer_f1": "2 common / (said + true) words, the best of the right answers; a Chinese character is a word",
    "exact_match": "answers that are a right one but for case, punctuation and articles; no answer where there is none",
    "correct_of_asked": "questions that got a right answer, of all that were asked",
    "answered_of_asked": "questions that got an answer at all, of all that were asked; neither more nor less is better",
    "recall_at_1": "questions whose passage was found first, of those that documents answer",
    "recall_at_5": "questions whose passage was among the first five, of those that documents answer",
}
# Scripts written without spaces, of which each character is a word (CMRC 2018, MLQA): Thai to Khmer, kana, Han.
CHARACTER = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
ARTICLES = re.compile(r"\b(a|an|the)\b")
SYMBOLS = frozenset("$+<=>^`|~")  # that SQuAD counts as punctuation besides
FIRST = (1, 5)
AROUND = 20  # letters around an answer by which its passage is known

Answer = Mapping[str, Any]  # {answer: text or None, ...}
Truth = Mapping[str, Any]  # {answers: [{text, start}], passage: text of documents}


def words(text: str) -> list[str]:
    """SQuAD's normalisation (Rajpurkar et al. 2016): lower case, without punctuation and articles; by spaces.

    Compatible forms are alike (NFKC), so that full-width letters equal plain ones, and a character of an unspaced
    script is a word of its own: the mixed segmentation of CMRC 2018 (Cui et al. 2019) and MLQA (Lewis et al. 2020).
    """
    plain = unicodedata.normalize("NFKC", text).lower()
    plain = "".join(letter for letter in plain if not _is_punctuation(letter))
    return CHARACTER.sub(r" \g<0> ", ARTICLES.sub(" ", plain)).split()


def f1(said: str | None, right: Sequence[str]) -> float:
    """2 common / (said + true) words, the best over the right answers; 1 for none where there is none, else 0."""
    if said is None or not right:
        return float(said is None and not right)
    ours = words(said)
    return max(_overlap(ours, words(one)) for one in right)


def exact(said: str | None, right: Sequence[str]) -> float:
    """1 where the words are those of a right answer, or there is none and none was given."""
    if said is None or not right:
        return float(said is None and not right)
    return float(words(said) in [words(one) for one in right])


def scores(answers: Sequence[Answer], truths: Sequence[Truth]) -> dict[str, Score]:
    """All scores of answers and, where they came from documents, of the passages that were found."""
    said = [answer["answer"] for answer in answers]
    right = [[one["text"] for one in truth["answers"]] for truth in truths]
    match = np.array([exact(*pair) for pair in zip(said, right, strict=True)], np.float64)
    given = np.array([one is not None for one in said], np.float64)
    made = {
        "answer_f1": Score(rows=np.array([f1(*pair) for pair in zip(said, right, strict=True)], np.float64), unit="%"),
        "exact_match": Score(rows=match, unit="%"),
        "correct_of_asked": Score(rows=match * given, unit="%"),
        "answered_of_asked": Score(rows=given, unit="%", better=""),
    }
    if any("sources" in answer for answer in answers) and any(truth.get("passage") for truth in truths):
        places = np.array([_place(*pair) for pair in zip(answers, truths, strict=True)], np.float64)
        made |= {f"recall_at_{most}": Score(statistic=_found(places, most), unit="%") for most in FIRST}
    return made


def _found(places: np.ndarray, most: int) -> Callable[[np.ndarray], float]:
    """Share of these rows that were found in time, of those that have a place to be found at."""

    def share(rows: np.ndarray) -> float:
        known = places[rows][~np.isnan(places[rows])]
        return float((known < most).mean()) if len(known) else float("nan")

    return share


def _place(answer: Answer, truth: Truth) -> float:
    """Where among the sources the right passage stands, from 0; infinity where it does not, NaN where there is none.

    The right passage has a right answer with the same letters around it.
    """
    passage = truth.get("passage")
    if not passage or not truth["answers"]:
        return float("nan")
    wanted = [
        _squeezed(passage[max(0, one["start"] - AROUND) : one["start"] + len(one["text"]) + AROUND])
        for one in truth["answers"]
    ]
    for place, source in enumerate(answer.get("sources", ())):
        held = _squeezed(source["passage"])
        if any(one in held for one in wanted):
            return float(place)
    return float("inf")


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _overlap(ours: Sequence[str], theirs: Sequence[str]) -> float:
    if not ours or not theirs:
        return float(ours == theirs)
    common = (Counter(ours) & Counter(theirs)).total()
    return 2 * common / (len(ours) + len(theirs))


def _is_punctuation(letter: str) -> bool:
    return letter in SYMBOLS or unicodedata.category(letter).startswith("P")
