"""Text: characters, words or trained pieces (BPE) as numbers, in any language; 0 is padding, 1 is unknown."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from feilun.core.errors import RecipeError
from feilun.core.task import Row, Rows
from feilun.parts.features import grams, pieces
from feilun.parts.features.told import check_prefix, check_some, no_text, nowhere
from feilun.parts.ops import composed, missing
from feilun.parts.ops.ragged import Ragged

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PIECES = ("bpe", "wordpiece", "unigram")
TOKENS = ("auto", "characters", "words", *PIECES, "grams", "file")
PADDING, UNKNOWN, START, END = 0, 1, 2, 3
# Scripts written without spaces: Han, kana, Thai, Lao, Khmer, Burmese. Each character is a word of its own.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+|[^\w\s]")
ALONE = re.compile(rf"[{UNSPACED}]")
LONGEST_PIECE = 64  # letters on one base whose places are told apart
SAMPLE = 2000  # texts looked at to choose between characters and words
LENGTH, GRAMS_LENGTH = 256, 2000  # max_length where left out: of tokens, and for grams of characters
VOCABULARY, GRAMS_VOCABULARY = 8000, 60_000
TOKENIZER = "tokenizer.json"
GRAMS_AT_LEAST = 2  # texts that must have a gram: what occurs once teaches nothing that helps elsewhere


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text as ragged int32 token numbers, at least one per text; several columns are put together, a line each.

    tokens: "characters", "words", pieces learnt from the training rows ("bpe", "wordpiece", "unigram"), or "auto":
    characters where the texts are written without spaces, such as Chinese, else words; "grams": which words, pairs of
    words and short runs of characters there are, each once and in no order (Joulin et al. 2016; Bojanowski et al.
    2017), for bag and linear.
    file: of a trained tokenizer, tokenizer.json of the tokenizers library, with tokens "file": published weights have
    their own, which is kept in the bundle.
    max_length: tokens kept, from the start; for grams the characters that are read. 0: 256, for grams 2,000.
    vocabulary: most token numbers, the most frequent tokens first. 0: 8,000, for grams 60,000.
    marks: put START before and END behind every text, for networks that write text.
    missing: data.missing: texts that say nothing; they are empty.
    learns_from: columns whose texts the vocabulary is learnt from; its own if empty.  half: "first" or "second": only
    the words in this half of a text.  join: one text with the other columns that say so, where a task reads each alone.
    tagged: the last column holds tags, such as the language wanted: each is a token before the text.
    reserved: of the file of an encoder-decoder, the numbers there of padding, unknown, start and end; numbers are then
    ours, and every text that is read has the end behind it.  prefix: put before every such text, as T5 was taught.
    """

    kind: ClassVar[str] = "text"

    columns: tuple[str, ...]
    tokens: str = "auto"
    max_length: int = 0
    vocabulary: int = 0
    lowercase: bool = True
    marks: bool = False
    file: str | None = None
    missing: tuple[str, ...] = ()
    learns_from: tuple[str, ...] = ()
    half: str = ""
    join: bool = False
    known: tuple[str, ...] = ()  # fitted, for characters and words
    tokenizer: str = ""  # fitted, for pieces and file: the JSON of the tokenizers library
    tagged: bool = False
    tags: tuple[str, ...] = ()  # fitted
    reserved: tuple[int, ...] | None = None
    prefix: str | None = None

    def __post_init__(self) -> None:
        for name in ("columns", "missing", "learns_from", "known", "tags"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "learns_from", self.learns_from or self._texts_of)
        if self.tokens not in TOKENS:
            raise RecipeError(
                f"tokens {self.tokens!r} of {self.columns[0]} is not one of {', '.join(TOKENS)}.",
                where=f"inputs.{self.columns[0]}.tokens",
                expected=", ".join(TOKENS),
                got=str(self.tokens),
                fix="leave the key out",
            )
        if (self.tokens == "file") != (self.file is not None):
            raise RecipeError(
                f"tokens of {self.columns[0]} is {self.tokens}, file is {self.file}; the two go together.",
                where=f"inputs.{self.columns[0]}.file",
                expected="tokens: file, file: tokenizer.json",
                got=f"tokens: {self.tokens}, file: {self.file}",
                fix="give both, or neither",
            )
        object.__setattr__(self, "reserved", self.reserved and tuple(self.reserved))
        check_prefix(self.columns[0], self.prefix, self.reserved)
        if self.tokens == "grams" and self.marks:
            raise RecipeError(
                f"tokens of {self.columns[0]} is grams: a text cannot be written from pieces without an order.",
                where=f"inputs.{self.columns[0]}.tokens",
                expected=", ".join(TOKENS[:-1]),
                got="grams",
                fix="tokens: bpe",
            )
        length, most = (GRAMS_LENGTH, GRAMS_VOCABULARY) if self.tokens == "grams" else (LENGTH, VOCABULARY)
        object.__setattr__(self, "max_length", self.max_length or length)
        object.__setattr__(self, "vocabulary", self.vocabulary or most)

    @property
    def fitted(self) -> bool:
        """Whether `encode` can be called."""
        return bool(self.known or self.tokenizer)

    @property
    def vocabulary_size(self) -> int:
        """How many token numbers there are: the rows of an embedding."""
        return self._without_tags + len(self.tags)

    @property
    def pieces(self) -> tuple[str, ...]:
        """The token behind each number, reserved ones first."""
        tags = tuple(f"[{tag}]" for tag in self.tags)
        if not self.tokenizer:
            return (*self._reserved, *self.known, *tags)
        vocabulary = self._bpe.get_vocab()
        return (*sorted(vocabulary, key=lambda token: int(vocabulary[token])), *tags)

    @property
    def mask_number(self) -> int:
        """The token that stands for a hidden one in pre-training: the tokenizer's own, else the unknown one."""
        found = self._bpe.token_to_id("[MASK]") if self.tokenizer else None
        return UNKNOWN if found is None else int(found)

    def fit(self, rows: Rows) -> Text:
        """Learn the vocabulary, and the tags. Raises DataError if no row has text."""
        if self.tagged and not self.tags:
            tags = sorted({text_of(self.columns[-1], value) for value in rows[self.columns[-1]]} - {""})
            return replace(self, tags=tuple(tags)).fit(rows)
        texts = [text for column in self.learns_from for text in self._texts(rows[column])]
        check_some(self.columns[0], texts)
        if self.file is not None:
            return replace(self, tokenizer=self._published(self.file), file=TOKENIZER)
        chosen = replace(self, tokens=_suited(texts) if self.tokens == "auto" else self.tokens)
        if chosen.tokens in PIECES:
            made = pieces.of_letters(chosen.tokens, texts, self.vocabulary, self._reserved)
            return replace(chosen, tokenizer=made)
        if chosen.tokens == "grams":
            room = max(1, self.vocabulary - self._first)
            return replace(chosen, known=grams.learn(self._tidy(texts), ALONE, room, GRAMS_AT_LEAST))
        counts = Counter(chain.from_iterable(map(chosen._split, texts)))
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        return replace(chosen, known=tuple(ranked[: max(1, self.vocabulary - self._first)]))

    def encode(self, rows: Rows) -> Ragged:
        """int32 values. A text without a token, or a missing one, is one unknown token."""
        if self.tokens == "grams":
            return self._bags(self._texts(self.joined(rows)))
        room = self.max_length - 2 * self.marks
        tokens = [row[:room] or [UNKNOWN] for row in self._numbers(self._texts(self.joined(rows)))]
        if self.tagged:
            number = {tag: place for place, tag in enumerate(self.tags, self._without_tags)}
            asked = [text_of(self.columns[-1], value) for value in rows[self.columns[-1]]]
            tokens = [[number.get(tag, UNKNOWN), *row] for tag, row in zip(asked, tokens, strict=True)]
        if self.marks:
            tokens = [[START, *row, END] for row in tokens]
        offsets = np.zeros(len(tokens) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, tokens), np.int64, len(tokens)), out=offsets[1:])
        values = np.fromiter(chain.from_iterable(tokens), np.int32, int(offsets[-1]))
        return Ragged(values, offsets)

    def lengths(self, rows: Rows) -> list[int]:
        """How many tokens each text has as a whole, marks included; more than max_length are cut."""
        texts = self._texts(self.joined(rows))
        if self.tokenizer:
            encoded = self._whole.encode_batch_fast(texts, add_special_tokens=self.file is not None)
            return [len(one.ids) + 2 * self.marks for one in encoded]
        words = self.tokens == "words"
        return [len(WORD.findall(text) if words else text) + 2 * self.marks for text in texts]

    def shortened(self, rows: Rows, encoded: Ragged) -> dict[int, tuple[int, int]]:
        """{row: (tokens that are read, tokens there are)} of texts cut at max_length; of grams characters.

        encoded: what `encode` made of the same rows: only texts that fill it are counted.
        """
        if self.tokens == "grams":
            some, counts = list(range(len(encoded))), list(map(len, self._texts(self.joined(rows))))
        else:
            some = np.flatnonzero(np.diff(encoded.offsets) >= self.max_length).tolist()
            counts = self.lengths({name: [rows[name][row] for row in some] for name in self.columns}) if some else []
        every = zip(some, counts, strict=True)
        return {row: (self.max_length, count) for row, count in every if count > self.max_length}

    def is_empty(self, row: Row) -> bool:
        """Whether its text is missing, or spaces alone."""
        return not self._texts(self.joined({name: [row.get(name)] for name in self.columns}))[0].strip()

    def joined(self, rows: Rows) -> Sequence[Any]:
        """The text of each row as it came, of several columns a line each; of a half the words in it."""
        names = self._texts_of
        cells = rows[names[0]]
        if len(names) > 1:
            columns = [[text_of(name, value) for value in rows[name]] for name in names]
            cells = ["\n".join(filter(None, parts)) for parts in zip(*columns, strict=True)]
        if self.half:
            cells = [_half(text_of(names[0], value), self.half) for value in cells]
        return cells

    def places(self, rows: Rows) -> list[np.ndarray]:
        """Per text int32 (T, 2): the letters of each of its tokens in the text as it came, [first, behind the last].

        As many as `encode` gives, without marks; (0, 0) for a token that is no letter. Raises RecipeError for grams.
        """
        if self.tokens == "grams":
            raise nowhere(self.columns[0])
        texts = self._texts(rows[self.columns[0]])
        given = [text_of(self.columns[0], value) for value in rows[self.columns[0]]]
        found = zip(self._letters(texts), texts, given, strict=True)
        return [self._back(places[: self.max_length] or [(0, 0)], text, came) for places, text, came in found]

    def decode(self, numbers: Iterable[int]) -> str:
        """Text from token numbers; reading ends at END, unknown tokens are left out."""
        kept: list[int] = []
        for number in map(int, numbers):
            if self.marks and number == END:
                break
            kept += [number] if number >= self._first else []
        if self.tokenizer:
            return str(self._bpe.decode(kept)).strip()
        return _joined([self.known[number - self._first] for number in kept], words=self.tokens == "words")

    def to_json(self) -> dict[str, Any]:
        """Options and fitted state."""
        return asdict(self)

    @property
    def _reserved(self) -> list[str]:
        return ["[PAD]", "[UNK]", "[START]", "[END]"][: self._first]

    @property
    def _first(self) -> int:
        return 4 if self.marks else 2

    @property
    def _texts_of(self) -> tuple[str, ...]:
        """The columns of text."""
        return self.columns[:-1] if self.tagged else self.columns

    @property
    def _without_tags(self) -> int:
        return self._bpe.get_vocab_size() if self.tokenizer else self._first + len(self.known)

    @cached_property
    def _bpe(self) -> Tokenizer:
        return pieces.opened(self.tokenizer)

    @cached_property
    def _whole(self) -> Tokenizer:
        """The same, which never cuts: how another one cuts may be changed by other threads."""
        return pieces.opened(self.tokenizer)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {token: place for place, token in enumerate(self.known, self._first)}

    @cached_property
    def _hashes(self) -> tuple[np.ndarray, np.ndarray]:
        """Hashes of what is known, sorted, and the token number of each."""
        hashes = grams.hashes_of(self.known)
        order = np.argsort(hashes)
        return hashes[order], (order + self._first).astype(np.int32)

    def _tidy(self, texts: Sequence[str]) -> list[str]:
        return [grams.tidy(text[: self.max_length]) for text in texts]

    def _bags(self, texts: Sequence[str]) -> Ragged:
        """Each known gram of a text once, the commonest first."""
        hashes, numbers = self._hashes
        parts, counts = [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]
        for start in range(0, len(texts), grams.BLOCK):
            block = self._tidy(texts[start : start + grams.BLOCK])
            found = grams.find(block, ALONE)
            place = np.minimum(np.searchsorted(hashes, found.hashes), len(hashes) - 1)
            known = hashes[place] == found.hashes
            empty = np.arange(len(block))[np.bincount(found.texts[known], minlength=len(block)) == 0]
            pairs = np.concatenate([found.texts[known] << 32 | numbers[place[known]], empty << 32 | UNKNOWN])
            pairs.sort()
            pairs = pairs[np.diff(pairs, prepend=-1) != 0]  # np.unique hashes them, which took ten times as long
            parts.append((pairs & 0xFFFFFFFF).astype(np.int32))
            counts.append(np.bincount(pairs >> 32, minlength=len(block)))
        return Ragged(np.concatenate(parts), np.cumsum(np.concatenate(counts)))

    def _texts(self, values: Sequence[Any]) -> list[str]:
        texts = [text_of(self.columns[0], value) for value in values]
        absent = missing.of(self.missing)
        texts = ["" if absent.says(text) else text for text in texts] if absent.words else texts
        texts = [f"{self.prefix}{text}" if text else text for text in texts] if self.prefix else texts
        texts = [text if text.isascii() else unicodedata.normalize("NFC", text) for text in texts]
        return [text.lower() for text in texts] if self.lowercase else texts

    def _published(self, file: str) -> str:
        if not self.reserved:
            return pieces.read(file, self.columns[0])
        from feilun.parts.features import published_pieces

        return published_pieces.renumbered(Path(file), self.columns[0], self.reserved, ends=not self.marks)

    def _numbers(self, texts: Sequence[str]) -> Iterator[list[int]]:
        if self.file is not None:  # as published, with its own marks before and behind
            self._bpe.no_padding()
            self._bpe.enable_truncation(self.max_length)
            self._bpe.encode_special_tokens = True
            return (encoding.ids for encoding in self._bpe.encode_batch_fast(list(texts)))
        if self.tokenizer:
            # Special tokens written out in a text are text, not padding.
            return (encoding.ids for encoding in self._bpe.encode_batch_fast(list(texts), add_special_tokens=False))
        place = self._places.get
        return ([place(token, UNKNOWN) for token in self._split(text)] for text in texts)

    def _letters(self, texts: Sequence[str]) -> Iterator[list[tuple[int, int]]]:
        """Where the tokens of tidied texts stand in them."""
        if self.tokenizer:
            self._bpe.no_padding()
            self._bpe.no_truncation()
            published = self.file is not None
            encoded = self._bpe.encode_batch(list(texts), add_special_tokens=published)
            kept = (pieces.shortened(one.offsets, self.max_length, one.special_tokens_mask) for one in encoded)
            return (pieces.bare(places, text) for places, text in zip(kept, texts, strict=True))
        if self.tokens == "words":
            return ([match.span() for match in WORD.finditer(text)] for text in texts)
        return ([(place, place + 1) for place in range(min(len(text), self.max_length))] for text in texts)

    def _back(self, places: list[tuple[int, int]], text: str, came: str) -> np.ndarray:
        """From letters of the tidied text to letters of the text as it came, where tidying changed its length."""
        found = np.array(places, np.int32).reshape(-1, 2)
        if len(text) == len(came) or not came:
            return found
        upto = np.concatenate([[0], *(self._lengths(piece) for piece in composed.apart(came))]).cumsum()
        first = np.searchsorted(upto, found[:, 0], side="right") - 1
        behind, marks = np.searchsorted(upto, found[:, 1]), np.searchsorted(upto, found[:, 1], side="right") - 1
        return np.stack([first, np.maximum(behind, marks)], 1).astype(np.int32)  # with marks that became one letter

    def _lengths(self, piece: str) -> list[int]:
        """By how many letters the tidied text grows with each letter; of very many on one base, all at the first."""
        if len(piece) > LONGEST_PIECE:
            return [len(self._texts([piece])[0]), *[0] * (len(piece) - 1)]
        upto = [len(self._texts([piece[:end]])[0]) for end in range(len(piece) + 1)]
        return [after - before for before, after in pairwise(upto)]

    def _split(self, text: str) -> Sequence[str]:
        return WORD.findall(text) if self.tokens == "words" else text[: self.max_length]


