"""Texts to go on with, as numbers that give every letter back: plain ones, questions and answers, chats."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from feilun.core.errors import RecipeError, not_one_of
from feilun.core.task import Rows
from feilun.parts.features.text import check_some, text_of
from feilun.parts.features.turns import turns_of
from feilun.parts.ops.ragged import Ragged

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PADDING, UNKNOWN, START, END, SYSTEM, USER, ASSISTANT = range(7)
FIRST = 7  # of the numbers that stand for text
TOKENS, ROLES = ("auto", "bpe", "characters"), ("chat", "text", "question", "answer")
MARKS = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT}
BYTES = 256  # the pieces that byte-pair encoding starts from
BETWEEN = "\n\n"  # columns of one question
STRANGE = "\ufffd"  # what a character reads as that training did not know


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """Columns of text as ragged int32 token numbers, at least one per text that is there.

    role: "chat", a column of dialogues, see `turns`: START, then of every turn its mark and what was said, END behind
    an assistant's; ASSISTANT at last if it is the assistant's turn.  "text", a text as it is, START before it.
    "question": a chat of one turn of the user, the columns put together.  "answer": the text, END behind it;
    nothing of a missing one.
    tokens: "bpe", pieces of bytes learnt from the training rows (Sennrich et al. 2016; Radford et al. 2019), which
    give every text back exactly; "characters", of which those that training did not see become one unknown; "auto":
    bpe.
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
    known: tuple[str, ...] = ()  # fitted, for characters
    tokenizer: str = ""  # fitted, for bpe: the JSON of the tokenizers library

    def __post_init__(self) -> None:
        for name in ("columns", "learns_from", "known"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "learns_from", self.learns_from or self.columns)
        if self.tokens not in TOKENS:
            raise not_one_of(f"inputs.{self.columns[0]}.tokens", self.tokens, TOKENS)
        if self.role not in ROLES:
            raise not_one_of("role", self.role, ROLES)
        least = {"vocabulary": FIRST + BYTES if self.tokens != "characters" else FIRST + 1, "context": 8}
        for name, floor in least.items():
            if getattr(self, name) < floor:
                raise RecipeError(
                    f"{name} of {self.columns[0]} is {getattr(self, name)}; it needs {floor} or more.",
                    where=f"inputs.{self.columns[0]}.{name}",
                    expected=f"{floor} or more",
                    got=str(getattr(self, name)),
                    fix=f"{name}: {floor}, or leave it out",
                )

    @property
    def fitted(self) -> bool:
        """Whether `encode` can be called."""
        return bool(self.known or self.tokenizer)

    @property
    def vocabulary_size(self) -> int:
        """How many token numbers there are."""
        return FIRST + (self._bpe.get_vocab_size() if self.tokenizer else len(self.known))

    def fit(self, rows: Rows) -> Dialogue:
        """Learn the pieces. Raises DataError if no row has text."""
        texts = [text for column in self.learns_from for text in self._texts(column, rows[column])]
        check_some(self.columns[0], texts)
        chosen = replace(self, tokens="bpe" if self.tokens == "auto" else self.tokens)
        if chosen.tokens == "bpe":
            return replace(chosen, tokenizer=_train_bytes(texts, self.vocabulary - FIRST))
        counts = Counter(chain.from_iterable(texts))
        ranked = sorted(counts, key=lambda letter: (-counts[letter], letter))
        return replace(chosen, known=tuple(ranked[: self.vocabulary - FIRST]))

    def encode(self, rows: Rows) -> Ragged:
        """int32 values, of any length: nothing is cut off."""
        if self.role == "chat":
            tokens = [self.chat(turns_of(self.columns[0], value)) for value in rows[self.columns[0]]]
        else:
            columns = [self._texts(column, rows[column]) for column in self.columns]
            texts = [BETWEEN.join(filter(None, parts)) for parts in zip(*columns, strict=True)]
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

    def chat(self, turns: Sequence[tuple[str, str]]) -> list[int]:
        """Token numbers of a dialogue; it is the assistant's turn at its end unless the assistant spoke last."""
        made = [START]
        for (role, _), numbers in zip(turns, self.numbers([said for _, said in turns]), strict=True):
            made += [MARKS[role], *numbers, *([END] if role == "assistant" else [])]
        return made if turns and turns[-1][0] == "assistant" else [*made, ASSISTANT]

    def numbers(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Token numbers of texts, without marks."""
        if self.tokenizer:
            encoded = self._bpe.encode_batch_fast(list(texts), add_special_tokens=False)
            return ([number + FIRST for number in one.ids] for one in encoded)
        place = self._places.get
        return ([place(letter, UNKNOWN) for letter in text] for text in texts)

    def decode(self, numbers: Iterable[int]) -> str:
        """The text behind token numbers; marks are left out, bytes that are no whole letter read as U+FFFD."""
        given = [int(number) for number in numbers]
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

    @cached_property
    def _bpe(self) -> Tokenizer:
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self.tokenizer)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {letter: place for place, letter in enumerate(self.known, FIRST)}

    def _texts(self, column: str, values: Sequence[Any]) -> list[str]:
        if self.role == "chat":
            return [said for value in values for _, said in turns_of(column, value)]
        return [text_of(column, value) for value in values]


FEATURE = Dialogue


def taught(tokens: np.ndarray) -> np.ndarray:
    """bool (T,): which tokens are to be learnt: what assistants say and its END; without an assistant all but START."""
    opened = np.cumsum(tokens == ASSISTANT)
    if not len(tokens) or not opened[-1]:
        return np.arange(len(tokens)) > 0
    return np.concatenate([[False], (opened - np.cumsum(tokens == END))[:-1] > 0])


def _train_bytes(texts: Sequence[str], size: int) -> str:
    """Byte-pair encoding that starts from the 256 bytes: there is no text that it does not know."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts, trainer)
    return json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False)
