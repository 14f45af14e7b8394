"""A bounded part of JSON Schema as a form that text can be held to. What is not in that part is refused by name."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Any

from feilun.parts.ops import written_form as forms
from feilun.parts.ops.json_text import Texts, either, row
from feilun.parts.ops.next_token import OutOfBoundsError
from feilun.parts.ops.written_form import Form

ABOUT = (  # says nothing of what fits
    *("$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples"),
    *("deprecated", "readOnly", "writeOnly", "discriminator"),
)
TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
OWNER = {
    **dict.fromkeys(("properties", "required", "additionalProperties"), "object"),
    **dict.fromkeys(("items", "minItems", "maxItems"), "array"),
    **dict.fromkeys(("minLength", "maxLength"), "string"),
}
KNOWN = ("type", "enum", "const", "anyOf", "oneOf", "nullable", "$ref", *OWNER)
LONGEST = 65536  # letters of a schema
DEEPEST, MOST_REFERENCES = 64, 12  # inside one another: schemas; references
MOST_FORMS, MOST_PROPERTIES = 10_000, 256
MOST_LETTERS, MOST_ITEMS = 10_000, 1000


def compiled(schema: Mapping[str, Any], letters: Collection[str] | None = None) -> Form:
    """The form of the JSON texts that fit. letters: those that can be written; None: all, byte by byte.

    Read: type, properties, required, additionalProperties, items, minItems, maxItems, enum, const, minLength,
    maxLength, anyOf, oneOf whose options exclude each other, nullable, $ref within the schema (a value refers to
    others at most MOST_REFERENCES deep). Properties come in their order, and no others where some are named; behind
    a comma and a colon stands at most one space. Whole numbers have at most 15 digits, fractions 15 more.
    JSON: RFC 8259; JSON Schema: draft 2020-12.  Raises OutOfBoundsError naming what is not held to, or too large.
    """
    text = spelled(schema)
    root = json.loads(text)
    found = _Reader(root, letters).form(root, "schema", 0, 0)
    if found is None:
        raise OutOfBoundsError("schema", "one that some value fits, of letters that the tokens have", text[:100])
    return found


def spelled(schema: Any) -> str:
    """The schema as JSON text. Raises OutOfBoundsError if it is none, or too large."""
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError):
        raise OutOfBoundsError("schema", "a JSON schema of moderate depth", "no JSON") from None
    if not isinstance(schema, Mapping) or len(text) > LONGEST:
        raise OutOfBoundsError("schema", f"an object of at most {LONGEST} letters", text[:100])
    return text


class _Reader:
    """Forms of one schema; None is a form that nothing fits."""

    def __init__(self, root: dict[str, Any], letters: Collection[str] | None) -> None:
        self._root = root
        self._texts = Texts(letters)
        self._made = 0
        self._referred: dict[tuple[str, int], Form | None] = {}

    def form(self, schema: Any, where: str, deep: int, referred: int) -> Form | None:
        """Of a schema inside so many others, behind so many references."""
        self._made += 1
        if deep > DEEPEST and referred:
            return None
        if deep > DEEPEST or self._made > MOST_FORMS:
            raise OutOfBoundsError(where, f"at most {DEEPEST} schemas inside one another, {MOST_FORMS} in all", "more")
        if isinstance(schema, bool):
            return self._texts.anything() if schema else None
        if not isinstance(schema, dict):
            raise OutOfBoundsError(where, "a schema: an object, true or false", schema)
        _known(schema, where)
        found = self._without_null(schema, where, deep, referred)
        return either([found, self._texts.text("null")]) if schema.get("nullable") is True else found

    def _without_null(self, schema: dict[str, Any], where: str, deep: int, referred: int) -> Form | None:
        for name in ("$ref", "anyOf", "oneOf", "const", "enum"):
            if name not in schema:
                continue
            beside = (
                set(schema).difference(ABOUT) - {name, "nullable"} - ({"type"} if name in ("const", "enum") else set())
            )
            if beside:
                raise OutOfBoundsError(f"{where}.{min(beside)}", f"nothing beside {name}", schema[min(beside)])
            if name == "$ref":
                return self._reference(schema[name], where, deep, referred)
            if name in ("const", "enum"):
                values = [schema[name]] if name == "const" else schema[name]
                return self._values(values, _types(schema, where), f"{where}.{name}")
            options = _list(schema[name], f"{where}.{name}")
            made = [self.form(one, f"{where}.{name}[{n}]", deep + 1, referred) for n, one in enumerate(options)]
            if name == "oneOf":
                self._exclusive(options, f"{where}.{name}")
            return either(made)
        types = _types(schema, where)
        if not types:
            return self._texts.anything()
        return either([self._typed(name, schema, where, deep, referred) for name in types])

    def _typed(self, name: str, schema: dict[str, Any], where: str, deep: int, referred: int) -> Form | None:
        if name == "object":
            return self._object(schema, where, deep, referred)
        if name == "array":
            least, most = _range(schema, "minItems", "maxItems", MOST_ITEMS, where)
            item = self.form(schema.get("items", True), f"{where}.items", deep + 1, referred)
            return self._texts.array(item, least, most)
        if name == "string":
            least, most = _range(schema, "minLength", "maxLength", MOST_LETTERS, where)
            return self._texts.string(least, most)
        return self._texts.plain(name)

    def _object(self, schema: dict[str, Any], where: str, deep: int, referred: int) -> Form | None:
        named, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        required = _list(schema.get("required", []), f"{where}.required", least=0)
        if not isinstance(named, dict) or len(named) > MOST_PROPERTIES:
            raise OutOfBoundsError(f"{where}.properties", f"an object of at most {MOST_PROPERTIES} schemas", named)
        for name in required:
            if not isinstance(name, str) or (name not in named and more is False):
                raise OutOfBoundsError(f"{where}.required", "names of properties", name)
        named = {**named, **{name: more for name in required if name not in named}}
        if not named:
            extra = self.form(more, f"{where}.additionalProperties", deep + 1, referred)
            return self._texts.members(extra)
        tails = [self._texts.text("}")] * 2  # behind the last property: where none was written, and where one was
        for name, inner in reversed(named.items()):
            value = self.form(inner, f"{where}.properties.{name}", deep + 1, referred)
            head = self._texts.text(json.dumps(name, ensure_ascii=False), json.dumps(name))
            own = [row([*before, head, self._texts.colon, value, tails[1]]) for before in ([], [self._texts.comma])]
            tails = own if name in required else [either([own[n], tails[n]]) for n in (0, 1)]
        return row([self._texts.text("{"), tails[0]])

    def _values(self, values: Any, types: Sequence[str], where: str) -> Form | None:
        fitting = [one for one in _list(values, where) if not types or any(_is(one, name) for name in types)]
        texts = [self._texts.spelled(json.dumps(one, ensure_ascii=False), json.dumps(one)) for one in fitting]
        found = [text.encode() for text in texts if text is not None]
        self._made += sum(map(len, found))
        if self._made > MOST_FORMS * 10:
            raise OutOfBoundsError(where, "fewer or shorter values", f"{len(found)} values")
        return forms.one_of(found) if found else None

    def _reference(self, name: Any, where: str, deep: int, referred: int) -> Form | None:
        if not isinstance(name, str):
            raise OutOfBoundsError(f"{where}.$ref", "a text", name)
        if referred == MOST_REFERENCES:
            return None  # deeper inside one another nothing fits
        if (name, referred) not in self._referred:
            self._referred[name, referred] = self.form(self._found(name, where), name, deep + 1, referred + 1)
        return self._referred[name, referred]

    def _found(self, name: str, where: str) -> Any:
        """What a pointer such as #/$defs/item leads to. RFC 6901."""
        found: Any = self._root if name == "#" or name.startswith("#/") else None
        for step in name.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            found = found.get(step) if isinstance(found, dict) else None
        if found is None:
            raise OutOfBoundsError(f"{where}.$ref", "a place in this schema, such as #/$defs/item", name)
        return found

    def _exclusive(self, options: Sequence[Any], where: str) -> None:
        for one, other in combinations([self._resolved(option, where) for option in options], 2):
            if not self._exclude(one, other, where):
                raise OutOfBoundsError(where, "options of which no value fits two; or use anyOf", [one, other])

    def _exclude(self, one: Any, other: Any, where: str, deep: int = 0) -> bool:
        """Whether it is plain that no value fits both: by type, by values, or by a property that both must have."""
        self._made += 1
        one, other = self._resolved(one, where), self._resolved(other, where)
        is_known = isinstance(one, dict) and isinstance(other, dict)
        is_known &= deep < MOST_REFERENCES and self._made <= MOST_FORMS
        if not is_known or one.get("nullable") or other.get("nullable"):
            return False
        values = [_constants(one), _constants(other)]
        if values[0] is not None and values[1] is not None:
            return not values[0] & values[1]
        kinds = [set(_types(one, where)), set(_types(other, where))]
        if all(kinds) and not _overlap(*kinds):
            return True
        shared = set(one.get("required", ())) & set(other.get("required", ()))
        inner = [(one.get("properties", {}).get(name), other.get("properties", {}).get(name)) for name in shared]
        return kinds[0] == kinds[1] == {"object"} and any(self._exclude(*pair, where, deep + 1) for pair in inner)

    def _resolved(self, schema: Any, where: str) -> Any:
        for _ in range(MOST_REFERENCES):
            if not isinstance(schema, dict) or "$ref" not in schema:
                return schema
            schema = self._found(schema["$ref"], where)
        return schema


