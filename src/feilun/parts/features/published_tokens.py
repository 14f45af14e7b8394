"""The tokens of published weights: tokenizer.json, the marks around texts, and the template that dialogues follow."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.errors import DataError
from feilun.parts.features import chat_template, pieces

if TYPE_CHECKING:
    from tokenizers import Tokenizer

GUARD = "\udc03"  # inside what a person wrote that reads like a mark; half of a letter, which no text has
SPACE = "\u2581"
TEMPLATE = "chat_template.jinja"


class Published:
    """Token numbers as published, of texts and of dialogues. tokenizer: JSON of the tokenizers library.

    A mark that somebody writes into a text, such as <|im_end|>, is text: only the template sets marks.
    """

    def __init__(self, tokenizer: str, template: str) -> None:
        self.template = template
        self.plain, self.marked = _opened(tokenizer), _opened(tokenizer)
        self.plain.encode_special_tokens = True

    def numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """Of texts as they are."""
        return [one.ids for one in self.plain.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, numbers: Sequence[int]) -> str:
        """The text; marks are left out."""
        return str(self.plain.decode(list(numbers), skip_special_tokens=True))

    def pieces(self, alphabet: Mapping[str, int]) -> list[bytes]:
        """The bytes that each number writes; none of a mark. alphabet: {letter: byte} of byte-level pieces."""
        names = [self.plain.id_to_token(number) or "" for number in range(self.plain.get_vocab_size())]
        special, level = set(self._special.values()), '"ByteLevel"' in self.plain.to_str()
        spelled = (_spelled(name, alphabet if level else None) for name in names)
        return [b"" if number in special else one for number, one in enumerate(spelled)]

    def dialogue(self, turns: Sequence[tuple[str, str]], ends: Sequence[int]) -> np.ndarray:
        """int32 (T,); what an assistant says, up to and with its end, is below 0, see `signed`."""
        guarded = [(role, self._guarded(said)) for role, said in turns]
        closed = bool(turns) and turns[-1][0] == "assistant"
        text = chat_template.rendered(self.template, guarded, goes_on=not closed)
        spans = (
            chat_template.spoken(self.template, guarded, text) if any(one == "assistant" for one, _ in turns) else []
        )
        found = self._encoded(text)
        numbers = np.array([number for number, _ in found], np.int32)
        places = np.array([place for _, place in found], np.int64)
        learnt = np.zeros(len(numbers), bool)
        for start, behind in spans:
            inside = np.flatnonzero((places >= start) & (places < behind))
            last = next((place for place in inside if numbers[place] in ends), inside[-1:].max(initial=-1))
            learnt[inside[inside <= last]] = True
        return np.where(learnt, signed(numbers), numbers)

    def _guarded(self, text: str) -> str:
        return self._marks.sub(lambda found: found[0][0] + GUARD + found[0][1:], text) if self._special else text

    def _encoded(self, text: str) -> list[tuple[int, int]]:
        """[(number, place of its first letter)] of a rendered dialogue: its marks are marks, guarded ones are text."""
        if GUARD not in text:
            whole = self.marked.encode(text, add_special_tokens=False)
            return list(zip(whole.ids, (start for start, _ in whole.offsets), strict=True))
        found, start = list[tuple[int, int]](), 0
        for part in re.split(f"({self._marks.pattern})", text):
            if part in self._special:
                found.append((self._special[part], start))
            elif part:
                kept = [start + place for place, letter in enumerate(part) if letter != GUARD]
                one = self.plain.encode(part.replace(GUARD, ""), add_special_tokens=False)
                found += [(number, kept[first]) for number, (first, _) in zip(one.ids, one.offsets, strict=True)]
            start += len(part)
        return found

    @cached_property
    def _special(self) -> dict[str, int]:
        added = self.plain.get_added_tokens_decoder()
        return {one.content: number for number, one in added.items() if one.special and len(one.content) > 1}

    @cached_property
    def _marks(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, sorted(self._special, key=len, reverse=True))))


def _spelled(name: str, alphabet: Mapping[str, int] | None) -> bytes:
    """A piece's bytes, be it of bytes, of words with a mark for spaces, or one byte as `<0x0A>`."""
    if alphabet is not None and all(letter in alphabet for letter in name):
        return bytes(alphabet[letter] for letter in name)
    byte = re.fullmatch(r"<0x([0-9A-F]{2})>", name)
    return bytes([int(byte[1], 16)]) if byte else name.replace(SPACE, " ").encode()


