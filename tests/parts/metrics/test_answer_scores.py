"""Scores of answers: SQuAD's words, Chinese characters, several right answers, none, and the two shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from feilun.parts.metrics.answers import exact, f1, scores, words


def test_words_are_squads() -> None:
    assert words("The Denver Broncos!") == ["denver", "broncos"]
    assert words("a cat's, $3.50") == ["cats", "350"]
    assert words("在１９９８年，A队") == ["在", "1998", "年", "a", "队"]


@pytest.mark.parametrize(
    ("said", "right", "overlap", "same"),
    [
        ("Denver Broncos", ["the Denver Broncos", "Broncos"], 1.0, 1.0),
        ("in Santa Clara", ["Santa Clara, California"], 2 * 2 / (3 + 3), 0.0),
        ("北京大学", ["北京"], 2 * 2 / (4 + 2), 0.0),
        (None, [], 1.0, 1.0),
        (None, ["Rome"], 0.0, 0.0),
        ("Rome", [], 0.0, 0.0),
        ("The", ["a"], 1.0, 1.0),
    ],
)
def test_by_hand(said: str | None, right: list[str], overlap: float, same: float) -> None:
    assert f1(said, right) == pytest.approx(overlap)
    assert exact(said, right) == same


def test_correct_of_asked_and_answered_of_asked() -> None:
    """Of four questions three are answered, two of them rightly; the fourth rightly stays without an answer."""
    truths: list[Any] = [{"answers": [{"text": text, "start": 0}]} for text in ("a b", "c", "d")] + [{"answers": []}]
    answers = [{"answer": text} for text in ("a b", "c", "x", None)]
    found = {name: np.mean(score.rows) for name, score in scores(answers, truths).items()}  # type: ignore[arg-type]
    assert found == {"answer_f1": 0.75, "exact_match": 0.75, "correct_of_asked": 0.5, "answered_of_asked": 0.75}


def test_recall_is_of_the_passage_around_the_answer() -> None:
    """The same words in another passage do not count, nor do questions without an answer."""
    passage = "Anna was born in Rome in May."
    truth = {"answers": [{"text": "Rome", "start": 17}], "passage": passage}
    other, own = {"passage": "They met in Rome."}, {"passage": "A page.\nAnna was  born in\nRome in May. More."}
    answers = [{"answer": None, "sources": given} for given in ([other, own], [own], [other], [])]
    truths = [truth, truth, truth, {"answers": [], "passage": passage}]
    found = scores(answers, truths)
    shares = [found[name].statistic(np.arange(4)) for name in ("recall_at_1", "recall_at_5")]  # type: ignore[misc]
    assert shares == [pytest.approx(1 / 3), pytest.approx(2 / 3)]