FEATURE = Text


def text_of(column: str, value: Any) -> str:
    """A cell as text; a number is written, nothing is empty. Raises DataError for anything else."""
    if isinstance(value, str):
        return value
    if value is None or value != value:
        return ""
    if isinstance(value, int | float):
        return str(value)
    raise no_text(column, value)


def _half(text: str, which: str) -> str:
    """The words before the middle one, or from it on; letters in scripts without spaces are words."""
    words = [match.start() for match in WORD.finditer(text)]
    middle = words[len(words) // 2] if len(words) > 1 else len(text)
    return text[:middle] if which == "first" else text[middle:]


def _suited(texts: Sequence[str]) -> str:
    """Characters if more than a third of the letters belong to scripts without spaces."""
    text = "".join(texts[:: max(1, len(texts) // SAMPLE)])
    alone = len(ALONE.findall(text))
    return "characters" if alone * 3 > sum(map(str.isalpha, text)) else "words"


def _joined(tokens: Sequence[str], *, words: bool) -> str:
    """Words with spaces between them, but none around characters of unspaced scripts or before punctuation."""
    if not words:
        return "".join(tokens)
    text = ""
    for token in tokens:
        close = not text or ALONE.match(token) or ALONE.match(text[-1]) or (len(token) == 1 and token in ".,;:!?%)")
        text += token if close else f" {token}"
    return text