def signed(numbers: np.ndarray) -> np.ndarray:
    """-1 - n: how a token that is to be learnt is kept; it is its own inverse."""
    return -1 - numbers


def read(path: Path, column: str, start: int, ends: Sequence[int]) -> dict[str, Any]:
    """{tokenizer, template, ends} of the folder that this tokenizer.json lies in. Raises DataError.

    ends: with what the template sets behind an assistant's turn in front, if that is a mark.
    """
    whole = pieces.read(str(path), column)
    tokenizer = _opened(whole)
    found = template_of(path.parent) or chat_template.PLAIN
    words = [str(tokenizer.id_to_token(number)) for number in (start, ends[0])]
    template = chat_template.prepared(found, *words)
    made = {"tokenizer": whole, "template": template}
    return {**made, "ends": tuple(dict.fromkeys([*_closing(Published(**made)), *ends]))}


def template_of(folder: Path) -> str:
    """The chat template of a published folder; empty where there is none."""
    if (folder / TEMPLATE).is_file():
        return (folder / TEMPLATE).read_text("utf-8")
    said = config_of(folder).get("chat_template") or ""
    if isinstance(said, list):
        named = {str(one.get("name")): str(one.get("template")) for one in said}
        said = named.get("default", "")
    return str(said)


def config_of(folder: Path) -> Mapping[str, Any]:
    """tokenizer_config.json; {} without it."""
    path = folder / "tokenizer_config.json"
    found: Mapping[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def _closing(tokens: Published) -> list[int]:
    """The mark that the template sets behind what an assistant says, if it is one."""
    said = "b0b"
    text = chat_template.rendered(tokens.template, [("user", "a"), ("assistant", said)], goes_on=False)
    behind = text.rpartition(said)[2]
    first = tokens.marked.encode(behind, add_special_tokens=False).ids[:1]
    return [number for number in first if number in tokens._special.values()]


def _opened(tokenizer: str) -> Tokenizer:
    from tokenizers import Tokenizer

    made = Tokenizer.from_str(tokenizer)
    made.no_padding()
    made.no_truncation()
    return made


def marks_of(folder: Path, config: Mapping[str, Any]) -> tuple[int, tuple[int, ...]]:
    """(the number before a text, those that end one) of a published folder. Raises DataError where none ends one."""
    from tokenizers import Tokenizer

    said, known = config_of(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    path = folder / "generation_config.json"
    generation = json.loads(path.read_text("utf-8")) if path.is_file() else {}

    def numbers(mark: str) -> list[int]:
        word = said.get(f"{mark}_token")
        word = word.get("content") if isinstance(word, Mapping) else word
        own = known.token_to_id(word) if word else None
        others = [one.get(f"{mark}_token_id") for one in (generation, config)]
        listed = [number for one in others if one is not None for number in (one if isinstance(one, list) else [one])]
        return list(dict.fromkeys(([] if own is None else [own]) + listed))

    ends = [number for number in numbers("eos") if known.id_to_token(number) is not None]
    if not ends:
        raise DataError(
            f"{folder} does not say which token ends a text.",
            where="model.weights",
            expected="eos_token in tokenizer_config.json, or eos_token_id in generation_config.json or config.json",
            got="none that tokenizer.json has",
            fix="save model and tokenizer again with save_pretrained",
        )
    starts = [number for number in numbers("bos") if known.id_to_token(number) is not None]
    return (starts or ends)[0], tuple(ends)
