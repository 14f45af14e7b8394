"""Texts to go on with, as numbers that give every letter back: plain ones, questions and answers, chats."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from feilun.core.errors import RecipeError, not_one_of
from feilun.core.task import Rows
from feilun.parts.features import pieces, published_tokens
from feilun.parts.features.text import text_of
from feilun.parts.features.told import check_floors, check_some
from feilun.parts.features.turns import turns_of
from feilun.parts.ops.held_text import Pieces
from feilun.parts.ops.ragged import Ragged

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PADDING, UNKNOWN, START, END, SYSTEM, USER, ASSISTANT = range(7)
FIRST = 7  # of the numbers that stand for text
TOKENS, ROLES = ("auto", "bpe", "unigram", "characters", "file"), ("chat", "text", "question", "answer")
MARKS = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT}
FEATURES, TAKEN = "features.json", ("tokens", "tokenizer", "known", "template", "start", "ends")  # of a bundle
BYTES = 256  # the pieces that byte-pair encoding starts from
BETWEEN = "\n\n"  # columns of one question
STRANGE = "\ufffd"  # what a character reads as that training did not know


def asked_least(context: int) -> int:
    """Tokens that are left to a question whose preferred and other answers are long."""
    return round(context / 4)


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """Columns of text as ragged int32 token numbers, at least one per text that is there.

    role: "chat", a column of dialogues, see `turns`: START, then of every turn its mark and what was said, END behind
    an assistant's; ASSISTANT at last if it is the assistant's turn.  "text", a text as it is, START before it.
    "question": a chat of one turn of the user, the columns put together.  "answer": the text, END behind it;
    nothing of a missing one.
    tokens: "bpe", pieces of bytes learnt from the training rows (Sennrich et al. 2016; Radford et al. 2019), which
    give every text back exactly; "unigram", likely pieces of bytes (Kudo 2018), which do too; "characters", of which
    those that training did not see become one unknown; "auto": bpe; "file": see file.
    file: tokenizer.json of published weights, with its marks and the chat template beside it; or features.json of a
    bundle, whose tokens are taken over. Kept whole: the file is not needed again.
    start, ends: of published tokens, the numbers before a text and those that end an answer. Then numbers are those of
    the file, dialogues follow its template, and a token that is to be learnt is kept as -1 - its number.
    vocabulary: most token numbers.  context: tokens that a network sees at once.
    learns_from: columns whose texts the pieces are learnt from, so that question and answer share them.
    """

    kind: ClassVar[str] = "dialogue"

    columns: tuple[str, ...]
    learns_from: tuple[str, ...] = ()
    role: str = "chat"
    tokens: str = "auto"
    vocabulary: int = 8000
    context: int = 256
    file: str | None = None
    start: int | None = None
    ends: tuple[int, ...] | None = None
    known: tuple[str, ...] = ()  # fitted, for characters
    tokenizer: str = ""  # fitted, for bpe and unigram: the JSON of the tokenizers library
    template: str = ""  # fitted, of published tokens

    def __post_init__(self) -> None:
        for name in ("columns", "learns_from", "known"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "learns_from", self.learns_from or self.columns)
        object.__setattr__(self, "ends", None if self.ends is None else tuple(self.ends))
        if self.tokens not in TOKENS:
            raise not_one_of(f"inputs.{self.columns[0]}.tokens", self.tokens, TOKENS)
        if self.role not in ROLES:
            raise not_one_of("role", self.role, ROLES)
        if self.tokens == "file" and not self.file:
            raise self._nothing_said("none")
        symbols = FIRST + BYTES if self.tokens != "characters" else FIRST + 1
        floors = {"vocabulary": (self.vocabulary, symbols), "context": (self.context, 8)}
        check_floors(self.columns[0], floors)

    @property
    def fitted(self) -> bool:
        """Whether `encode` can be called."""
        return bool(self.known or self.tokenizer)

    @property
    def vocabulary_size(self) -> int:
        """How many token numbers there are."""
        return self._first + (self._bpe.get_vocab_size() if self.tokenizer else len(self.known))

    @property
    def stops(self) -> tuple[int, ...]:
        """Tokens that end an answer."""
        return self.ends or (END,)

    @property
    def closing(self) -> int:
        """What stands behind a text in arrays: its end, which is to be learnt."""
        return -1 - self.ends[0] if self.ends else END

    @property
    def banned(self) -> tuple[int, ...]:
        """Tokens that are never written."""
        return () if self.ends else (PADDING, UNKNOWN, START, SYSTEM, USER, ASSISTANT)

    def fit(self, rows: Rows) -> Dialogue:
        """Learn the pieces. Raises DataError if no row has text, or the file is of another kind."""
        if self.file is not None:
            return self._from_file(Path(self.file))
        texts = [text for column in self.learns_from for text in self._texts(column, rows[column])]
        check_some(self.columns[0], texts)
        chosen = replace(self, tokens="bpe" if self.tokens == "auto" else self.tokens)
        if chosen.tokens != "characters":
            return replace(chosen, tokenizer=pieces.of_bytes(chosen.tokens, texts, self.vocabulary - FIRST))
        counts = Counter(chain.from_iterable(texts))
        ranked = sorted(counts, key=lambda letter: (-counts[letter], letter))
        return replace(chosen, known=tuple(ranked[: self.vocabulary - FIRST]))

    def encode(self, rows: Rows) -> Ragged:
        """int32 values, of any length: nothing is cut off. Of published tokens those to be learnt are below 0."""
        if self.ends:
            tokens = self._as_published(rows)
        elif self.role == "chat":
            tokens = [self.chat(turns_of(self.columns[0], value)) for value in rows[self.columns[0]]]
        else:
            texts = self._asked(rows)
            before, behind = {
                "text": ([START], []),
                "question": ([START, USER], [ASSISTANT]),
                "answer": ([], [END]),
            }[self.role]
            tokens = [[*before, *numbers, *behind] for numbers in self.numbers(texts)]
        if self.role == "answer":
            missing = [value is None for value in rows[self.columns[0]]]
            tokens = [[] if gone else one for one, gone in zip(tokens, missing, strict=True)]
        offsets = np.zeros(len(tokens) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, tokens), np.int64, len(tokens)), out=offsets[1:])
        return Ragged(np.fromiter(chain.from_iterable(tokens), np.int32, int(offsets[-1])), offsets)

    def shortened(self, rows: Rows, encoded: Ragged) -> dict[int, tuple[int, int]]:
        """{row: (tokens that are seen, tokens there are)} of texts of which only the end fits the context."""
        lengths = np.diff(encoded.offsets).tolist()
        return {row: (self.context, count) for row, count in enumerate(lengths) if count > self.context}

    def chat(self, turns: Sequence[tuple[str, str]]) -> list[int]:
        """Token numbers of a dialogue; it is the assistant's turn at its end unless the assistant spoke last."""
        if self.ends:
            return [int(number) for number in self._published.dialogue(turns, self.ends)]
        made = [START]
        for (role, _), numbers in zip(turns, self.numbers([said for _, said in turns]), strict=True):
            made += [MARKS[role], *numbers, *([END] if role == "assistant" else [])]
        return made if turns and turns[-1][0] == "assistant" else [*made, ASSISTANT]

    def numbers(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Token numbers of texts, without marks."""
        if self.ends:
            return iter(self._published.numbers(texts))
        if self.tokenizer:
            encoded = self._bpe.encode_batch_fast(list(texts), add_special_tokens=False)
            return ([number + FIRST for number in one.ids] for one in encoded)
        place = self._places.get
        return ([place(letter, UNKNOWN) for letter in text] for text in texts)

    def decode(self, numbers: Iterable[int]) -> str:
        """The text behind token numbers; marks are left out, bytes that are no whole letter read as U+FFFD."""
        given = [int(number) for number in numbers]
        if self.ends:
            return self._published.decode([max(number, -1 - number) for number in given])
        if self.tokenizer:
            return str(self._bpe.decode([number - FIRST for number in given if number >= FIRST]))
        return "".join(
            self.known[number - FIRST] if number >= FIRST else STRANGE
            for number in given
            if number >= FIRST or number == UNKNOWN
        )

    def to_json(self) -> dict[str, Any]:
        """Options and fitted state."""
        return asdict(self)

    @property
    def _first(self) -> int:
        """Of the numbers that stand for text."""
        return 0 if self.ends else FIRST

    def _from_file(self, path: Path) -> Dialogue:
        """With the tokens of published weights, or of a bundle."""
        if path.name == FEATURES:
            theirs = json.loads(path.read_text("utf-8"))["text"]
            found = {name: theirs[name] for name in TAKEN if name in theirs}
        elif self.ends and self.start is not None:
            found = published_tokens.read(path, self.columns[0], self.start, self.ends)
        else:
            raise self._nothing_said(path)
        return replace(self, **found, file=path.name)

    def _nothing_said(self, got: Any) -> RecipeError:
        return RecipeError(
            f"tokens of {self.columns[0]} is file: {got}. Which marks begin and end a text, is not said.",
            where=f"inputs.{self.columns[0]}.file",
            expected="tokenizer.json with start and ends, or features.json of a bundle",
            got=str(got),
            fix="name published weights, or a bundle, as model.weights: their tokens are taken",
        )

    def _as_published(self, rows: Rows) -> list[list[int]]:
        if self.role == "chat":
            return [self.chat(turns_of(self.columns[0], value)) for value in rows[self.columns[0]]]
        texts = self._asked(rows)
        if self.role == "question":
            return [self.chat([("user", text)]) for text in texts]
        before = [self.start] if self.role == "text" and self.start is not None else []
        behind = [self.closing] if self.role == "answer" else []
        return [[*before, *(-1 - number for number in numbers), *behind] for numbers in self.numbers(texts)]

    def _asked(self, rows: Rows) -> list[str]:
        """The columns of each row, put together."""
        columns = [self._texts(column, rows[column]) for column in self.columns]
        return [BETWEEN.join(filter(None, parts)) for parts in zip(*columns, strict=True)]

    @cached_property
    def _published(self) -> published_tokens.Published:
        return published_tokens.Published(self.tokenizer, self.template)

    @cached_property
    def pieces(self) -> Pieces:
        """The bytes that every token number writes, for text that is held to a form."""
        if self.ends:
            return Pieces(self._published.pieces(_bytes_of_letters()))
        if not self.tokenizer:
            return Pieces([b""] * FIRST + [letter.encode() for letter in self.known])
        alphabet = _bytes_of_letters()
        names = (self._bpe.id_to_token(number) or "" for number in range(self._bpe.get_vocab_size()))
        return Pieces([b""] * FIRST + [bytes(alphabet.get(letter, 0) for letter in name) for name in names])

    @cached_property
    def _bpe(self) -> Tokenizer:
        return pieces.opened(self.tokenizer)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {letter: place for place, letter in enumerate(self.known, FIRST)}

    def _texts(self, column: str, values: Sequence[Any]) -> list[str]:
        if self.role == "chat":
            return [said for value in values for _, said in turns_of(column, value)]
        return [text_of(column, value) for value in values]


FEATURE = Dialogue


def plain(tokens: np.ndarray) -> np.ndarray:
    """Token numbers of `encode`'s values, whether or not they are to be learnt."""
    return np.where(tokens < 0, published_tokens.signed(tokens), tokens)


def taught(tokens: np.ndarray) -> np.ndarray:
    """bool (T,): which of `encode`'s values are to be learnt: what assistants say and its END; without an assistant all
    but START."""
    if (tokens < 0).any():
        learnt: np.ndarray = tokens < 0
        return learnt
    opened = np.cumsum(tokens == ASSISTANT)
    if not len(tokens) or not opened[-1]:
        return np.arange(len(tokens)) > 0
    return np.concatenate([[False], (opened - np.cumsum(tokens == END))[:-1] > 0])


def _bytes_of_letters() -> dict[str, int]:
    """How byte-level pieces spell bytes: printable ones as themselves, the others by letters from U+0100 on.

    Radford et al. 2019, `bytes_to_unicode` of GPT-2's encoder.
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + n): byte for n, byte in enumerate(others)}
