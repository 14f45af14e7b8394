"""Token numbers of texts that are written: every text comes back, marks stand where they must."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from feilun.core.errors import DataError, RecipeError
from feilun.parts.features import dialogue
from feilun.parts.features.dialogue import ASSISTANT, END, FIRST, START, SYSTEM, UNKNOWN, USER, Dialogue, taught
from feilun.parts.features.turns import turns_of

TEXTS = ("Hello there, hello!", "今天天气很好。", "  two  spaces\n\nand a line", "naïve café", "", "I")
STRANGE = (
    "🙂👩‍👩‍👧",
    "ｆｕｌｌ ｗｉｄｔｈ",
    "שלום עולם",
    "مرحبا",
    "\ufeffmark",
    "a\u0301",
    "\x00\x07",
    "[START] [PAD] <|end|>",
    "𒀀" * 50,
)


def fitted(**options: Any) -> Dialogue:
    return Dialogue(columns=("text",), role="text", **options).fit({"text": list(TEXTS)})


@pytest.mark.parametrize("text", [*TEXTS, *STRANGE, "x" * 1_000_000])
def test_every_text_comes_back_letter_by_letter(text: str) -> None:
    feature = fitted(vocabulary=300)
    encoded = feature.encode({"text": [text]})
    assert (
        encoded[0][0] == START and (encoded[0][1:] >= FIRST).all() and int(encoded[0].max()) < feature.vocabulary_size
    )
    assert feature.decode(encoded[0]) == text
    assert Dialogue(**feature.to_json()).decode(encoded[0]) == text


def test_characters_come_back_and_a_strange_one_is_marked() -> None:
    feature = fitted(tokens="characters")
    assert [
        feature.decode(row) for row in (feature.encode({"text": list(TEXTS)})[place] for place in range(6))
    ] == list(TEXTS)
    assert feature.decode(feature.encode({"text": ["I🙂I"]})[0]) == "I\ufffdI"
    assert UNKNOWN in feature.encode({"text": ["I🙂I"]})[0]


def test_questions_and_answers_share_pieces_and_have_their_marks() -> None:
    rows = {"ask": ["what is it", None], "more": ["say", "tell"], "answer": ["a cat", "a dog"]}
    learns = ("ask", "more", "answer")
    asked = Dialogue(columns=("ask", "more"), learns_from=learns, role="question", vocabulary=300).fit(rows)
    answered = Dialogue(columns=("answer",), learns_from=learns, role="answer", vocabulary=300).fit(rows)
    assert asked.tokenizer == answered.tokenizer
    question, answer = asked.encode(rows)[0], answered.encode(rows)[0]
    assert question[:2].tolist() == [START, USER] and question[-1] == ASSISTANT and answer[-1] == END
    assert asked.decode(question) == "what is it\n\nsay" and answered.decode(answer) == "a cat"
    assert asked.decode(asked.encode(rows)[1]) == "tell"


def test_pieces_do_not_depend_on_chance() -> None:
    assert fitted(vocabulary=320).tokenizer == fitted(vocabulary=320).tokenizer


@pytest.mark.parametrize(
    ("options", "where"),
    [({"tokens": "words"}, "tokens"), ({"vocabulary": 100}, "vocabulary"), ({"context": 1}, "context")],
)
def test_options_that_cannot_be_are_told(options: dict[str, object], where: str) -> None:
    with pytest.raises(RecipeError, match=where):
        fitted(**options)


def test_what_is_no_text_is_told() -> None:
    with pytest.raises(DataError, match="holds text"):
        fitted().encode({"text": [["a list"]]})
    with pytest.raises(DataError, match="no text"):
        Dialogue(columns=("text",), role="text").fit({"text": ["", None]})
    assert dialogue.FEATURE is Dialogue


CHATS = (
    [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
    ],
    {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
    '{"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}',
    None,
)


def test_every_form_of_a_dialogue_is_read() -> None:
    feature = Dialogue(columns=("chat",), tokens="characters").fit({"chat": list(CHATS)})
    encoded = feature.encode({"chat": list(CHATS)})

    def shown(row: int) -> list[object]:
        return [int(number) if number < FIRST else feature.known[number - FIRST] for number in encoded[row]]

    hello, hi = [*"Hello", END], [USER, *"Hi"]
    assert shown(0) == [START, SYSTEM, *"Be kind.", *hi, ASSISTANT, *hello]
    assert shown(1) == [START, *hi, ASSISTANT, *hello]
    assert shown(2) == [START, *hi, ASSISTANT] and shown(3) == [START, ASSISTANT]
    assert [feature.decode([n]) for n, keep in zip(encoded[0], taught(encoded[0]), strict=True) if keep] == [
        *"Hello",
        "",
    ]


def test_what_assistants_say_is_taught_and_nothing_else() -> None:
    tokens = np.array([START, USER, 9, ASSISTANT, 8, 7, END, USER, 9, 9, ASSISTANT, 8, END])
    assert taught(tokens).nonzero()[0].tolist() == [4, 5, 6, 11, 12]
    assert taught(np.array([START, 9, 8, END])).tolist() == [False, True, True, True]
    assert taught(np.zeros(0, np.int32)).tolist() == []


@pytest.mark.parametrize(
    "wrong", ["hello", 3, [{"role": "robot", "content": "x"}], [{"role": "user"}], ["text"]], ids=str
)
def test_what_is_no_dialogue_is_told(wrong: object) -> None:
    with pytest.raises(DataError, match="holds dialogues"):
        Dialogue(columns=("chat",), tokens="characters", known=("a",)).encode({"chat": [wrong]})


@pytest.mark.parametrize("tokens", ["bpe", "characters"])
def test_pieces_are_the_bytes_that_tokens_write(tokens: str) -> None:
    feature = fitted(tokens=tokens, vocabulary=300)
    texts = TEXTS if tokens == "characters" else (*TEXTS, *STRANGE, "".join(map(chr, range(0x80, 0x800))))
    for text in texts:
        [numbers] = feature.numbers([text])
        assert b"".join(feature.pieces.written[number] for number in numbers) == text.encode()
    assert len(feature.pieces.written) == feature.vocabulary_size and not any(feature.pieces.written[:FIRST])
    assert (feature.pieces.letters is None) == (tokens == "bpe")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("hello", "this row has the text 'hello'"),
        ({"chat": []}, "this row has an object with 'chat'"),
        (3, "this row has 3"),
        (["hi"], "'hi' in place of a message"),
        ([{"role": "boss", "content": "go"}], "a message with the role 'boss'"),
        ([{"content": "go"}], "a message without a role"),
        ([{"role": "user"}], "a message without a text"),
        ([{"role": "user", "content": 3}], "a message that says 3"),
    ],
)
def test_what_is_no_dialogue_is_told_as_it_came(cell: object, words: str) -> None:
    with pytest.raises(DataError) as caught:
        turns_of("chat", cell)
    assert words in str(caught.value) and "none" not in str(caught.value).lower()
