"""From raw rows to answers: encode, order by length, collate, let the task answer. Evaluation and serving share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.errors import DataError, FeilunError, InputError
from feilun.parts.ops.next_token import OutOfBoundsError
from feilun.parts.ops.ragged import Ragged, collate, take

if TYPE_CHECKING:
    from feilun.core.protocols import Runner
    from feilun.core.task import Features, Json, Row, Rows, State, Task

BATCH = 256  # rows that go through the network at a time, at most
BATCH_BYTES = 4 << 20  # and so many of dense inputs, unless one row has more: the layers make many times of them
PADDED_BYTES = 64 << 20  # that ragged inputs of one batch may take once they are padded
BLOCK = 16  # batches encoded at a time: enough rows to sort by length, few enough to keep pictures out of memory


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """One JSON answer a row. cut: {row: {column: {"read": tokens, "of": tokens}}} of texts that were not read whole."""

    answers: list[Json]
    cut: Mapping[int, Json]


def answer_rows(
    task: Task, run: Runner, features: Features, state: State, rows: Rows | Sequence[Row], **asked: Any
) -> list[Json]:
    """The answers of `answered` alone."""
    return answered(task, run, features, state, rows, **asked).answers


def answered(
    task: Task,
    run: Runner,
    features: Features,
    state: State,
    rows: Rows | Sequence[Row],
    batch_size: int = BATCH,
    *,
    judged: bool = False,
    **options: Any,
) -> Answered:
    """The answers, in the order of the rows, and what of the rows' texts was not read.

    rows: `{column: [value, ...]}` or `[{column: value}, ...]`; target columns are not needed.
    judged: what judging looks at, which a task with `foretell` makes from rows with their targets.
    batch_size: rows that go through the network at a time, at most.
    options: those of `task.answer`, over its defaults.
    Raises DataError if a column is missing or a value wrong, InputError for an option the task does not have.
    """
    rows = rows if isinstance(rows, Mapping) else by_column(rows)
    options = dict(_known(task, options))
    judged &= task.foretell is not None
    inputs = features if judged else input_features(task, features)
    count = _count(inputs, rows)
    answers: list[Json] = []
    cut: dict[int, Json] = {}
    for block in _slices(count, batch_size * BLOCK):
        some = {column: values[block] for column, values in rows.items()}
        arrays = encode(inputs, some)
        answers += answer_encoded(task, run, features, state, arrays, batch_size, judged=judged, **options)
        cut |= {} if judged else {block.start + row: told for row, told in _cut(inputs, some, arrays).items()}
    if task.finish is not None and not judged:
        answers = [task.finish(row, answer, features) for row, answer in zip(by_row(rows), answers, strict=True)]
    return Answered(answers=answers, cut=cut)


def answer_encoded(
    task: Task,
    run: Runner,
    features: Features,
    state: State,
    arrays: Mapping[str, Any],
    batch_size: int = BATCH,
    *,
    judged: bool = False,
    **options: Any,
) -> list[Json]:
    """One JSON answer per row of `encode`'s arrays, in their order; rows of like length are answered together."""
    order = _by_length(arrays)
    answers: list[Json] = []
    for rows in _batches(order, arrays, min(batch_size, _fitting(arrays))):
        batch = collate({name: take(array, rows) for name, array in arrays.items()})
        got = _asked(task, run, batch, features, state, judged=judged, **{**task.options, **options})
        if len(got) != len(rows):
            raise FeilunError(f"The task gave {len(got)} answers to {len(rows)} rows.")
        answers += got
    return [answers[place] for place in np.argsort(order)]


def input_features(task: Task, features: Features) -> Features:
    """The features whose columns exist when serving."""
    return {name: feature for name, feature in features.items() if name not in task.targets}


def encode(inputs: Features, rows: Rows) -> dict[str, Any]:
    """{feature name: array or Ragged} of these rows."""
    return {name: feature.encode(rows) for name, feature in inputs.items()}


