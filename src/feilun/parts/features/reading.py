"""Reading: questions and passages as tokens of one vocabulary, each with the letters it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from feilun.core.errors import DataError, not_one_of
from feilun.core.task import Rows
from feilun.parts.features.text import Text, text_of
from feilun.parts.features.told import check_floors, check_some, nowhere
from feilun.parts.ops.ragged import Ragged

ROLES = ("question", "passage")
WINDOW = 256  # tokens where nothing else is said
LEAST = 16  # tokens of a window
WHOLE = 1 << 30  # tokens: a text of any length is encoded whole
BOTH = "texts"
OWN = ("tokens", "vocabulary", "lowercase", "file", "missing")  # options that are handed on to the text's feature


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One column of texts as ragged int32 (T, 3): token, first letter in the text as it came, letter behind its last.

    role: a question begins and ends with a mark, a passage ends with one; a mark is no letter, (0, 0).
    learns_from: columns whose texts the tokens are learnt from, so that question and passage share them.
    max_length: tokens that a network reads at once, question, passage and three marks; of a question at most half.
    Longer passages are several windows.  stride: passage tokens from one window to the next; 0: half of what fits.
    tokens, vocabulary, lowercase, file, missing: as of the kind text.
    """

    kind: ClassVar[str] = "reading"
    column_kind: ClassVar[str] = "text"  # what its columns hold

    columns: tuple[str, ...]
    learns_from: tuple[str, ...] = ()
    role: str = "passage"
    tokens: str = "auto"
    max_length: int = 0
    stride: int = 0
    vocabulary: int = 0
    lowercase: bool = True
    file: str | None = None
    missing: tuple[str, ...] = ()
    text: Mapping[str, Any] = field(default_factory=dict)  # fitted: the text's feature

    def __post_init__(self) -> None:
        for name in ("columns", "learns_from", "missing"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "learns_from", self.learns_from or self.columns)
        object.__setattr__(self, "max_length", self.max_length or WINDOW)
        if self.role not in ROLES:
            raise not_one_of("role", self.role, ROLES)
        check_floors(self.columns[0], {"max_length": (self.max_length, LEAST), "stride": (self.stride, 0)})
        if self.tokens == "grams":
            raise nowhere(self.columns[0])
        Text(columns=(BOTH,), **self._options)  # raises RecipeError for values that it does not take

    @property
    def fitted(self) -> bool:
        """Whether `encode` can be called."""
        return bool(self.text)

    @property
    def as_text(self) -> Text:
        """What an encoder of texts is built for: the tokens of a window."""
        return replace(self._text, max_length=self.max_length)

    @property
    def pieces(self) -> tuple[str, ...]:
        """The token behind each number, reserved ones first."""
        return self._text.pieces

    def fit(self, rows: Rows) -> Reading:
        """Learn the tokens. Raises DataError if no row has text."""
        texts = list(dict.fromkeys(text_of(name, value) for name in self.learns_from for value in rows[name]))
        check_some(self.columns[0], texts)
        own = Text(columns=(BOTH,), max_length=WHOLE, marks=self.file is None, **self._options)
        fitted = own.fit({BOTH: texts})
        return replace(self, text=fitted.to_json(), file=fitted.file, tokens=fitted.tokens)

    def encode(self, rows: Rows) -> Ragged:
        """int32 values (total, 3). Raises DataError for a question that leaves no room for a passage."""
        column = self.columns[0]
        texts = [text_of(column, value) for value in rows[column]]
        once = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        tokens, places = self._text.encode({BOTH: list(once)}), self._text.places({BOTH: list(once)})
        made = Ragged.of([self._marked(tokens[row], places[row]) for row in range(len(once))] or [_EMPTY])
        self._check(np.diff(made.offsets), list(once))
        return made.take(np.array([once[text] for text in texts], np.int64))

    def to_json(self) -> dict[str, Any]:
        """Options and fitted state."""
        return {**asdict(self), "text": dict(self.text)}

    @property
    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in OWN}

    @cached_property
    def _text(self) -> Text:
        return Text(**self.text)

    @cached_property
    def _marks(self) -> tuple[int, int]:
        """The tokens that stand before and behind every text."""
        both = self._text.encode({BOTH: [""]})[0]
        return int(both[0]), int(both[-1])

    def _marked(self, tokens: np.ndarray, places: np.ndarray) -> np.ndarray:
        """(T, 3) with the marks of the role, whatever marks the text's feature puts around a text."""
        tokens = tokens if self.file is not None else tokens[1:-1]
        letters = np.column_stack([tokens, places]).astype(np.int32)[places[:, 1] > places[:, 0]]
        first, last = ([[mark, 0, 0]] for mark in self._marks)
        return np.concatenate([*([first] if self.role == "question" else []), letters, last]).astype(np.int32)

    def _check(self, lengths: np.ndarray, texts: list[str]) -> None:
        longest = int(lengths.argmax()) if len(texts) else 0
        if self.role != "question" or not len(texts) or lengths[longest] <= self.max_length // 2:
            return
        raise DataError(
            f"A question has {lengths[longest]:,} tokens; with max_length {self.max_length} it may have "
            f"{self.max_length // 2}, so that there is room for a passage: {texts[longest][:60]!r} ...",
            where=self.columns[0],
            expected=f"at most {self.max_length // 2} tokens",
            got=f"{lengths[longest]:,} tokens",
            fix=f"ask in fewer words, or raise inputs.{self.columns[0]}.max_length",
        )


FEATURE = Reading

_EMPTY = np.zeros((0, 3), np.int32)
