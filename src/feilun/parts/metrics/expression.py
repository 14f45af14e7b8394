"""Business metrics: a small safe language over answers and columns, such as `mean(actual == "bad") where score > 0.8`.

Read with `ast`, checked before anything is trained, computed with numpy; nothing of it is ever run as Python.
"""

from __future__ import annotations

import ast
import difflib
import io
import math
import tokenize
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from feilun.core.errors import RecipeError
from feilun.parts.metrics import values

NAMES = {
    "actual": "what is true",
    "predicted": "what the model says",
    "score": "how sure it is of that, 0 to 1",
    "chance": "the probability of the positive class",
}
FUNCTIONS = ("abs", "column", "answer")
MEANS: dict[str, Callable[[np.ndarray], float]] = {  # of what is known: missing values are left out
    "mean": lambda given: float(values.known(given).mean()),
    "sum": lambda given: float(values.known(given).sum()),
    "count": lambda given: float(values.booleans(given).sum()),
    "share": lambda given: float(values.booleans(given).mean()),
    "min": lambda given: float(values.known(given).min()),
    "max": lambda given: float(values.known(given).max()),
    "median": lambda given: float(np.median(values.known(given))),
}
LARGEST, DEEPEST = 1e300, 50  # numbers and nesting that a metric may hold
OF_NOTHING = {"sum": 0.0, "count": 0.0}  # of no rows; every other one is not a number
LONGEST = 1000  # characters: whatever is asked, reading it must not take long
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: values.quotient,
}
_ORDER: dict[type, str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


@dataclass(frozen=True, kw_only=True, slots=True)
class Expression:
    """One metric, read: `what` is averaged or counted, over the rows where `where` holds."""

    text: str
    name: str
    what: ast.expr
    where: ast.expr | None

    def columns(self) -> set[str]:
        """Columns of the rows: names that are no words of the language, and whatever column("...") names."""
        return {name for name, is_word in self._reads() if not is_word}

    def words(self) -> set[str]:
        """Names of the language that it reads: of what the model says, and what is true."""
        return {name for name, is_word in self._reads() if is_word}

    def bare(self) -> set[str]:
        """Those of them that stand alone, not as answer("...")."""
        nodes = (node for half in (self.what, self.where) if half for node in ast.walk(half))
        return {node.id for node in nodes if isinstance(node, ast.Name)} & set(NAMES)

    def _reads(self) -> set[tuple[str, bool]]:
        nodes = (node for half in (self.what, self.where) if half for node in ast.walk(half))
        return {found for found in map(_read, nodes) if found[0]}


def read(text: str, name: str = "metric") -> Expression:
    """The metric `evaluate.metrics.<name>`. Raises RecipeError with the position of what is not understood."""
    if len(text) > LONGEST:
        raise _wrong(name, text, None, f"it is {len(text)} characters long; at most {LONGEST} are read")
    first, second, start = _halves(text, name)
    what = _parsed(first, name, text, 0)
    where = _parsed(second, name, text, start) if start else None
    _checked(what, name, text)
    if not _is_number(what):
        raise _wrong(name, text, what, "it gives a value per row; say mean(...), share(...), sum(...) or count(...)")
    if where is not None:
        _checked(where, name, text)
        if _is_number(where):
            raise _wrong(name, text, where, "after `where` stands a condition on rows, such as score > 0.5")
    return Expression(text=text, name=name, what=what, where=where)


def columns(text: str) -> set[str]:
    """The columns that this metric reads, which must therefore be kept in the rows. Raises RecipeError."""
    return read(text).columns()


def check(metrics: Mapping[str, str], there: Collection[str], taken: Collection[str] = ()) -> None:
    """Raises RecipeError for a metric that is not understood, reads an unknown column or has the name of a score."""
    for name, text in metrics.items():
        if name in taken:
            raise RecipeError(
                f"evaluate.metrics.{name}: there is already a score called {name!r}. Give yours another name.",
                where=f"evaluate.metrics.{name}",
                got=name,
                fix="take another name",
            )
        found = read(text, name)
        for column in sorted(found.columns() - set(there)):
            raise _unknown(name, text, column, there)
        for word in sorted(found.bare() & set(there)):
            said = f"{word!r} is a column here, and in metrics {NAMES[word]}"
            which = f'write column("{word}") for the column, answer("{word}") for the other'
            raise _problem(name, text, max(0, text.find(word)), f"{said}: {which}", fix=which)


def refuse(metrics: Mapping[str, str], names: Collection[str], why: str) -> None:
    """Raises RecipeError for a metric that uses one of these names, which this task's answers do not have."""
    for name, text in metrics.items():
        for word in sorted(read(text, name).words() & set(names)):
            raise _problem(name, text, max(0, text.find(word)), f"{word!r} is not known here: {why}")


def key(column: str) -> str:
    """What a column is called among what is `given` to a metric: one that has a name of the language steps aside."""
    return f"column {column}" if column in NAMES else column


def statistic(expression: Expression, given: Mapping[str, Any]) -> Callable[[np.ndarray], float]:
    """A function of row numbers giving the metric of those rows; NaN where no row meets the condition.

    given: `{name: array (N,)}` of the language's names and, by `key`, of columns, as `values.column` makes them.
    Raises RecipeError if the values do not fit, such as text that is added up.
    """
    for column in sorted({*map(key, expression.columns()), *expression.words()} - set(given)):
        raise _unknown(expression.name, expression.text, column, given)
    known = _Known(expression=expression, given=given)

    def of(index: np.ndarray) -> float:
        chosen = np.asarray(index, np.int64)
        try:
            if expression.where is not None:
                holds = values.booleans(np.asarray(known.value(expression.where, chosen)))
                chosen = chosen[np.broadcast_to(holds, chosen.shape)]
                if not len(chosen):
                    return math.nan
            found = float(known.value(expression.what, chosen))
        except values.Unfit as problem:
            raise _wrong(expression.name, expression.text, None, str(problem)) from problem
        except (TypeError, ValueError) as problem:
            raise _wrong(expression.name, expression.text, None, "it gives no single number") from problem
        return found if math.isfinite(found) else math.nan

    return of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Values of all rows, and what was already computed of them."""

    expression: Expression
    given: Mapping[str, Any]
    kept: dict[int, Any] = field(default_factory=dict)

    def value(self, node: ast.expr, index: np.ndarray) -> Any:
        """Of these rows: what holds row by row is computed once for all rows, then looked up."""
        if isinstance(node, ast.Constant):
            return node.value
        if _has_mean(node):
            return self._computed(node, index)
        if id(node) not in self.kept:
            rows = np.arange(len(next(iter(self.given.values()))))
            self.kept[id(node)] = np.asarray(self._computed(node, rows))
        kept = self.kept[id(node)]
        return kept[index] if kept.ndim else kept[()]

    def _computed(self, node: ast.expr, index: np.ndarray) -> Any:
        match node:
            case ast.BoolOp(op=op, values=parts):
                join = np.logical_and if isinstance(op, ast.And) else np.logical_or
                return _joined(join, [values.booleans(np.asarray(self.value(part, index))) for part in parts])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return np.logical_not(values.booleans(np.asarray(self.value(operand, index))))
            case ast.UnaryOp(op=op, operand=operand):
                number = values.numbers(np.asarray(self.value(operand, index)))
                return -number if isinstance(op, ast.USub) else number
            case ast.BinOp(left=left, op=op, right=right):
                both = [values.numbers(np.asarray(self.value(side, index))) for side in (left, right)]
                return _ARITHMETIC[type(op)](*both)
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [left, *others]
                made = [self._compared(sides[at], op, sides[at + 1], index) for at, op in enumerate(ops)]
                return _joined(np.logical_and, made)
            case ast.Call(func=ast.Name(id="column"), args=[ast.Constant(value=name)]):
                return self.given[key(str(name))][index]
            case ast.Call(func=ast.Name(id="answer"), args=[ast.Constant(value=name)]):
                return self.given[str(name)][index]
            case ast.Call(func=ast.Name(id="abs"), args=[argument]):
                return np.abs(values.numbers(np.asarray(self.value(argument, index))))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._mean(name, arguments, index)
            case ast.Name(id=name):
                return self.given[name][index]
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return [ast.literal_eval(part) for part in parts]
            case ast.Constant(value=value):
                return value
        raise values.Unfit(f"{ast.unparse(node)} is not understood")  # what _checked lets through is listed above

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr, index: np.ndarray) -> np.ndarray:
        one = self.value(left, index)
        if isinstance(op, ast.In | ast.NotIn):
            is_list = isinstance(right, ast.List | ast.Tuple | ast.Set)
            other = self._computed(right, index) if is_list else self.value(right, index)
            found = values.among(one, other) if is_list else values.inside(one, other, len(index))
            return found if isinstance(op, ast.In) else ~found
        other = self.value(right, index)
        if isinstance(op, ast.Eq | ast.NotEq):
            same = values.equal(one, other)
            return same if isinstance(op, ast.Eq) else ~same
        return values.ordered(one, _ORDER[type(op)], other)

    def _mean(self, name: str, arguments: Sequence[ast.expr], index: np.ndarray) -> float:
        if not arguments:  # count()
            return float(len(index))
        found = np.broadcast_to(np.asarray(self.value(arguments[0], index)), (len(index),))
        if name not in ("count", "share"):
            found = values.known(found)
        return MEANS[name](found) if len(found) else OF_NOTHING.get(name, math.nan)


def _halves(text: str, name: str) -> tuple[str, str, int]:
    """What stands before and after the word `where`, and where that starts (0: there is none)."""
    depth = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            depth += (token.string in "([{") - (token.string in ")]}") if token.type == tokenize.OP else 0
            if token.type == tokenize.NAME and token.string == "where" and not depth:
                lines = text.splitlines(keepends=True)
                at = sum(map(len, lines[: token.start[0] - 1])) + token.start[1]
                return text[:at], text[at + len("where") :], at + len("where")
    except (tokenize.TokenError, SyntaxError):
        pass  # the parser says it better
    return text, "", 0


def _parsed(text: str, name: str, whole: str, start: int) -> ast.expr:
    lead = len(text) - len(text.lstrip())
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if _is_deep(node):
            raise RecursionError
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = start + lead + max(0, (getattr(error, "offset", None) or 1) - 1)
        said = getattr(error, "msg", "") or "it is nested too deeply"
        raise _problem(name, whole, min(at, len(whole)), said) from error
    for child in ast.walk(node):
        if isinstance(child, ast.expr):
            child.col_offset += start + lead  # from here on positions are those in the whole text
    return node


def _checked(node: ast.expr, name: str, text: str, *, inside: bool = False) -> None:
    """Raises RecipeError for anything that is not in the language."""
    match node:
        case ast.Constant(value=value) if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
            raise _wrong(name, text, node, "a number is too large")
        case ast.Constant(value=value) if isinstance(value, str | int | float | bool):
            return
        case ast.Name(id=word) if word in (*MEANS, *FUNCTIONS):
            raise _wrong(name, text, node, f"{word} is a function: {word}(...)")
        case ast.Name() | ast.Call(func=ast.Name(id="column"), args=[ast.Constant(value=str())], keywords=[]):
            return
        case ast.Call(func=ast.Name(id="answer"), args=[ast.Constant(value=str(word))], keywords=[]):
            if word not in NAMES:
                raise _wrong(name, text, node, f"answer(...) takes one of {', '.join(NAMES)}")
            return
        case ast.BoolOp(values=parts):
            below = list(parts)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.UAdd(), operand=operand):
            below = [operand]
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), right=right):
            below = [left, right]
        case ast.Compare(left=left, ops=ops, comparators=others) if not any(
            isinstance(op, ast.Is | ast.IsNot) for op in ops
        ):
            below = [left, *(part for op, part in zip(ops, others, strict=True) if not _is_list(op, part, name, text))]
        case ast.Call(func=ast.Name(id=called), args=arguments, keywords=[]) if called == "abs" or called in MEANS:
            if len(arguments) != 1 and not (called == "count" and not arguments):
                raise _wrong(name, text, node, f"{called}(...) takes one value; it has {len(arguments)}")
            if called in MEANS and inside:
                raise _wrong(name, text, node, f"{called}(...) stands inside another one; take it out")
            inside = inside or called in MEANS
            below = list(arguments)
        case ast.Call(func=ast.Name(id=called)):
            near = difflib.get_close_matches(called, [*MEANS, *FUNCTIONS], n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise _wrong(name, text, node, f"there is no {called}(...){hint} There are: {_functions()}")
        case _:
            raise _wrong(name, text, node, f"{ast.unparse(node)[:60]!r} is not part of the language")
    for part in below:
        _checked(part, name, text, inside=inside)


def _is_list(op: ast.cmpop, node: ast.expr, name: str, text: str) -> bool:
    """Whether this is the [...] after `in`. Raises RecipeError if it holds more than plain values."""
    if not isinstance(node, ast.List | ast.Tuple | ast.Set) or not isinstance(op, ast.In | ast.NotIn):
        return False
    for part in node.elts:
        plain = part.operand if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub) else part
        if not isinstance(plain, ast.Constant) or not isinstance(plain.value, str | int | float | bool):
            raise _wrong(name, text, part, "in [...] stand texts and numbers only")
        if plain is not part and isinstance(plain.value, str | bool):
            raise _wrong(name, text, part, "- stands before a number only")
    return True


def _has_mean(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Call) and _called(part) in MEANS for part in ast.walk(node))


def _is_number(node: ast.expr) -> bool:
    """Whether one number comes out, not a value per row: every name stands inside a mean, a sum, a count."""
    if isinstance(node, ast.Call) and _called(node) in MEANS:
        return True
    if _read(node)[0]:
        return False
    return all(_is_number(part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))


def _is_deep(node: ast.AST) -> bool:
    """Whether it is nested more than DEEPEST levels; level by level, so that nothing is called deeply here."""
    level: list[ast.AST] = [node]
    for _ in range(DEEPEST):
        level = [part for one in level for part in ast.iter_child_nodes(one)]
    return bool(level)


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _read(node: ast.AST) -> tuple[str, bool]:
    """The name that is read here, if one is, and whether it is a word of the language. Called functions are none."""
    match node:
        case ast.Call(func=ast.Name(id="column"), args=[ast.Constant(value=str(name))]):
            return name, False
        case ast.Call(func=ast.Name(id="answer"), args=[ast.Constant(value=str(name))]):
            return name, True
        case ast.Name(id=name) if name not in (*MEANS, *FUNCTIONS):
            return name, name in NAMES
    return "", False


def _joined(join: Callable[[Any, Any], Any], parts: Sequence[Any]) -> Any:
    found = parts[0]
    for part in parts[1:]:
        found = join(found, part)
    return found


def _functions() -> str:
    return ", ".join([*MEANS, "abs", 'column("a name")', 'answer("score")'])


def _unknown(name: str, text: str, column: str, there: Collection[str]) -> RecipeError:
    known = [*NAMES, *sorted(set(there) - set(NAMES))]
    near = difflib.get_close_matches(column, known, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    listed = ", ".join(known[:40])
    return _problem(name, text, max(0, text.find(column)), f"there is no {column!r}. {hint}There are: {listed}")


def _wrong(name: str, text: str, node: ast.expr | None, problem: str) -> RecipeError:
    return _problem(name, text, node.col_offset if node is not None else 0, problem)


def _problem(name: str, text: str, at: int, problem: str, fix: str = "") -> RecipeError:
    return RecipeError(
        f"evaluate.metrics.{name}, character {at + 1} of {text!r:.200}: {problem.rstrip('.')}.",
        where=f"evaluate.metrics.{name}",
        expected='such as mean(actual == "bad") where predicted == "good"',
        got=text[:200],
        fix=fix or f"names: {', '.join(NAMES)} and columns; functions: {_functions()}",
    )
