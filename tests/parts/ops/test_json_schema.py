"""Text that is held to a schema: it always parses and fits, whatever the tokens are and whoever draws them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from feilun.parts.ops import json_schema, written_form
from feilun.parts.ops.held_text import DEAD, Holding, Pieces, to_schema
from feilun.parts.ops.next_token import OutOfBoundsError

END = 3


def fits(value: Any, schema: Any, root: Any) -> bool:
    """What JSON Schema says, of what is held to; where properties are named there are no others."""
    if isinstance(schema, bool):
        return schema
    if "$ref" in schema:
        target = root
        for step in schema["$ref"].split("/")[1:]:
            target = target[step]
        return fits(value, target, root)
    if value is None and schema.get("nullable"):
        return True
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    rules: list[Callable[[], bool]] = [lambda: not kinds or any(KINDS[kind](value) for kind in kinds)]
    if "enum" in schema:
        rules += [lambda: any(one == value and type(one) is type(value) for one in schema["enum"])]
    if "const" in schema:
        rules += [lambda: bool(value == schema["const"])]
    if "anyOf" in schema:
        rules += [lambda: any(fits(value, one, root) for one in schema["anyOf"])]
    if "oneOf" in schema:
        rules += [lambda: sum(fits(value, one, root) for one in schema["oneOf"]) == 1]
    if isinstance(value, str):
        rules += [lambda: schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**6)]
    if isinstance(value, list):
        rules += [lambda: schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**6)]
        rules += [lambda: all(fits(one, schema.get("items", True), root) for one in value)]
    if isinstance(value, dict):
        named, more = schema.get("properties", {}), schema.get("additionalProperties", "properties" not in schema)
        rules += [lambda: set(schema.get("required", ())) <= set(value)]
        rules += [lambda: all(fits(one, named.get(name, more), root) for name, one in value.items())]
    return all(rule() for rule in rules)


KINDS: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}


def any_schema(drawn: random.Random, deep: int = 0) -> Any:
    """A schema as somebody might write it."""
    kinds = ["string", "integer", "number", "boolean", "null", "enum"]
    kind = drawn.choice(kinds + ["object", "array", "any of", "one of", "types", "map", "reference"] * (deep < 3))
    if kind == "string":
        least = drawn.randrange(4)
        return {"type": "string", "minLength": least, "maxLength": least + drawn.randrange(40)}
    if kind == "enum":
        return {"enum": drawn.sample(["red", "redder", "r", 1, 12, 1.5, None, True, "中文", 'a"b\n', [1, "x"]], 3)}
    if kind == "object":
        names = drawn.sample(["a", "ab", "名字", "with space", 'q"', "z"], drawn.randrange(1, 5))
        inner = {name: any_schema(drawn, deep + 1) for name in names}
        return {"type": "object", "properties": inner, "required": drawn.sample(names, drawn.randrange(len(names) + 1))}
    if kind == "array":
        least = drawn.randrange(3)
        rest = {"minItems": least, "maxItems": least + drawn.randrange(3)} if drawn.random() < 0.7 else {}
        return {"type": "array", "items": any_schema(drawn, deep + 1), **rest}
    if kind == "any of":
        return {"anyOf": [any_schema(drawn, deep + 1) for _ in range(3)]}
    if kind == "one of":
        kinds = [
            {"type": "object", "properties": {"k": {"const": k}, "v": any_schema(drawn, 3)}, "required": ["k"]}
            for k in ("x", "y")
        ]
        return {"oneOf": [*kinds, {"type": ["integer", "null"]}, {"type": "string", "maxLength": 2}]}
    if kind == "types":
        return {"type": drawn.sample(["string", "integer", "boolean"], 2), "maxLength": 3, "nullable": True}
    if kind == "map":
        return {"type": "object", "additionalProperties": any_schema(drawn, deep + 1)}
    return {"$ref": "#/$defs/tree"} if kind == "reference" else {"type": kind, "description": "plain"}


TREE = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "in": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
    },
    "required": ["name"],
}
BYTES = [bytes([byte]) for byte in range(256)]
MERGED = [
    b'{"',
    b'": ',
    b'", "',
    b'"}',
    b"},",
    b"null",
    b"true, ",
    b"12",
    b"\xe4\xb8",
    b"\xad\xe6\x96",
    b"  ",
    b"]]",
    b'\\"',
    *(bytes(random.Random(n).choices(b'abc {}[]":,01\\nu', k=2 + n % 5)) for n in range(300)),
]
LETTERS = [letter.encode() for letter in '{}[]":, abcdefgilmnrstuvxyz0123456789.-中文']
VOCABULARIES = {
    "bytes": Pieces([b""] * 7 + BYTES + MERGED),
    "letters": Pieces([b""] * 7 + LETTERS),
}


def written(schema: Any, pieces: Pieces, seed: int, longest: int, sharp: float = 6.0) -> tuple[str, bool]:
    """(text, whether it came to its end) of a network that likes some tokens, whatever was written."""
    draw = np.random.default_rng(seed)
    holding, tokens = Holding(to_schema(schema, pieces, END), longest), list[int]()
    likes = draw.normal(0, sharp, len(pieces.lengths))
    for _ in range(longest):
        allowed = holding.allowed(tokens)
        assert allowed.any()
        noise = draw.gumbel(size=len(likes))
        token = int(np.where(allowed, likes + noise, -np.inf).argmax())
        if token == END:
            break
        tokens.append(token)
    return b"".join(pieces.written[token] for token in tokens).decode(errors="replace"), holding.whole(tokens)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_drawn_parses_and_fits(vocabulary: str, seed: int) -> None:
    schema = {**any_schema(random.Random(seed)), "$defs": {"tree": TREE}}
    form = json_schema.compiled(schema, VOCABULARIES[vocabulary].letters)
    longest = form.shortest + seed % 3 * 40
    text, whole = written(schema, VOCABULARIES[vocabulary], seed, longest)
    assert whole, f"{text} has no end within {longest} tokens"
    assert fits(json.loads(text), schema, schema), text


def missing_by_hand(form: written_form.Form, before: bytes, pieces: Pieces) -> list[int]:
    """Of every token, byte by byte."""
    begun = written_form.begun(form)
    for byte in before:
        begun = written_form.after(begun, byte)
    found = []
    for piece in pieces.written:
        state = begun
        for byte in piece:
            state = written_form.after(state, byte)
        found.append(written_form.shortest(state) if state and piece else DEAD)
    return found


@pytest.mark.parametrize(
    "before", [b"", b'["', b'["abc\xe4', b'["abcd", "', b'["' + b"x" * 40, b'["aa","bb",', b'[""]']
)
@pytest.mark.parametrize("most", [6, 40, 9000])
def test_all_tokens_together_go_where_each_goes_alone(before: bytes, most: int) -> None:
    schema = {"items": {"type": "string", "minLength": most // 3, "maxLength": most}, "minItems": 2, "maxItems": 40}
    form, held = json_schema.compiled(schema), to_schema(schema, VOCABULARIES["bytes"], END)
    state = held.begun
    for byte in before:
        state = written_form.after(state, byte)
    missing, more = held.missing(state)
    told = [one if one == DEAD else one + more for one in missing.tolist()]
    assert told == missing_by_hand(form, before, VOCABULARIES["bytes"])


def test_bytes_that_are_no_utf_8_fit_nowhere() -> None:
    for wrong in (b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\x80", b"\x80", b"\xe4\xb8", b"\xff"):
        state = written_form.begun(json_schema.compiled({"type": "string"}))
        for byte in b'"' + wrong + b'"':
            state = written_form.after(state, byte)
        assert not state, wrong


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_text_that_cannot_end_in_time_is_the_beginning_of_one(vocabulary: str) -> None:
    schema = {"type": "object", "properties": {"abc": {"type": "array", "minItems": 9}}, "required": ["abc"]}
    text, whole = written(schema, VOCABULARIES[vocabulary], 0, 8)
    assert not whole and text.startswith('{"abc":')


def accepted(schema: Any, text: str, letters: str | None = None) -> bool:
    state = written_form.begun(json_schema.compiled(schema, letters))
    for byte in text.encode():
        state = written_form.after(state, byte)
    return None in state


@pytest.mark.parametrize(
    "schema, right, wrong",
    [
        ({"type": "integer"}, ["0", "-7", "120"], ["01", "1.0", "+1", "-", "1e3", ""]),
        ({"type": "number"}, ["0", "-0.5", "1e-3", "12E+10", "3.25"], [".5", "1.", "1e", "1e100", "NaN", "0x1"]),
        ({"type": "string"}, ['"é中😀"', r'"\n\u00e9\\"', '""'], ['"\n"', r'"\x"', r'"\ud800"', '"a', "a", r'"\u12"']),
        ({"type": "string", "minLength": 2, "maxLength": 2}, ['"ab"', '"中😀"', r'"\u00e9x"'], ['"a"', '"abc"']),
        ({"type": "array", "maxItems": 2}, ["[]", "[1]", '[1, "a"]'], ["[1,2,3]", "[,]", "[1,]", "[1  ,2]"]),
        ({"type": "array", "items": {"type": "null"}, "minItems": 2}, ["[null,null]"], ["[null]", "[]", "[null,1]"]),
        ({"type": "object"}, ["{}", '{"a":{"b":[1]}, "c": null}'], ['{"a"}', "{a:1}", '{"a":1,}', "[]"]),
        ({"properties": {"a": True, "b": True}}, ["{}", '{"b":1}', '{"a":0,"b":[]}'], ['{"b":1,"a":1}', '{"c":1}']),
        ({"type": "object", "additionalProperties": False}, ["{}"], ['{"a":1}']),
        ({"required": ["x"]}, ['{"x":[1]}'], ["{}"]),
        ({"enum": ["a", 1, None]}, ['"a"', "1", "null"], ['"b"', "a", "2"]),
        ({"type": "string", "enum": ["a", 1]}, ['"a"'], ["1"]),
        ({"const": {"a": [1, 2]}}, ['{"a": [1, 2]}'], ['{"a": [1]}']),
        ({"type": "string", "nullable": True}, ["null", '""'], ["1"]),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, ["1", '"1"'], ["null"]),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "boolean"}}}, ["true", "false"], ["null", "True"]),
    ],
)
def test_what_fits_and_what_does_not(schema: Any, right: list[str], wrong: list[str]) -> None:
    assert [text for text in right if not accepted(schema, text)] == []
    assert [text for text in wrong if accepted(schema, text)] == []


def test_letters_that_the_tokens_lack_are_escaped_or_left_out() -> None:
    ascii_only = '{}":, abcdefé0123456789\\u'.replace("é", "")
    assert accepted({"enum": ["中", "a"]}, '"\\u4e2d"', ascii_only) and accepted({"enum": ["中", "a"]}, '"a"', 'a"')
    assert not accepted({"enum": ["中", "a"]}, '"\\u4e2d"', 'a"')
    assert accepted({"properties": {"q": True, "a": {"const": 1}}}, '{"a":1}', '{}":a1')
    with pytest.raises(OutOfBoundsError, match="letters that the tokens have"):
        json_schema.compiled({"properties": {"q": True}, "required": ["q"]}, set('{}":a1'))


def nested(deep: int) -> Any:
    return {"items": nested(deep - 1)} if deep else {"type": "null"}


HEAVY: dict[str, Any] = {"properties": {n: {"$ref": "#/$defs/h"} for n in "abcdefgh"}, "required": [*"abcdefgh"]}
KNOTTED = {"oneOf": [{"$ref": "#/$defs/h"}, {"$ref": "#/$defs/h"}, True], "$defs": {"h": HEAVY}}
MANY = {"anyOf": [{"$ref": "#"}, *[{"type": "null"}] * 2500]}


@pytest.mark.parametrize(
    "schema, message",
    [
        ({"type": "string", "pattern": "a+"}, r"schema.pattern is 'a\+'; expected only what can be held to: type, "),
        ({"properties": {"n": {"type": "integer", "minimum": 3}}}, "schema.properties.n.minimum is 3"),
        ({"items": {"uniqueItems": True}}, "schema.items.uniqueItems"),
        ({"type": "text"}, "schema.type is 'text'; expected one of object"),
        ({"anyOf": []}, "schema.anyOf is .*a list of at least one"),
        ({"anyOf": [{}], "maxLength": 3}, "schema.maxLength is 3; expected nothing beside anyOf"),
        ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, "schema.oneOf .*no value fits two; or use anyOf"),
        ({"oneOf": [{"enum": [1, 2]}, {"enum": [2.0]}]}, "schema.oneOf"),
        ({"$ref": "#/$defs/no"}, "schema.[$]ref is '#/[$]defs/no'; expected a place in this schema"),
        ({"$ref": "https://example.org/s"}, "expected a place in this schema"),
        ({"properties": {"a": {"$ref": "#frag"}}}, "expected a place in this schema"),
        ({"type": []}, "schema.type is .*; expected one of object"),
        ({"$ref": ["#"]}, "schema.[$]ref is .* expected a text"),
        ({"required": [["a"]]}, "schema.required is .*names of properties"),
        ({"oneOf": [{"required": 3}, {"properties": []}]}, "schema.oneOf.0..required is 3; expected a list"),
        (KNOTTED, "schema.oneOf"),
        ({"$ref": "#"}, "one that some value fits"),
        ({"minLength": 5, "maxLength": 4}, "schema.minLength is 5; expected at most maxLength, 4"),
        ({"maxLength": 10**9}, "schema.maxLength is 1000000000; expected a whole number from 0 to 10000"),
        ({"minItems": True}, "schema.minItems is True"),
        ({"required": ["a"], "additionalProperties": False}, "schema.required is 'a'; expected names of properties"),
        ({"enum": ["x" * 70_000]}, "an object of at most 65536 letters"),
        (nested(70), "at most 64 schemas inside one another"),
        ({"const": float("nan")}, "a JSON schema"),
        ({"const": "\ud800"}, "a JSON schema"),
        ([], "schema"),
        (MANY, "10000 in all"),
    ],
)
def test_what_cannot_be_held_to_is_named(schema: Any, message: str) -> None:
    with pytest.raises(OutOfBoundsError, match=message):
        json_schema.compiled(schema)


def test_too_many_readings_of_one_text_are_refused_and_cost_little() -> None:
    schema: Any = {"$defs": {"n0": {"type": "null"}}, "$ref": "#/$defs/n9"}
    for n in range(1, 10):
        inner = {"$ref": f"#/$defs/n{n - 1}"}
        schema["$defs"][f"n{n}"] = {
            "anyOf": [{"properties": {"a": inner, z: {"const": 1}}, "required": ["a", z]} for z in "uvwxyz"]
        }
    with pytest.raises(OutOfBoundsError, match="fewer ways to read one text"):
        accepted(schema, '{"a":' * 9)
