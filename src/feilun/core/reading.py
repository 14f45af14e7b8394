"""From a recipe file to a Recipe: `--set`, secrets from the environment, and one sentence for every fault."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from feilun.core import hints, yaml12
from feilun.core.errors import InputError, RecipeError
from feilun.core.recipe import Recipe

# Where `${NAME}` is looked up. The text is kept as written, so that the secret never reaches a run; whoever opens the
# source calls `expand`.
SECRETS = (
    *(("data", "source"), ("data", "test"), ("data", "validation"), ("data", "documents"), ("model", "weights")),
    *(("train", "pretrain", "source"), ("train", "pseudo_labels", "source")),
)
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def read_recipe(path: Path, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe in a YAML file, with `train.epochs=3` style overrides. Its name is the file's where it has none.

    Raises InputError if there is no such file, RecipeError naming line and column of everything that does not fit.
    """
    document = yaml12.load(_text(path), path.name)
    if not isinstance(document.value, dict):
        got = "nothing" if document.value is None else type(document.value).__name__
        raise RecipeError(
            f"{path.name}  a recipe is written as `key: value` lines; this file holds {got}. "
            "`feilun init DATA` writes one.",
            where=str(path),
            got=got,
            fix="feilun init DATA",
        )
    written = _Written(document=document)
    plain = _copy(document.value)
    plain.setdefault("name", path.stem)
    for override in overrides:
        _override(plain, override, written)
    _check_variables(plain, written)
    return _validated(plain, written)


def make_recipe(values: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """A Recipe from plain values; faults are told like those of a file."""
    return _validated(_copy(values), _Written(document=yaml12.Document(value=None, where=where, places={})))


def to_yaml(recipe: Recipe) -> str:
    """The recipe as a file, keys in their order, everything written out."""
    return yaml12.dump(recipe.model_dump(mode="json"), Recipe.model_fields)


def expand(text: str, where: str = "data.source") -> str:
    """The text with `${NAME}` replaced from the environment. Raises RecipeError naming a variable that is not set."""
    for name in _VARIABLE.findall(text):
        if name not in os.environ:
            raise RecipeError(
                f"{where}  the environment variable {name} is not set. Set it, or write the value without ${{}}.",
                where=where,
                expected=f"environment variable {name}",
                fix=f"export {name}=...",
            )
    return _VARIABLE.sub(lambda found: os.environ[found[1]], text)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Written:
    """Where each key was written: in the file, or on the command line."""

    document: yaml12.Document
    overrides: dict[tuple[str, ...], str] = field(default_factory=dict)

    def at(self, path: tuple[str | int, ...]) -> str:
        for end in range(len(path), 0, -1):
            if path[:end] in self.overrides:
                return f"--set {self.overrides[tuple(str(key) for key in path[:end])]}"
            if path[:end] in self.document.places:
                break
        return self.document.at(path)

    def line(self, path: tuple[str | int, ...]) -> str:
        """`第 7 行:`, or nothing for what is not written in the file."""
        line = self.document.line(path)
        return f"第 {line} 行:" if line and path not in self.overrides else ""


def _text(path: Path) -> str:
    if not path.is_file():
        raise InputError(
            f"There is no file {path}. `feilun init DATA` writes a recipe for your data.",
            where=str(path),
            expected="a recipe file",
            fix="feilun init DATA",
        )
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"{path.name}  is not UTF-8 text (byte {error.start}). Save it as UTF-8; 请另存为 UTF-8 编码。",
            where=str(path),
            expected="UTF-8 text",
            fix="save it as UTF-8",
        ) from error


def _override(plain: dict[str, Any], override: str, written: _Written) -> None:
    """Set one dotted key; `model: cnn` grows to `model: {name: cnn}` where an option is set below it."""
    key, sign, value = override.partition("=")
    if not sign or not key.strip():
        raise RecipeError(
            f"--set {override}  expected key=value, such as --set train.epochs=3.",
            where="--set",
            expected="key=value",
            got=override,
        )
    *groups, last = key.strip().split(".")
    place = plain
    for group in groups:
        inner = place.get(group)
        if not isinstance(inner, dict):
            inner = {} if inner is None else {_SHORT.get(group, "kind"): inner}
        place[group] = inner
        place = inner
    place[last] = yaml12.scalar(value)
    written.overrides[(*groups, last)] = override


