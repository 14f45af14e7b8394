"""YAML by the rules of version 1.2: `1e-3` is a number, `no` is text, `012` is 12; every key keeps its place."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from feilun.core.errors import RecipeError

MOST_CHARACTERS = 1_000_000
MOST_VALUES = 20_000  # after aliases are followed, so that ten lines cannot grow to a billion values
DEEPEST = 64

# YAML 1.2.2, section 10.3.2 (core schema).
_RULES = (
    ("null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
    ("int", re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"), list("-+0123456789")),
    (
        "float",
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
        list("-+.0123456789"),
    ),
)
_TAG = "tag:yaml.org,2002:"

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a key (or a list's item) is written; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A loaded text: plain values, and the place of every key by its path, such as ("train", "epochs")."""

    value: Any
    where: str
    places: Mapping[Path, Place]

    def at(self, path: Iterable[str | int]) -> str:
        """`my.yaml:7:3` of this key, or of the nearest one above it."""
        keys = tuple(path)
        while keys and keys not in self.places:
            keys = keys[:-1]
        place = self.places.get(keys)
        return f"{self.where}:{place.line}:{place.column}" if place else self.where

    def line(self, path: Iterable[str | int]) -> int | None:
        """The line of this key, if it is written in the text."""
        place = self.places.get(tuple(path))
        return place.line if place else None


def load(text: str, where: str) -> Document:
    """One YAML 1.2 document of plain values: dicts with text keys, lists, text, numbers, true/false, null.

    where: the file's name, for messages.  Raises RecipeError with line and column for everything else:
    bad syntax, a key written twice, a tag, more than one document, more than MOST_VALUES values.
    """
    if len(text) > MOST_CHARACTERS:
        raise RecipeError(
            f"{where} has {len(text):,} characters; a recipe has at most {MOST_CHARACTERS:,}. Is it the right file?",
            where=where,
        )
    node = _compose(text, where)
    reading = _Reading(where=where)
    value = None if node is None else reading.value(node, ())
    return Document(value=value, where=where, places=reading.places)


def scalar(text: str) -> Any:
    """The value that this text has in YAML 1.2: `3` is 3, `no` is "no", `[1, 2]` is a list."""
    return load(text, "value").value


def dump(data: Mapping[str, Any], order: Iterable[str] = ()) -> str:
    """YAML that readers of 1.1 and of 1.2 understand alike; keys in this order, then in their own.

    Chinese stays readable, small lists and dicts stay on one line, text that could be read as something else is quoted.
    """
    first = [key for key in order if key in data]
    ordered = {key: data[key] for key in [*first, *(key for key in data if key not in first)]}
    node = _Dumper(io.StringIO(), default_flow_style=None, sort_keys=False).represent_data(_plain(ordered))
    if isinstance(node, MappingNode):
        node.flow_style = False
    return str(yaml.serialize(node, Dumper=_Dumper, allow_unicode=True, width=110))


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with the implicit rules of 1.2; only its `compose` is used, never its constructors."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML reads it from the class)
        first: [(_TAG + kind, rule) for kind, rule, firsts in _RULES if first in firsts]
        for first in {first for *_, firsts in _RULES for first in firsts}
    }


class _Dumper(yaml.SafeDumper):
    """Quotes what 1.1 or 1.2 would read as something other than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    @staticmethod
    def text(dumper: yaml.SafeDumper, text: str) -> ScalarNode:
        """1.1's rules are in the dumper already; what only 1.2 reads as a number is quoted here."""
        ambiguous = any(rule.match(text) for _, rule, _ in _RULES)
        return dumper.represent_scalar(_TAG + "str", text, style="'" if ambiguous else None)

    yaml_representers: ClassVar[dict[Any, Any]] = {**yaml.SafeDumper.yaml_representers, str: text}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _compose(text: str, where: str) -> Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise RecipeError(f"{place}  not YAML: {said}. {_advice(said)}", where=place, got=said) from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{where}  not YAML: {str(error).splitlines()[0]}.", where=where) from error
    except RecursionError as error:
        raise RecipeError(f"{where}  nested too deeply; a recipe has a handful of levels.", where=where) from error


def _advice(said: str) -> str:
    if "single document" in said:
        return "Write one recipe per file."
    if "\\t" in said or "tab" in said:
        return "Indent with spaces, not tabs."
    if "mapping values are not allowed" in said:
        return "Put text with a colon in quotes, and line up the indentation."
    return "Check indentation, quotes and brackets."


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """Walks composed nodes to plain values, noting places."""

    where: str
    places: dict[Path, Place] = field(default_factory=dict)
    count: Iterator[int] = field(default_factory=itertools.count)

    def value(self, node: Node, path: Path) -> Any:
        """The plain value of a node. Aliases are followed; a budget and a depth keep that bounded."""
        if next(self.count) >= MOST_VALUES:
            raise self._wrong(node, f"more than {MOST_VALUES:,} values", "Use fewer aliases, or split the file.")
        if len(path) > DEEPEST:
            raise self._wrong(node, "nested too deeply", "A recipe has a handful of levels.")
        self.places.setdefault(path, _place(node))
        if isinstance(node, MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, ScalarNode) and node.tag.removeprefix(_TAG) in ("null", "bool", "int", "float", "str"):
            return self._scalar(node)
        raise self._wrong(node, f"tag {node.tag.replace(_TAG, '!!')}", "Write plain values only.")

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, ScalarNode) or not key.value:
                raise self._wrong(key, "a key that is not text", "Write `key: value`.")
            name = str(key.value)  # as written: a column may be called 2020 or no
            if name in found:
                line = self.places[(*path, name)].line
                raise self._wrong(key, f"key {name} is written twice, first in line {line}", "Keep one of them.")
            self.places[(*path, name)] = _place(key)
            found[name] = self.value(item, (*path, name))
        return found

    def _scalar(self, node: ScalarNode) -> Any:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind == "str":
            return text
        for name, rule, _ in _RULES:
            if name == kind and rule.match(text):
                with contextlib.suppress(ValueError):  # thousands of digits
                    return _VALUES[kind](text)
        shown = text if len(text) < 40 else f"{text[:40]}..."
        raise self._wrong(node, f"{shown!r} is no {kind}", "Put it in quotes if it is text.")

    def _wrong(self, node: Node, what: str, advice: str) -> RecipeError:
        place = _place(node)
        where = f"{self.where}:{place.line}:{place.column}"
        return RecipeError(f"{where}  {what}. {advice}", where=where, got=what, fix=advice)


def _place(node: Node) -> Place:
    return Place(line=node.start_mark.line + 1, column=node.start_mark.column + 1)


def _integer(text: str) -> int:
    bases = {"0o": 8, "0x": 16}
    return int(text[2:], bases[text[:2]]) if text[:2] in bases else int(text)


def _float(text: str) -> float:
    special = text.lower().replace(".", "")
    return float(special) if special.endswith(("inf", "nan")) else float(text)


_VALUES: Mapping[str, Callable[[str], Any]] = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": _integer,
    "float": _float,
}
