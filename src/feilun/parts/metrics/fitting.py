"""Whether the parts of a business metric fit together, before anything is trained: what is averaged is a number."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from feilun.parts.metrics import values

NUMBER, DIGITS, TEXT, CONDITION, LIST = (
    "number",
    "digits",
    "text",
    "condition",
    "list",
)  # digits: texts that are numbers
ANY = ""  # not known here
SAID = {
    NUMBER: "a number",
    DIGITS: "a text",
    TEXT: "text",
    CONDITION: "yes or no",
    LIST: "a list",
}
OF_CONDITIONS = ("count", "share")
Kinds = Mapping[str, str]


class Misfit(ValueError):
    """Two parts that do not go together; `node` is where."""

    def __init__(self, node: ast.expr, words: str) -> None:
        super().__init__(words)
        self.node = node


def kind(node: ast.expr, kinds: Kinds) -> str:
    """What comes out: NUMBER, DIGITS, TEXT, CONDITION, LIST, or ANY. Raises Misfit where the parts do not fit.

    kinds: {column: kind}, and of the language's names those that are known; what is missing is ANY.
    """
    match node:
        case ast.Constant(value=value):
            return _of_constant(value)
        case ast.Name(id=name) | ast.Call(func=ast.Name(id="answer"), args=[ast.Constant(value=str(name))]):
            return NUMBER if name in ("score", "chance") else kinds.get(name, ANY)
        case ast.Call(func=ast.Name(id="column"), args=[ast.Constant(value=str(name))]):
            return kinds.get(f"column {name}", kinds.get(name, ANY))
        case ast.BoolOp(values=parts):
            for part in parts:
                condition(part, kinds)
            return CONDITION
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            condition(operand, kinds)
            return CONDITION
        case ast.UnaryOp(operand=operand):
            return _number(operand, kinds)
        case ast.BinOp(left=left, right=right):
            _number(left, kinds)
            return _number(right, kinds)
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [left, *others]
            for place, op in enumerate(ops):
                _compared(sides[place], op, sides[place + 1], kinds)
            return CONDITION
        case ast.Call(func=ast.Name(id=name), args=arguments):
            for argument in arguments:
                (condition if name in OF_CONDITIONS else _number)(argument, kinds)
            return NUMBER
        case ast.List() | ast.Tuple() | ast.Set():
            return LIST
    return ANY


def condition(node: ast.expr, kinds: Kinds) -> str:
    """CONDITION. Raises Misfit for what is no yes or no."""
    found = kind(node, kinds)
    if found not in (CONDITION, ANY):
        raise Misfit(node, f"a condition is needed here, such as score > 0.5; {ast.unparse(node)} is {SAID[found]}")
    return CONDITION


def _number(node: ast.expr, kinds: Kinds) -> str:
    found = kind(node, kinds)
    if found in (TEXT, LIST):
        raise Misfit(node, f"a number is needed here; {ast.unparse(node)} is {SAID[found]}")
    return NUMBER


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr, kinds: Kinds) -> None:
    one, other = kind(left, kinds), kind(right, kinds)
    if isinstance(left, ast.List | ast.Tuple | ast.Set):
        raise Misfit(left, "a list stands only after `in`, at the end of a comparison; use `and` for another one")
    if isinstance(op, ast.In | ast.NotIn):
        if other not in (LIST, ANY):
            words = f'after `in` stands a list, such as ["a", "b"]; {ast.unparse(right)} is {SAID[other]}'
            raise Misfit(right, words)
        return
    if isinstance(op, ast.Eq | ast.NotEq):
        return
    for side, found, beside in ((left, one, other), (right, other, one)):
        if found == LIST or (found == TEXT and beside in (NUMBER, CONDITION)):
            raise Misfit(
                side, f"{ast.unparse(side)} is {SAID[found]}, which has no order beside {SAID[beside or NUMBER]}"
            )


def _of_constant(value: object) -> str:
    if isinstance(value, bool):
        return CONDITION
    if not isinstance(value, str):
        return NUMBER
    return DIGITS if values.is_number(value) else TEXT
