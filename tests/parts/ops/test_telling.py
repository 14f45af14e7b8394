"""A text that is told piece by piece is the text that is told at once, and no piece holds half a character."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from feilun.parts.features.dialogue import Dialogue
from feilun.parts.ops.telling import STRANGE, Telling

TEXTS = ["你好，世界。飞轮！", "👍🏽 👨‍👩‍👧 ok 🎉", "naïve – “quoted”", "", "עברית ✓", "plain words"]


def letters(tokens: Sequence[int]) -> str:
    """Every token is a byte."""
    return bytes(tokens).decode("utf-8", "replace")


def told(tokens: Sequence[int], stops: tuple[str, ...] = ()) -> tuple[list[str], Telling]:
    telling = Telling(decode=letters, stops=stops)
    return [*(telling.add(token) for token in tokens), telling.end()], telling


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_are_whole_characters_and_give_the_text(text: str) -> None:
    pieces, _ = told(text.encode())
    assert "".join(pieces) == text
    assert STRANGE not in "".join(pieces)


def test_a_character_that_is_cut_off_is_left_out() -> None:
    assert "".join(told("一天".encode()[:5])[0]) == "一"


def test_bytes_that_are_no_text_read_as_they_do_at_once() -> None:
    draw = np.random.default_rng(0)
    for _ in range(300):
        tokens = draw.choice([0xFF, 0xE4, 0xBD, 0xA0, 0xF0, 0x9F, 0x41], 12).tolist()
        pieces, _ = told(tokens)
        assert "".join(pieces) == letters(tokens).removesuffix(STRANGE)


def test_pieces_of_learnt_bytes() -> None:
    feature = Dialogue(columns=("text",), role="text", vocabulary=300).fit({"text": TEXTS})
    for text in TEXTS:
        telling = Telling(decode=feature.decode)
        (tokens,) = feature.numbers([text])
        assert "".join([*(telling.add(token) for token in tokens), telling.end()]) == text


@pytest.mark.parametrize("stop", ["世界", "界。飞", "！"])
def test_nothing_of_a_stop_is_told(stop: str) -> None:
    text = TEXTS[0]
    pieces, telling = told(text.encode(), (stop, "never"))
    assert telling.stopped and "".join(pieces) == text[: text.find(stop)]


def test_what_only_began_like_a_stop_is_told_in_the_end() -> None:
    pieces, telling = told(b"one two thr", ("three", "two four"))
    assert "".join(pieces) == "one two thr" and not telling.stopped
    assert "".join(pieces[:-1]) == "one two ", "held back until it is no stop for sure"
    assert "".join(told(b"aab", ("ab",))[0]) == "a"


def test_the_earliest_of_several_stops_cuts() -> None:
    telling = Telling(decode=lambda tokens: "".join("abcdef xyz"[token] for token in tokens), stops=("cd", "bcde"))
    assert "".join(telling.add(token) for token in range(6)) == "ab"
    assert telling.stopped
