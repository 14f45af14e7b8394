"""Pieces of words or of bytes, learnt from texts: byte-pair encoding, WordPiece, unigram."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from feilun.core.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

UNKNOWN = "[UNK]"
ROUNDS = 4  # of counting; then little changes
SPACE = "\u2581"  # what Metaspace writes for a space


def of_bytes(kind: str, texts: Sequence[str], size: int) -> str:
    """Pieces that start from the 256 bytes: there is no text that they do not know. JSON of the tokenizers library.

    kind: bpe (Sennrich et al. 2016; Radford et al. 2019) or unigram (Kudo 2018).
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE() if kind == "bpe" else models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer if kind == "bpe" else trainers.UnigramTrainer
    made = trainer(vocab_size=size, show_progress=False, initial_alphabet=alphabet)
    return _trained(tokenizer, texts, made, 0)


def opened(tokenizer: str) -> Tokenizer:
    """The tokenizer that this JSON describes."""
    from tokenizers import Tokenizer

    return Tokenizer.from_str(tokenizer)


@lru_cache(maxsize=16)
def silent(tokenizer: str) -> frozenset[int]:
    """Numbers of tokens that say nothing of a text: the unknown one, and the marks around every text."""
    made, model = opened(tokenizer), json.loads(tokenizer)["model"]
    unknown = made.token_to_id(model["unk_token"]) if model.get("unk_token") else model.get("unk_id")
    return frozenset({*made.encode("").ids, *([] if unknown is None else [int(unknown)])})


def of_letters(kind: str, texts: Sequence[str], size: int, reserved: Sequence[str]) -> str:
    """Pieces of words, apart from punctuation; a letter that training did not see is unknown.

    kind: bpe, unigram, or wordpiece, which has pieces that begin words and others (Schuster & Nakajima 2012).
    reserved: what the first numbers stand for.
    The alphabet is given, as of equally rare characters the library keeps some by chance.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram() if kind == "unigram" else models.BPE(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
    tokenizer.decoder = decoders.Metaspace()
    counts = Counter(chain.from_iterable(texts))
    counts[SPACE] = counts.pop(" ", 0) + len(texts)
    alphabet = sorted(counts, key=lambda letter: (-counts[letter], letter))[: max(1, size // 2)]
    given: dict[str, Any] = {
        "vocab_size": size,
        "special_tokens": list(reserved),
        "show_progress": False,
        "initial_alphabet": alphabet,
    }
    if kind == "unigram":
        return _trained(tokenizer, texts, trainers.UnigramTrainer(**given, unk_token=UNKNOWN), len(reserved))
    made = _trained(tokenizer, texts, trainers.BpeTrainer(**given, limit_alphabet=len(alphabet)), len(reserved))
    return _word_pieces(made, texts, size, reserved) if kind == "wordpiece" else made


def read(path: str, column: str) -> str:
    """A tokenizer.json, as JSON. Raises DataError for any other file."""
    from tokenizers import Tokenizer

    try:
        return str(Tokenizer.from_file(path).to_str())
    except Exception as error:  # the library raises Exception itself
        raise DataError(
            f"{path} is no tokenizer of the tokenizers library: {error}. Give the tokenizer.json of the weights.",
            where=f"inputs.{column}.file",
            expected="tokenizer.json",
            got=str(error)[:100],
            fix="save the tokenizer again with save_pretrained",
        ) from error


def shortened(places: list[tuple[int, int]], most: int, special: Sequence[int]) -> list[tuple[int, int]]:
    """At most so many, the published marks before and behind kept, as the tokenizer cuts."""
    if len(places) <= most:
        return places
    after = next((place for place, one in enumerate(reversed(special)) if not one), 0)
    return [*places[: most - after], *places[len(places) - after :]]


def bare(places: list[tuple[int, int]], text: str) -> list[tuple[int, int]]:
    """Without the space that many tokenizers count as the beginning of a word."""
    return [(min(end, start + (text[start : start + 1] == " ")), end) for start, end in places]


def _word_pieces(bpe: str, texts: Sequence[str], size: int, reserved: Sequence[str]) -> str:
    """The commonest pieces that these texts fall into, and every letter at both places.

    The library's own trainer breaks ties by chance: two trainings on the same texts would give other numbers.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    found: Counter[str] = Counter()
    for one in Tokenizer.from_str(bpe).encode_batch(list(texts), add_special_tokens=False):
        begins = True
        for piece in one.tokens:
            begins |= piece.startswith(SPACE)
            bare = piece.lstrip(SPACE)
            found[bare if begins else f"##{bare}"] += bool(bare)
            begins = not bare or not bare[-1].isalnum()
    letters = {letter for piece in found for letter in piece.removeprefix("##")}
    whole = [*reserved, *sorted(letters), *sorted(f"##{letter}" for letter in letters)]
    ranked = sorted(found, key=lambda piece: (-found[piece], piece))
    kept = list(dict.fromkeys([*whole, *ranked]))[: max(size, len(whole))]
    tokenizer = Tokenizer(models.WordPiece({piece: place for place, piece in enumerate(kept)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return _told(tokenizer)


def _trained(tokenizer: Tokenizer, texts: Sequence[str], trainer: Any, reserved: int) -> str:
    tokenizer.train_from_iterator(texts, trainer)
    made = _told(tokenizer)
    return _estimated(made, texts, reserved) if json.loads(made)["model"]["type"] == "Unigram" else made


def _estimated(unigram: str, texts: Sequence[str], reserved: int) -> str:
    """With the likelihoods of its pieces counted on the likeliest segmentations, from equal ones on.

    The library's own differ in their last digits from one training to the next.
    """
    from tokenizers import Tokenizer

    plain = json.loads(unigram)
    model = plain["model"]
    first = [piece for piece, _ in model["vocab"][:reserved]]
    names = sorted(piece for piece, _ in model["vocab"][reserved:])
    counts: Counter[str] = Counter(names)
    for _ in range(ROUNDS):
        total = math.log(sum(counts.values()) + len(names))
        scored = [[piece, math.log(counts[piece] + 1) - total] for piece in sorted(names, key=lambda one: -counts[one])]
        model["vocab"] = [*([piece, 0.0] for piece in first), *scored]
        whole = json.dumps(plain, ensure_ascii=False)
        found = Tokenizer.from_str(whole).encode_batch(list(texts), add_special_tokens=False)
        counts = Counter(chain.from_iterable(one.tokens for one in found))
    return whole


def _told(tokenizer: Tokenizer) -> str:
    """As JSON, the same for the same texts."""
    plain = json.loads(tokenizer.to_str())
    plain["added_tokens"] = []  # else "[PAD]" in a text would become padding
    model = plain["model"]
    if model["type"] == "WordPiece":
        model["vocab"] = dict(sorted(model["vocab"].items(), key=lambda item: int(item[1])))
    return json.dumps(plain, ensure_ascii=False)