def by_column(rows: Sequence[Row]) -> Rows:
    """Rows as a list of dicts, turned by column; a column that a row leaves out is None there."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def by_row(rows: Rows) -> list[Row]:
    """Rows by column, turned into a list of dicts."""
    return [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]


def refused(error: OutOfBoundsError) -> InputError:
    """What a user hears of an option that may not be so."""
    fix = f"leave {error.name} out"
    return InputError(str(error), where=error.name, expected=error.expected, got=error.got, fix=fix)


def _cut(inputs: Features, rows: Rows, arrays: Mapping[str, Any]) -> dict[int, Json]:
    """Of features that say so. A feature of several columns is named by its first."""
    found: dict[int, Json] = {}
    for name, feature in inputs.items():
        shortened = getattr(feature, "shortened", None)
        for row, (read, of) in (shortened(rows, arrays[name]) if shortened else {}).items():
            found.setdefault(row, {})[feature.columns[0]] = {"read": read, "of": of}
    return found


def _asked(
    task: Task,
    run: Runner,
    batch: Mapping[str, np.ndarray],
    features: Features,
    state: State,
    *,
    judged: bool,
    **options: Any,
) -> list[Json]:
    if judged and task.foretell is not None:
        return task.foretell(run, batch, features, state)
    try:
        return task.answer(run, batch, features, state, **options)
    except OutOfBoundsError as error:
        raise refused(error) from None


def _known(task: Task, options: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = sorted(set(options) - set(task.options))
    if unknown:
        there = ", ".join(sorted(task.options)) or "none"
        raise InputError(
            f"This task has no option {', '.join(map(repr, unknown))}. Its options: {there}.",
            where="options",
            got=", ".join(unknown),
            expected=there,
            fix="leave it out, or take one from this list",
        )
    return options


def _count(inputs: Features, rows: Rows) -> int:
    """The number of rows; every column that the inputs read must be there, all equally long."""
    needed = {column for feature in inputs.values() for column in feature.columns}
    missing = sorted(needed - set(rows))
    lengths = {column: len(rows[column]) for column in rows}
    if missing and any(lengths.values()):
        raise DataError(
            f"The rows have no column {', '.join(map(repr, missing))}. They have: {', '.join(map(repr, rows))}.",
            where=missing[0],
            expected=", ".join(sorted(needed)),
            got=", ".join(map(str, rows)),
            fix="add the column; an unknown value is null",
        )
    if len(set(lengths.values())) > 1:
        raise DataError(f"The columns are not equally long: {lengths}.", got=str(lengths), fix="give every row a value")
    return next(iter(lengths.values()), 0)


def _slices(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _batches(order: np.ndarray, arrays: Mapping[str, Any], size: int) -> Iterator[np.ndarray]:
    """At most so many rows at a time, and fewer where padding would take them beyond PADDED_BYTES: one very long text
    must not make a thousand short ones as long."""
    taken = np.zeros(len(order), np.int64)
    for array in arrays.values():
        if isinstance(array, Ragged):
            taken += np.diff(array.offsets) * (8 * int(np.prod(array.values.shape[1:], dtype=np.int64)))
    start, longest = 0, 0
    for place, row in enumerate(order):
        longest = max(longest, int(taken[row]))
        if place > start and (place - start == size or longest * (place - start + 1) > PADDED_BYTES):
            yield order[start:place]
            start, longest = place, int(taken[row])
    if len(order):
        yield order[start:]


def _fitting(arrays: Mapping[str, Any]) -> int:
    """Rows of one size whose numbers, four bytes each, fit into BATCH_BYTES; at least one."""
    dense = [array for array in arrays.values() if not isinstance(array, Ragged)]
    numbers = sum(int(np.prod(array.shape[1:])) for array in dense)
    return max(1, BATCH_BYTES // (4 * max(1, numbers)))


def _by_length(arrays: Mapping[str, Any]) -> np.ndarray:
    """Row order in which rows of like length stand together, so that little is padded."""
    total = np.zeros(len(next(iter(arrays.values()))), np.int64)
    for array in arrays.values():
        if isinstance(array, Ragged):
            total += np.diff(array.offsets)
    return np.argsort(total, kind="stable")
