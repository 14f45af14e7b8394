"""Raw rows to answers: order, batches, options and errors."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from feilun.core.errors import DataError, FeilunError, InputError
from feilun.parts.bundle import answering
from feilun.parts.bundle.answering import answer_rows, by_column, by_row
from feilun.parts.ops.ragged import Ragged


@dataclass(frozen=True)
class Words:
    """A text as character codes."""

    columns: tuple[str, ...] = ("文本",)

    def encode(self, rows: Any) -> Ragged:
        return Ragged.of([np.array([ord(c) for c in text], np.int32) for text in rows["文本"]])


@dataclass(frozen=True)
class Number:
    """A number as it is."""

    columns: tuple[str, ...] = ("a.1",)

    def encode(self, rows: Any) -> np.ndarray:
        return np.array(rows["a.1"], np.float32)


class Target:
    """Must never be asked when serving."""

    columns = ("y",)

    def encode(self, rows: Any) -> np.ndarray:
        raise AssertionError("a target was encoded while answering")


FEATURES: Any = {"文本": Words(), "a.1": Number(), "target": Target()}


def task(answer: Any, **options: Any) -> Any:
    return SimpleNamespace(targets=("target",), options=options, answer=answer, finish=None, foretell=None)


def echo(run: Any, inputs: Any, features: Any, state: Any, **options: Any) -> list[Any]:
    """What came, so that a test can see it: the text read back from its codes, the number, the width."""
    codes, lengths = inputs["文本"], inputs["文本_length"]
    texts = ["".join(map(chr, row[:length])) for row, length in zip(codes, lengths, strict=True)]
    return [[text, float(a), codes.shape[1]] for text, a in zip(texts, inputs["a.1"], strict=True)]


def rows(count: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [{"文本": "飞" * int(rng.integers(1, 60)) + str(i), "a.1": float(i)} for i in range(count)]


@pytest.mark.parametrize("count", [1, 7, 300])
def test_answers_come_in_the_order_of_the_rows(count: int) -> None:
    given = rows(count)
    got = answer_rows(task(echo), None, FEATURES, {}, by_column(given), batch_size=4)
    assert [(text, a) for text, a, _ in got] == [(row["文本"], row["a.1"]) for row in given]


def test_rows_of_like_length_stand_together() -> None:
    got = answer_rows(task(echo), None, FEATURES, {}, rows(64), batch_size=4)
    padding = sum(width - len(text) for text, _, width in got)
    assert padding < 64 * 6  # in the given order it is several thousand


def test_a_list_of_rows_is_taken_as_well_and_none_gives_none() -> None:
    given = rows(5)
    assert answer_rows(task(echo), None, FEATURES, {}, given) == answer_rows(
        task(echo), None, FEATURES, {}, by_column(given)
    )
    assert answer_rows(task(echo), None, FEATURES, {}, []) == []


def test_options_have_defaults_and_unknown_ones_are_refused() -> None:
    def told(run: Any, inputs: Any, features: Any, state: Any, **options: Any) -> list[Any]:
        return [options] * len(inputs["a.1"])

    asked = task(told, beam=1, top=5)
    assert answer_rows(asked, None, FEATURES, {}, rows(1), beam=4) == [{"beam": 4, "top": 5}]
    with pytest.raises(InputError, match=r"no option 'bean'.*beam, top"):
        answer_rows(asked, None, FEATURES, {}, rows(1), bean=4)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match=r"no column 'a.1'.*'文本'"):
        answer_rows(task(echo), None, FEATURES, {}, {"文本": ["x"]})


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(DataError, match="equally long"):
        answer_rows(task(echo), None, FEATURES, {}, {"文本": ["x"], "a.1": [1.0, 2.0]})


def test_a_task_that_drops_an_answer_is_our_fault() -> None:
    with pytest.raises(FeilunError, match="2 answers to 3 rows"):
        answer_rows(task(lambda *given: [1, 2]), None, FEATURES, {}, rows(3))


def test_by_row_undoes_by_column() -> None:
    assert by_row(by_column(rows(3))) == rows(3)
    assert by_column([{"a": 1}, {"b": 2}]) == {"a": [1, None], "b": [None, 2]}


def test_one_long_row_makes_no_short_ones_long() -> None:
    """Padded, a batch takes a bounded number of bytes, unless one row has more; every row is in one batch."""
    lengths = [3, 1, 5_000_000, 2, 9, 4]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ragged = Ragged(np.zeros(offsets[-1], np.int8), offsets)
    order = np.argsort(lengths, kind="stable")
    made = [rows.tolist() for rows in answering._batches(order, {"x": ragged}, 3)]
    assert made == [[1, 3, 0], [5, 4], [2]]