_SHORT = {"model": "name", "target": "columns"}  # what the short form of these keys stands for; of an input: its kind


def _check_variables(value: Any, written: _Written, path: tuple[str | int, ...] = ()) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _check_variables(item, written, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_variables(item, written, (*path, number))
    elif isinstance(value, str) and _VARIABLE.search(value):
        if tuple(key for key in path if isinstance(key, str)) not in SECRETS:
            places = ", ".join(".".join(keys) for keys in SECRETS)
            raise RecipeError(
                f"{written.at(path)}  ${{...}} is looked up only in {places}; {_dotted(path)} takes the value itself.",
                where=written.at(path),
                got=_dotted(path),
            )
        expand(value, written.at(path))


def _validated(plain: dict[str, Any], written: _Written) -> Recipe:
    try:
        return Recipe.model_validate(plain)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    first = faults[0]
    path = tuple(first["loc"])
    ours, _ = hints.meant(_dotted(path)) if first["type"] == "extra_forbidden" else ("", "")
    key = hints.find_key(_dotted(path))
    sentences = [_sentence(fault, written) for fault in faults]
    sentences = [text.replace(" Nothing was run.", "") for text in sentences[:-1]] + sentences[-1:]
    raise RecipeError(
        "\n".join(sentences),
        where=written.at(path),
        expected=ours or (key.expects if key else ""),
        got=_dotted(path) if first["type"] == "extra_forbidden" else str(first["input"]),
        fix=f"write {ours}" if ours else "",
    )


def _sentence(fault: Any, written: _Written) -> str:
    """What, where and what instead, for one of pydantic's findings; then the same in Chinese."""
    path = tuple(fault["loc"])
    if fault["type"] == "extra_forbidden":
        return _unknown(path, written)
    name, at = _dotted(path), written.at(path)
    key = hints.find_key(name) or hints.find_key(_dotted(path[:-1]))
    if fault["type"] == "value_error":
        said = str(fault["msg"]).removeprefix("Value error, ")
        return f"{at}  {name + ': ' if name else ''}{said}. Nothing was run."
    if fault["type"] == "missing":
        return f"{at}  {name} is missing{f': {key.meaning}' if key else ''}. Nothing was run."
    got = _shown(fault["input"])
    if key and key.group:
        english = f"{at}  {name} is {got}; expected {_inside(key)}. Nothing was run."
        return f"{english}\n  {written.line(path)}{name} 不能是 {got}。"
    expects = f"expected {key.expects} ({key.meaning})" if key else str(fault["msg"])
    quotes = fault["type"] == "string_type" and not isinstance(fault["input"], dict | list)
    advice = " Put it in quotes." if quotes else ""
    return f"{at}  {name} is {got}; {expects}.{advice} Nothing was run.\n  {written.line(path)}{name} 不能是 {got}。"


def _inside(key: hints.Key) -> str:
    """What a group of keys may hold; some have a short form, such as `model: cnn`."""
    inside = [
        path
        for path in hints.all_keys()
        if path.startswith(f"{key.path}.") and path.count(".") == key.path.count(".") + 1
    ]
    names = ", ".join(path.rpartition(".")[2] for path in inside)
    short = (
        "a name (in quotes if it looks like a number) or " if key.path in ("model", "target", "inputs.<column>") else ""
    )
    return f"{short}keys: {names}"


def _unknown(path: tuple[str | int, ...], written: _Written) -> str:
    name = _dotted(path)
    ours, whose = hints.meant(name)
    if whose:
        english = f"{whose}'s name; here {ours}. Nothing was run."
    elif ours:
        english = f"Did you mean {ours}? Nothing was run."
    else:
        english = "`feilun help` lists the keys. Nothing was run."
    chinese = f"{written.line(path)}没有 {name}" + (f",这里叫 {ours}。" if ours else "。")
    return f"{written.at(path)}  unknown key {name}\n  {english}\n  {chinese}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(key) for key in path)


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
