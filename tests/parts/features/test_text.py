"""Text: three kinds of tokens in two languages, edges, speed, the way back."""

import json
import time

import numpy as np
import pytest

from feilun.core.errors import DataError, RecipeError
from feilun.parts.features.text import FEATURE as Text

ENGLISH = ["The cat sat.", "The dog sat!", "A cat ran, quickly", "the dog ran"] * 5
CHINESE = ["房间很干净,服务也好", "房间太小", "服务很好!", "Good hotel 酒店不错"] * 5


def fit(texts, **options):
    feature = Text(columns=("t",), **options).fit({"t": texts})
    return Text(**json.loads(json.dumps(feature.to_json())))


@pytest.mark.parametrize("tokens", ["characters", "words", "bpe"])
@pytest.mark.parametrize("texts", [ENGLISH, CHINESE])
@pytest.mark.parametrize("marks", [False, True])
def test_every_kind_reads_and_writes_every_language(tokens, texts, marks):
    feature = fit(texts, tokens=tokens, vocabulary=200, marks=marks)
    encoded = feature.encode({"t": texts})
    assert encoded.values.dtype == "int32"
    assert encoded.values.max() < feature.vocabulary_size <= 200
    assert 1 not in encoded.values and 0 not in encoded.values
    assert feature.decode(encoded[1]).replace(" ", "") == texts[1].lower().replace(" ", "")
    if marks:
        assert encoded[0][0] == 2 and encoded[0][-1] == 3
        assert feature.decode([*encoded[1], 7, 8]) == feature.decode(encoded[1])


def test_auto_takes_characters_for_chinese_and_words_for_english():
    assert fit(CHINESE).tokens == "characters"
    assert fit(ENGLISH).tokens == "words"


def test_words_of_mixed_text():
    feature = fit(["Good 酒店, don't 2nd"], tokens="words")
    assert sorted(feature.known) == sorted(["good", "酒", "店", ",", "don", "'", "t", "2nd"])


@pytest.mark.parametrize("tokens", ["characters", "words", "bpe"])
def test_empty_and_unknown_texts_have_one_token(tokens):
    feature = fit(ENGLISH, tokens=tokens, vocabulary=60)
    encoded = feature.encode({"t": ["", None, "   ", "ж"]})
    assert [row.tolist() for row in (encoded[0], encoded[1])] == [[1], [1]]
    assert all(len(encoded[row]) >= 1 for row in range(4))
    assert 1 in encoded[3]
    assert len(feature.encode({"t": []})) == 0


def test_reserved_words_in_a_text_are_text():
    feature = fit([*ENGLISH, "[PAD] [UNK]"], tokens="bpe", lowercase=False)
    assert not {0, 1} & set(feature.encode({"t": ["[PAD] [UNK] cat"]}).values.tolist())


def test_length_is_bounded_marks_included():
    for tokens in ("characters", "words", "bpe"):
        for marks in (False, True):
            feature = fit(ENGLISH, tokens=tokens, max_length=4, marks=marks)
            assert len(feature.encode({"t": ["the cat sat on the mat"]})[0]) == 4


def test_composed_and_decomposed_letters_are_the_same():
    feature = fit(["caf\u00e9", "tea"], tokens="characters")
    one, other = feature.encode({"t": ["caf\u00e9", "cafe\u0301"]}), feature.encode({"t": ["cafe\u0301"]})
    assert one[0].tolist() == one[1].tolist() == other[0].tolist()


def test_case_is_kept_when_asked():
    assert "T" in fit(ENGLISH, tokens="characters", lowercase=False).known


def test_errors_name_the_column():
    with pytest.raises(DataError, match="'t' has no text"):
        fit(["", None])
    with pytest.raises(DataError, match="'t' holds text"):
        fit(["a"]).encode({"t": [["a"]]})
    with pytest.raises(RecipeError, match="auto, characters, words, bpe"):
        Text(columns=("t",), tokens="letters")


def test_ten_thousand_short_texts_take_a_fraction_of_a_second():
    texts = ["the quick brown fox jumps over the lazy dog"] * 10_000
    for tokens in ("characters", "words", "bpe"):
        feature = fit(texts[:1000], tokens=tokens)
        started = time.process_time()
        assert len(feature.encode({"t": texts})) == 10_000
        # Measured: 0.02 to 0.2 s; a tokenizer that is called text by text takes several seconds.
        assert time.process_time() - started < 2.5


def test_what_is_listed_as_missing_is_an_empty_text():
    feature = fit(ENGLISH, missing=("n/a", "-9"))
    said = feature.encode({"t": ["n/a", " N/A", " n/a ", -9, "-9.0", None]})
    empty = feature.encode({"t": [""]}).values.tolist()
    alike = [part.tolist() == empty for part in np.split(said.values, said.offsets[1:-1])]
    assert alike == [True, False, True, True, True, True]


def test_the_same_texts_give_the_same_pieces() -> None:
    """Also where there are more letters than pieces, and all of them equally rare."""
    texts = ["".join(chr(0x4E00 + 37 * row + place) for place in range(37)) for row in range(40)]
    assert len({fit(texts, tokens="bpe", vocabulary=200).tokenizer for _ in range(5)}) == 1


@pytest.mark.parametrize("text", ["cafe\u0301 İ e\u0301", "\u1112\u1161\u11ab\u1100\u1173\u11af x", "ﬁn ½"])
def test_places_of_words_are_those_of_the_text_as_it_came(text: str) -> None:
    """Also of a hundred thousand letters, each of which is looked at once."""
    feature = Text(columns=("x",), tokens="words", max_length=10**6).fit({"x": [text]})
    [places] = feature.places({"x": [text]})
    [longer] = feature.places({"x": [text + " " + "e\u0301 o " * 20_000]})
    assert list(dict.fromkeys(text[start:end] for start, end in places)) == text.split()
    assert longer[: len(places)].tolist() == places.tolist() and len(longer) == len(places) + 40_000


def test_very_many_marks_on_one_letter_stand_where_it_stands() -> None:
    text = "a" + "\u0301" * 100_000 + " b"
    [places] = Text(columns=("x",), tokens="words", max_length=10**6).fit({"x": [text]}).places({"x": [text]})
    assert places[0].tolist() == [0, 1] and places[-1].tolist() == [len(text) - 1, len(text)]


def test_several_columns_are_one_text_a_line_each():
    feature = Text(columns=("title", "body"), tokens="characters").fit({"title": ["ab", "c"], "body": ["d", "e"]})
    rows = {"title": ["ab", None, "a"], "body": ["d", "e", ""]}
    assert list(feature.joined(rows)) == ["ab\nd", "e", "a"]
    assert len(feature.encode(rows)[0]) == 4


@pytest.mark.parametrize("text", ["one two, three four", "房间很干净", "one", "", None])
def test_two_halves_are_the_whole(text):
    first, second = (Text(columns=("t",), half=half).joined({"t": [text]})[0] for half in ("first", "second"))
    assert first + second == (text or "")
    assert first or not text


def test_a_vocabulary_may_be_learnt_from_more_columns_than_are_read():
    rows = {"t": ["one"], "other": ["two two"]}
    feature = Text(columns=("t",), learns_from=("t", "other"), tokens="words").fit(rows)
    assert set(feature.known) == {"one", "two"}
    assert feature.columns == ("t",)
