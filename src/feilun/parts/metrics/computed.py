"""Business metrics computed: the language of `expression` over arrays of all rows, for any choice of rows."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from feilun.parts.metrics import values
from feilun.parts.metrics.expression import MEANS, Expression, called, has_mean, key, unknown, wrong
from feilun.parts.metrics.intervals import OfCells, Share

OF_NOTHING = {"sum": 0.0, "count": 0.0}  # of no rows; every other one is not a number
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: values.quotient,
}
_ORDER: dict[type, str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


def statistic(expression: Expression, given: Mapping[str, Any]) -> Callable[[np.ndarray], float]:
    """A function of row numbers giving the metric of those rows; NaN of no rows, but for sums and counts.

    A share or a count of rows is an `OfCells` that says so.

    given: `{name: array (N,)}` of the language's names and, by `key`, of columns, as `values.column` makes them.
    Raises RecipeError if the values do not fit, such as text that is added up.
    """
    for column in sorted({*map(key, expression.columns()), *expression.words()} - set(given)):
        raise unknown(expression.name, expression.text, column, given)
    known = _Known(expression=expression, given=given)

    def of(index: np.ndarray) -> float:
        chosen = np.asarray(index, np.int64)
        try:
            if expression.where is not None:
                holds = values.booleans(np.asarray(known.value(expression.where, chosen)))
                chosen = chosen[np.broadcast_to(holds, chosen.shape)]
            found = float(known.value(expression.what, chosen))
        except values.Unfit as problem:
            raise wrong(expression.name, expression.text, None, str(problem)) from problem
        except (TypeError, ValueError, IndexError, OverflowError) as problem:
            raise wrong(expression.name, expression.text, None, "it gives no single number") from problem
        return found if math.isfinite(found) else math.nan

    of(np.arange(0))  # what does not fit is told by its name
    return _of_cells(known) or of


def _of_cells(known: _Known) -> OfCells | None:
    """Of a share, a count or a mean of yes and no: a row counts (2), does not (1), or is not asked for (0)."""
    what, where = known.expression.what, known.expression.where
    name = called(what) if isinstance(what, ast.Call) else ""
    if name not in ("share", "count", "mean") or not isinstance(what, ast.Call) or (where and has_mean(where)):
        return None
    rows = np.arange(len(next(iter(known.given.values()))))
    counted = np.asarray(known.value(what.args[0], rows)) if what.args else np.array(True)
    asked = np.asarray(known.value(where, rows)) if where is not None else np.array(True)
    if counted.dtype != bool or asked.dtype != bool:
        return None
    cells = np.where(np.broadcast_to(asked, rows.shape), 1 + np.broadcast_to(counted, rows.shape), 0)
    if name == "count":
        return OfCells(
            cells=cells,
            count=3,
            of=lambda counts: counts[..., 2].astype(np.float64),
            share=Share(part=(2,), whole=(0, 1, 2), turned=lambda share: share * len(rows)),
        )

    def of(counts: np.ndarray) -> np.ndarray:
        whole = counts[..., 1] + counts[..., 2]
        return np.asarray(np.divide(counts[..., 2], whole, out=np.full(whole.shape, np.nan), where=whole > 0))

    return OfCells(cells=cells, count=3, of=of, share=Share(part=(2,), whole=(1, 2)))


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
        if has_mean(node):
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


def _joined(join: Callable[[Any, Any], Any], parts: Sequence[Any]) -> Any:
    found = parts[0]
    for part in parts[1:]:
        found = join(found, part)
    return found
