"""Tokens of published encoder-decoders: SentencePiece's files, and numbers that are ours."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feilun.core.errors import DataError, RecipeError
from feilun.parts.features import published_pieces, sentencepiece
from feilun.parts.features.text import END, START, UNKNOWN, Text
from translator_folders import ENGLISH, MARKS, field, file_of_pieces, marian, pieces, t5

TEXTS = ["we want to see dogs now", "ten  dogs ", "", "translate: xyz", "häuser 三", "a </s> b <pad>"]
UPPER = struct.pack("<I", 1024) + b"".join(  # a trie of one letter, by which A is written b
    struct.pack("<I", {65: 65 | 1 << 8 | 1 << 10}.get(place, 0)) for place in range(256)
)


def read(folder: Path, **options: Any) -> tuple[Text, Text, dict[str, Any]]:
    """The texts that are read and written, fitted, and config.json."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    found = published_pieces.files(folder)
    assert found is not None
    numbers = published_pieces.reserved(found[0], config)
    shared: dict[str, Any] = {"tokens": "file", "reserved": numbers, "lowercase": False}
    source = Text(columns=("a",), file=str(found[0]), **shared, **options)
    target = Text(columns=("b",), file=str(found[1]), marks=True, **shared)
    rows = {"a": TEXTS, "b": TEXTS}
    return source.fit(rows), target.fit(rows), config


def test_tokens_of_t5_are_those_of_transformers_in_our_order(tmp_path: Path) -> None:
    """But for marks that a person writes, which are text."""
    from transformers import AutoTokenizer

    model = t5(tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    source, target, _ = read(tmp_path)
    order = np.array(published_pieces.order((0, 2, 0, 1), source.vocabulary_size))
    assert len(order) == len(theirs) + 1 and sorted(set(order)) == list(range(len(theirs)))
    assert order.max() < model.config.vocab_size
    for text in TEXTS[:-1]:
        there = theirs(text).input_ids
        numbers = source.encode({"a": [text]})[0]
        assert order[numbers].tolist() == there
        written = target.encode({"b": [text]})[0]
        assert written[0] == START and written[-1] == END
        if text:
            assert order[written[1:]].tolist() == there
            assert target.decode(written[1:]) == theirs.decode(there, skip_special_tokens=True).strip()
    marks = source.encode({"a": TEXTS[-1:]})[0]
    assert marks[-1] == END and not {0, START, END} & set(marks[:-1].tolist())
    assert source.lengths({"a": TEXTS[:1]}) == [len(source.encode({"a": TEXTS[:1]})[0])]


def test_a_prefix_is_put_before_what_is_read(tmp_path: Path) -> None:
    t5(tmp_path)
    plain, _, config = read(tmp_path)
    source, _, _ = read(tmp_path, prefix="translate: ", missing=("none",))
    asked = source.encode({"a": ["we see", "none", None]})
    assert asked[0].tolist() == plain.encode({"a": ["translate: we see"]})[0].tolist()
    assert asked[1].tolist() == asked[2].tolist() == [END]
    with pytest.raises(RecipeError, match="prefix of a goes with"):
        Text(columns=("a",), prefix="translate: ")
    for wrong in ({"pad_token_id": None}, {"eos_token_id": []}):
        with pytest.raises(DataError, match="does not say which"):
            published_pieces.reserved(tmp_path / "tokenizer.json", {**config, **wrong})


def test_marian_has_two_files_and_one_count(tmp_path: Path) -> None:
    """Each side falls into its own pieces; a language is a token; what vocab.json lacks is cut or unknown."""
    marian(tmp_path)
    vocabulary = json.loads((tmp_path / "vocab.json").read_text("utf-8"))
    names = {number: name for name, number in vocabulary.items()}
    source, target, config = read(tmp_path)
    pad = config["pad_token_id"]
    order = published_pieces.order((pad, 1, pad, 0), source.vocabulary_size)
    assert source.vocabulary_size == target.vocabulary_size == len(vocabulary) + 1

    def said(feature: Text, text: str) -> list[str]:
        return [names[order[number]] for number in feature.encode({feature.columns[0]: [text]})[0]]

    assert said(source, ">>deu<< we see  hund") == [">>deu<<", "▁we", "▁see", "▁h", "u", "n", "d", "</s>"]
    assert said(target, "we hunde") == ["<pad>", "▁w", "e", "▁hunde", "</s>"]
    assert said(source, "we 三三 </s>") == ["▁we", "▁", "<unk>", "▁", "<unk>", "s", "<unk>", "</s>"]
    ours = {name: order.index(number) for name, number in vocabulary.items()}
    assert target.decode([ours["▁wir"], ours["▁hunde"], ours["n"], END, ours["▁wir"]]) == "wir hunden"
    assert target.decode([ours["▁wir"], ours["▁dogs"]]) == "wir dogs"  # a piece of the other side


def test_a_file_is_read_as_it_says(tmp_path: Path) -> None:
    marks = [(mark, 0.0, 2 if mark == "<unk>" else 3) for mark in MARKS]
    known = [*marks, ("▁", -1.0, 1), ("b", -2.0, 1), ("bb", -1.0, 1), ("[x]", 0.0, 4), ("bbb", 0.0, 5)]
    known += [(f"<0x{byte:02X}>", -9.0, 6) for byte in "三".encode()]
    path = tmp_path / "spiece.model"
    path.write_bytes(file_of_pieces(known, charsmap=UPPER + b"b\0", begins=False))
    options: dict[str, Any] = {"tokens": "file", "file": str(path), "reserved": (0, 2, 0, 1), "lowercase": False}
    feature = Text(columns=("a",), **options).fit({"a": ["b"]})
    numbers = {name: place for place, name in enumerate(feature.pieces)}
    written = [numbers[name] for name in ("bb", "▁", "b", "[x]", *(f"<0x{byte:02X}>" for byte in "三".encode()))]
    assert feature.encode({"a": [" Ab  b[x]三 é "]})[0].tolist() == [*written, numbers["▁"], UNKNOWN, END]
    assert feature.decode(written) == "bb b[x]三"


def test_a_damaged_file_is_told_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = file_of_pieces([("<unk>", 0.0, 2), *((piece, score, 1) for piece, score in pieces(ENGLISH[:2])[:4])])
    path = tmp_path / "source.spm"
    path.write_bytes(whole)
    sentencepiece.read(path, None)
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        try:
            sentencepiece.read(path, None)
        except DataError:
            continue
    for wrong, words in (
        (b"\xff" * 40, "damaged"),
        (b"\x0b", "type 3"),
        (field(1, 7), "damaged"),
        (file_of_pieces([("<unk>", 0.0, 2)], kind=2), "type 2"),
        (file_of_pieces([("a", 0.0, 1)]), "0 unknown"),
    ):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match=words):
            sentencepiece.read(path, None)
    path.write_bytes(whole)
    for numbers in ({"<unk>": 10**12}, {"a": 0}):
        with pytest.raises(DataError, match="from 0 on"):
            sentencepiece.read(path, numbers)
