"""Trained pieces: the same for the same texts, whole texts back, marks where they were asked for."""

from __future__ import annotations

import random

import pytest

from feilun.parts.features.dialogue import Dialogue
from feilun.parts.features.text import Text

DRAWN = random.Random(0)
WORDS = [
    f"{'un' * (place % 2)}{DRAWN.choice(['walk', 'read', 'sing', 'naïve', '天气'])}{'ing' * (place % 3)}"
    for place in range(60)
]
TEXTS = [" ".join(DRAWN.choices(WORDS, k=7)) + ", yes." for _ in range(300)]


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram"])
@pytest.mark.parametrize("size", [60, 90])
def test_the_same_texts_give_the_same_pieces(kind: str, size: int) -> None:
    """The library's own trainers of the last two break ties by chance, from one training to the next."""
    one, two, three = (
        Text(columns=("t",), tokens=kind, vocabulary=size, marks=True).fit({"t": TEXTS}) for _ in range(3)
    )
    assert one.tokenizer == two.tokenizer == three.tokenizer
    assert one.pieces[:4] == ("[PAD]", "[UNK]", "[START]", "[END]") and one.vocabulary_size <= size
    for row in one.encode({"t": [TEXTS[0], "[PAD] [END]"]}):
        assert row[0] == 2 and row[-1] == 3 and not {0, 2, 3} & set(row[1:-1].tolist())
    assert one.decode(one.encode({"t": TEXTS[:1]})[0]) == TEXTS[0]


def test_pieces_of_bytes_know_every_text() -> None:
    feature = Dialogue(columns=("t",), role="text", tokens="unigram", vocabulary=400).fit({"t": TEXTS})
    for text in ("🙂👩‍👩‍👧", "  a\n\nb [PAD] ﷽", "\x00", "x" * 10_000, *TEXTS[:3]):
        assert feature.decode(feature.encode({"t": [text]})[0]) == text
    assert len(feature.encode({"t": TEXTS[:1]})[0]) < 0.6 * len(TEXTS[0].encode())
