"""Answers to many rows, block by block: a wrong row is named, and answers go to a file or come back."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from feilun.core.errors import DataError, InputError
from feilun.parts.bundle import checks
from feilun.parts.ops import surrogates
from feilun.stages.deployment import row_files
from feilun.stages.deployment.row_files import rows_of

if TYPE_CHECKING:
    from feilun.core.task import Json, Row
    from feilun.parts.bundle.answering import Answered
    from feilun.parts.bundle.loading import Bundle

BLOCK = 1024  # rows read, answered and written at a time
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how cells start that spreadsheets run: OWASP, CSV injection
CUT = "cut_texts"  # in what is told: rows with texts that are longer than is read
NUMBER = re.compile(r"[+-]?[\d.,]+([eE][+-]?\d+)?", re.ASCII)


def predict(
    bundle: Bundle, source: Any, options: Mapping[str, Any], out: Path | None, told: dict[str, int]
) -> list[Any]:
    """Answers in order; with `out` (.jsonl or .csv) they are written there, and `[{file, rows}]` is returned.

    told: gets, and `[{file, rows}]` has too, how many rows have `short_windows`, fewer steps than a window, and
    `cut_texts`, longer ones than are read.
    Raises DataError naming file and row where one cannot be answered, InputError if there are no rows at all.
    """
    checks.options(options, bundle.task.options)
    if out is not None:
        _require_place(out)
    blocks = _answered(bundle, rows_of(source, bundle.signature, bundle.recipe, told), options, source, told)
    first = next(blocks, None)
    if first is None:
        called = row_files.called(source) or "What was given"
        raise InputError(
            f"{called} has no rows to answer. Give at least one.",
            where=called,
            expected="at least one row",
            got="no rows",
            fix="add rows",
        )
    answers = chain(first, chain.from_iterable(blocks))
    if out is None:
        return list(answers)
    named = row_files.names(source, bundle.signature)
    with_names = ({"file": name, **_parts(answer)} for name, answer in zip(named, answers, strict=True))
    return [{"file": str(out), "rows": _write(out, with_names if named else answers), **told}]


def _answered(
    bundle: Bundle, rows: Iterator[Row], options: Mapping[str, Any], source: Any, told: dict[str, int]
) -> Iterator[list[Json]]:
    before = 0
    while block := list(islice(rows, BLOCK)):
        try:
            found = _ask(bundle, block, options)
        except DataError as error:
            at, wrong = _first_wrong(bundle, block, options)
            if wrong is None:  # only wrong together
                raise
            raise _named(wrong, source, row_files.label(source, before + at + 1, bundle.signature)) from error
        if found.cut:
            told[CUT] = told.get(CUT, 0) + len(found.cut)
        yield found.answers
        before += len(block)


def _ask(bundle: Bundle, block: list[Row], options: Mapping[str, Any]) -> Answered:
    for row in block:
        place = surrogates.place(row, "row")
        if place is not None:
            raise DataError(
                f"{place} holds half a surrogate pair, which is no text.",
                expected="text that UTF-8 can hold",
                fix="correct the value",
            )
    return bundle.answered(block, **options)


def _first_wrong(bundle: Bundle, block: list[Row], options: Mapping[str, Any]) -> tuple[int, DataError | None]:
    """The place of the first row that cannot be answered, by halving, and its own error."""
    low, high = 0, len(block)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _error(bundle, block[low:middle], options) else (middle, high)
    return low, _error(bundle, block[low:high], options)


def _error(bundle: Bundle, block: list[Row], options: Mapping[str, Any]) -> DataError | None:
    try:
        _ask(bundle, block, options)
    except DataError as error:
        return error
    return None


def _named(error: DataError, source: Any, label: str) -> DataError:
    """The error of one row, saying which row of which file it is, and how the file was read where that was guessed."""
    called = row_files.called(source)
    notes = row_files.notes(source)
    message = str(error).replace("rows[0]", "it")
    return DataError(
        " ".join([f"{called}: {label}: {message}" if called else f"{label}: {message}", *notes]),
        where=f"{called} {label}".strip(),
        expected=error.expected,
        got=error.got,
        fix=" ".join([error.fix.replace("rows[0]", "it"), *notes]).strip(),
    )


def _require_place(out: Path) -> None:
    if out.suffix.lower() not in (".jsonl", ".csv"):
        raise InputError(
            f"Answers are written as .jsonl or .csv, not {out.name!r}.", where=str(out), expected=".jsonl or .csv"
        )
    if not out.parent.is_dir():
        raise InputError(
            f"There is no folder {out.parent} to write {out.name} to. Make it, or name another one.",
            where=str(out.parent),
            expected="a folder that exists",
            got=str(out.parent),
            fix=f"mkdir -p {out.parent}",
        )
    if out.is_dir():
        raise InputError(f"{out} is a folder. Name a file for the answers.", where=str(out), fix="name a file")


def _write(out: Path, answers: Iterable[Json]) -> int:
    """One answer a line. Of CSV every part of an answer is a column, nested parts as JSON."""
    written = 0
    with _opened(out) as file:
        table: Any = None
        for answer in answers:
            written += 1
            if out.suffix.lower() == ".jsonl":
                file.write(json.dumps(answer, ensure_ascii=False) + "\n")
                continue
            cells = _parts(answer)
            if table is None:
                table = csv.DictWriter(file, list(cells), extrasaction="ignore")
                table.writeheader()
            table.writerow({name: _cell(value) for name, value in cells.items()})
    return written


def _parts(answer: Any) -> dict[str, Any]:
    return answer if isinstance(answer, dict) else {"answer": answer}


def _cell(value: Any) -> Any:
    """Nested parts as JSON; text that a spreadsheet would run as a formula is told apart by a quote before it."""
    if isinstance(value, str) and value.startswith(FORMULA) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _opened(out: Path) -> TextIO:
    try:
        return out.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(
            f"{out} cannot be written: {error.strerror}. Name another file.", where=str(out), fix="name another file"
        ) from error
