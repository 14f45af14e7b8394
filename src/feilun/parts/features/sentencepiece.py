"""Files of SentencePiece (.spm, .model), a protobuf, as JSON of the tokenizers library."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feilun.core.errors import DataError

NORMAL, UNKNOWN, OWN, BYTE = 1, 2, 4, 6  # types of pieces; all others are marks, which no text has
UNIGRAM = 1  # type of a model
WIDTHS = {1: 8, 5: 4}  # bytes of numbers, by their type on the wire
LANGUAGE = re.compile(r">>.+<<")  # how Marian's texts begin that say which language is wanted
HIDDEN = " "  # before the name of a piece that no text may fall into: spaces in texts have another sign


@dataclass(kw_only=True, slots=True)
class File:
    """What is read of one: [(piece, score, type)] by number, and how texts are tidied."""

    pieces: list[tuple[str, float, int]] = field(default_factory=list)
    kind: int = UNIGRAM
    charsmap: bytes = b""
    begins: bool = True  # a space is put before every text
    trims: bool = True  # several spaces are one, and there are none around a text


def read(path: Path, numbers: Mapping[str, int] | None) -> dict[str, Any]:
    """The tokenizer, as tokenizer.json would say it.

    numbers: {piece: its number}, Marian's vocab.json; None: pieces have their places in the file as numbers.

    A piece that vocab.json does not have is cut into others, where Marian's own tokenizer says that it is unknown.
    Raises DataError for anything that is no unigram model of SentencePiece.
    """
    try:
        found = _parsed(path.read_bytes())
    except (ValueError, IndexError, TypeError, AttributeError, struct.error) as error:
        raise _wrong(path, f"it is damaged or of another kind: {error}") from error
    unknown = [number for number, (_, _, kind) in enumerate(found.pieces) if kind == UNKNOWN]
    if not unknown or found.kind != UNIGRAM:
        raise _wrong(path, f"its model is of type {found.kind}, with {len(unknown)} unknown pieces")
    if numbers is None:
        inside = (NORMAL, OWN, BYTE)
        vocab = [(name if kind in inside else HIDDEN + name, score) for name, score, kind in found.pieces]
        return _built(found, vocab, unknown[0])
    scores = {name: score for name, score, kind in found.pieces if kind in (NORMAL, OWN)}
    stands = found.pieces[unknown[0]][0]
    if stands not in numbers or sorted(numbers.values()) != list(range(len(numbers))):
        raise _wrong(path, f"vocab.json beside it does not number its pieces from 0 on, with {stands!r} among them")
    ranked = sorted(numbers, key=lambda name: numbers[name])
    vocab = [
        (name if name in scores or LANGUAGE.fullmatch(name) else HIDDEN + name, scores.get(name, 0.0))
        for name in ranked
    ]
    return _built(found, vocab, numbers[stands])


def _built(found: File, vocab: list[tuple[str, float]], unknown: int) -> dict[str, Any]:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    has_bytes = any(kind == BYTE for _, _, kind in found.pieces)
    made = Tokenizer(models.Unigram(vocab, unknown, has_bytes))
    tidied: list[Any] = [normalizers.Precompiled(found.charsmap)] if found.charsmap else []
    if found.trims:
        tidied += [normalizers.Replace(Regex(r"\A +| +\z"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
    made.normalizer = normalizers.Sequence(tidied)
    scheme = "always" if found.begins else "never"
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    bare: list[Any] = [decoders.Replace(HIDDEN, ""), *([decoders.ByteFallback()] if has_bytes else [])]
    made.decoder = decoders.Sequence([*bare, decoders.Metaspace(prepend_scheme=scheme)])
    plain: dict[str, Any] = json.loads(made.to_str())
    asked = [(place, piece) for place, (piece, _) in enumerate(vocab) if LANGUAGE.fullmatch(piece)]
    plain["added_tokens"] = [_language(place, piece) for place, piece in asked]
    return plain


def _language(number: int, piece: str) -> dict[str, Any]:
    plain = dict.fromkeys(("single_word", "lstrip", "normalized", "special"), False)
    return {"id": number, "content": piece, **plain, "rstrip": True}


def _parsed(data: bytes) -> File:
    """sentencepiece_model.proto: pieces are field 1, how it was trained 2, how texts are tidied 3."""
    made = File()
    for number, value in _fields(data):
        if number == 1:
            one = dict(_fields(value))
            score = struct.unpack("<f", one[2])[0] if 2 in one else 0.0
            made.pieces.append((one[1].decode(), float(score), int(one.get(3, NORMAL))))
        elif number == 2:
            made.kind = int(dict(_fields(value)).get(3, UNIGRAM))
        elif number == 3:
            told = dict(_fields(value))
            made.charsmap = bytes(told.get(2, b""))
            made.begins, made.trims = bool(told.get(3, True)), bool(told.get(4, True))
    return made


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, integer or bytes) of each field of a protobuf message."""
    place = 0
    while place < len(data):
        key, place = _integer(data, place)
        kind = key & 7
        if kind == 0:
            value, place = _integer(data, place)
            yield key >> 3, value
        elif kind == 2 or kind in WIDTHS:
            size, place = (WIDTHS[kind], place) if kind in WIDTHS else _integer(data, place)
            if place + size > len(data):
                raise ValueError(f"it ends within field {key >> 3}")
            yield key >> 3, data[place : place + size]
            place += size
        else:
            raise ValueError(f"field {key >> 3} is of type {kind}")


def _integer(data: bytes, place: int) -> tuple[int, int]:
    """A number, seven bits a byte, and the place behind it."""
    value = shift = 0
    while True:
        byte = data[place]
        value, place = value | (byte & 127) << shift, place + 1
        if byte < 128:
            return value, place
        shift += 7


def _wrong(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} is no unigram model of SentencePiece that can be read here: {why}. Fetch it again, or take "
        "weights with a tokenizer.json.",
        where="model.weights",
        expected="a unigram model of SentencePiece",
        got=why[:100],
        fix="download the file again, or put a tokenizer.json beside the weights",
    )
