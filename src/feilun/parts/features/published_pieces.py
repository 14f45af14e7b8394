"""Tokens of published encoder-decoders with our numbers: padding 0, unknown 1, start 2 and end 3, then all others.

So a network, its losses and its decoding loop need not know whose tokens they are; rows of the published tables are
put in the same order where weights are read (`order`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

from feilun.core.errors import DataError
from feilun.parts.features import pieces, sentencepiece

RESERVED = tuple(f"{sentencepiece.HIDDEN}[{name}]" for name in ("PAD", "UNK", "START", "END"))
VOCABULARY = "vocab.json"  # beside Marian's two files of pieces: the numbers of both


def files(folder: Path) -> tuple[Path, Path] | None:
    """What says the tokens of the text that is read, and of the one that is written; None where nothing does."""
    marian = folder / "source.spm", folder / "target.spm"
    if all(path.is_file() for path in (*marian, folder / VOCABULARY)):
        return marian
    both = [path for path in (folder / "tokenizer.json", folder / "spiece.model") if path.is_file()]
    return (both[0], both[0]) if both else None


def read_with(path: Path) -> list[Path]:
    """All files that these tokens come from."""
    return [path, path.parent / VOCABULARY] if path.suffix == ".spm" else [path]


def reserved(path: Path, config: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """The published numbers of what we count 0 to 3. config: config.json.  Raises DataError."""
    end = config.get("eos_token_id")
    end = end[0] if isinstance(end, list) and end else end
    padding = config.get("pad_token_id")
    if not isinstance(padding, int) or not isinstance(end, int):
        raise DataError(
            f"config.json beside {path} does not say which tokens pad a text and end it.",
            where="model.weights",
            expected="pad_token_id and eos_token_id",
            got=f"pad_token_id: {padding}, eos_token_id: {end}",
            fix="save the model again with save_pretrained",
        )
    start = config.get("decoder_start_token_id")
    unknown = int(_plain(path, "weights")["model"]["unk_id"])
    return padding, unknown, padding if start is None else int(start), end


def order(numbers: Sequence[int], symbols: int) -> list[int]:
    """The published number of each of ours. numbers: see `reserved`; one may stand for two.  symbols: how many there
    are of ours."""
    rest = (number for number in count() if number not in numbers)
    return [*numbers, *islice(rest, symbols - len(numbers))]


def renumbered(path: Path, column: str, numbers: Sequence[int], *, ends: bool) -> str:
    """JSON of the tokenizers library. numbers: see `reserved`.  ends: every text has the mark of the end behind it.

    Raises DataError for tokens that are no unigram model (Kudo 2018).
    """
    plain = _plain(path, column)
    vocab = [*plain["model"]["vocab"]]
    vocab += [[one["content"], 0.0] for one in plain["added_tokens"] if one["id"] >= len(vocab)]
    kept = [number for number in range(len(vocab)) if number not in numbers]
    plain["model"] |= {"unk_id": 1, "vocab": [*([name, 0.0] for name in RESERVED), *(vocab[one] for one in kept)]}
    ours = {vocab[number][0]: place for place, number in enumerate(kept, len(RESERVED))}
    asked = [one for one in plain["added_tokens"] if sentencepiece.LANGUAGE.fullmatch(one["content"])]
    plain["added_tokens"] = [{**one, "id": ours[one["content"]]} for one in asked]
    text, end = {"Sequence": {"id": "A", "type_id": 0}}, RESERVED[-1]
    behind = {"SpecialToken": {"id": end, "type_id": 0}}
    template = {
        "type": "TemplateProcessing",
        "single": [text, behind],
        "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}, behind],
        "special_tokens": {end: {"id": end, "ids": [len(RESERVED) - 1], "tokens": [end]}},
    }
    plain |= {"post_processor": template if ends else None, "truncation": None, "padding": None}
    return json.dumps(plain, ensure_ascii=False)


def _plain(path: Path, column: str) -> dict[str, Any]:
    """A tokenizer as tokenizer.json says it, with the published numbers."""
    if path.suffix != ".json":
        known = path.parent / VOCABULARY
        numbers = json.loads(known.read_text("utf-8")) if path.suffix == ".spm" else None
        return sentencepiece.read(path, numbers)
    plain: dict[str, Any] = json.loads(pieces.read(str(path), column))
    kind = plain["model"]["type"]
    if kind != "Unigram" or plain["model"].get("unk_id") is None:
        raise DataError(
            f"{path} has tokens of kind {kind}; those of weights that translate are read where they are a unigram "
            "model with an unknown piece. Take other weights.",
            where="model.weights",
            expected="a unigram model",
            got=str(kind),
            fix="take weights of T5, mT5 or Marian with their own tokens",
        )
    return plain
