"""chrF and BLEU against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from feilun.parts.metrics import text

CAT, RIGHT = "the black cat sat on the mat", "the cat sat on the mat"


def test_bleu_by_hand() -> None:
    # n-grams of the text found in the right one: 6 of 7, 4 of 6, 3 of 5, 2 of 4; longer than the right one: no penalty
    assert text.bleu([CAT], [RIGHT])(np.array([0])) == pytest.approx((6 / 7 * 4 / 6 * 3 / 5 * 2 / 4) ** 0.25)


def test_bleu_of_several_rows_sums_counts_and_lengths() -> None:
    whole = text.bleu([CAT, "a dog"], [RIGHT, "a dog barks aloud now"])
    # with "a dog": 2 of 2 and 1 of 1 more; 9 words where 11 were right
    expected = (8 / 9 * 5 / 7 * 3 / 5 * 2 / 4) ** 0.25 * np.exp(1 - 11 / 9)
    assert whole(np.array([0, 1])) == pytest.approx(expected)
    assert whole(np.array([1])) == pytest.approx(np.exp(1 - 5 / 2))  # no text is long enough for three in a row
    assert whole(np.array([0, 0])) == pytest.approx(whole(np.array([0])))


@pytest.mark.parametrize(("said", "bleu"), [("", 0.0), ("no word in common here", 0.0), (RIGHT, 1.0)])
def test_bleu_at_its_ends(said: str, bleu: float) -> None:
    assert text.bleu([said], [RIGHT])(np.array([0])) == pytest.approx(bleu)


def test_chrf_by_hand() -> None:
    # "ab" in "abc": one character 2/2 and 2/3, two in a row 1/1 and 1/2; P = 1, R = 7/12, F₂ = 5 P R / (4 P + R)
    assert text.chrf(["ab"], ["abc"]) == pytest.approx([35 / 55])
    # recall counts twice: the longer text is nearer to the right one than the shorter
    assert text.chrf(["abc"], ["ab"])[0] > text.chrf(["ab"], ["abc"])[0]


def test_chrf_at_its_ends() -> None:
    got = text.chrf(["", "", "a b", "xyz", "花开"], ["", "a", "ab", "abc", "花开"])
    assert got.tolist() == [1.0, 0.0, 1.0, 0.0, 1.0]


def test_exact_ignores_space_around_only() -> None:
    assert text.exact(["a b ", "ab", "A b"], ["a b"] * 3).tolist() == [1.0, 0.0, 0.0]


def test_tokens_of_scripts_without_spaces() -> None:
    assert text.tokens("Hello, 世界 ok!") == ["Hello", ",", "世", "界", "ok", "!"]


SIGNS = [
    ("Ein T-Shirt, 1,5 m (2-mal)!", ["Ein", "T-Shirt", ",", "1,5", "m", "(", "2", "-", "mal", ")", "!"]),
    ("Rock'n'Roll & Pop/Jazz... 3.000", ["Rock'n'Roll", "&", "Pop", "/", "Jazz", ".", ".", ".", "3.000"]),
    ("a.b c,d 7.8.", ["a", ".", "b", "c", ",", "d", "7.8", "."]),
    ("它在2010年,很好。A-B", ["它", "在", "2010", "年", ",", "很", "好", "。", "A-B"]),
]


@pytest.mark.parametrize(("said", "words"), SIGNS)
def test_words_are_those_of_the_script_that_everybody_uses(said: str, words: list[str]) -> None:
    assert text.tokens(said) == words


def test_bleu_is_what_sacrebleu_says() -> None:
    """Computed with sacrebleu 2.6.0, tokens zh."""
    said = ["我们去了北京，天气很好。", "他说2010年GDP增长8.5%"]
    right = ["我们去北京，天气不错。", "他说在2010年GDP增长了8.5%。"]
    assert 100 * text.bleu(said, right)(np.arange(2)) == pytest.approx(44.891415265251)