def _known(schema: dict[str, Any], where: str) -> None:
    for name in schema:
        if name not in KNOWN and name not in ABOUT:
            raise OutOfBoundsError(f"{where}.{name}", f"only what can be held to: {', '.join(KNOWN)}", schema[name])


def _types(schema: dict[str, Any], where: str) -> list[str]:
    """Those named, else those that the other keywords are of."""
    named = schema.get("type", sorted({OWNER[name] for name in schema if name in OWNER}))
    found = [named] if isinstance(named, str) else named
    if not isinstance(found, list) or any(one not in TYPES for one in found) or schema.get("type") == []:
        raise OutOfBoundsError(f"{where}.type", f"one of {', '.join(TYPES)}, or a list of them", named)
    return list(dict.fromkeys(found))


def _list(value: Any, where: str, least: int = 1) -> list[Any]:
    if not isinstance(value, list) or len(value) < least:
        raise OutOfBoundsError(where, "a list" + (" of at least one" if least else ""), value)
    return value


def _range(schema: dict[str, Any], low: str, high: str, most: int, where: str) -> tuple[int, int]:
    found = []
    for name, absent in ((low, 0), (high, most)):
        value = schema.get(name, absent)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise OutOfBoundsError(f"{where}.{name}", f"a whole number from 0 to {most}", value)
        found.append(value)
    if found[0] > found[1]:
        raise OutOfBoundsError(f"{where}.{low}", f"at most {high}, {found[1]}", found[0])
    return found[0], found[1] if high in schema else forms.UNLIMITED


def _constants(schema: dict[str, Any]) -> set[Any] | None:
    """Values of an enum, as what JSON calls equal; None: it has none, or some that are not plain."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list) or any(isinstance(one, list | dict) for one in values):
        return None
    return {(isinstance(one, bool), one) for one in values}


def _overlap(one: set[str], other: set[str]) -> bool:
    wide = [kinds | ({"integer"} if "number" in kinds else set()) for kinds in (one, other)]
    return bool(wide[0] & wide[1])


def _is(value: Any, name: str) -> bool:
    kinds: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    if name in kinds:
        return isinstance(value, kinds[name])
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and (name == "number" or value == int(value))
