"""Which delimiter cuts a text into cells."""

from __future__ import annotations

import csv
import io

DELIMITERS = (",", ";", "\t", "|")
SNIFF_RECORDS = 200
LONGEST_CELL = 1 << 26  # characters; Python's own limit of 128 KiB is less than one long text


def of(text: str) -> str:
    """The delimiter that cuts most records into as many cells as the header; ties go to more cells.

    text: the beginning of a file; it may end within a record.
    """
    best, choice = (0.0, 1), ","
    for delimiter in DELIMITERS:
        widths = _widths(text, delimiter)
        if not widths or widths[0] < 2:
            continue
        agree = sum(width == widths[0] for width in widths) / len(widths)
        if agree >= 0.5 and (agree, widths[0]) > best:
            best, choice = (agree, widths[0]), delimiter
    return choice


def called(delimiter: str) -> str:
    """How a message names it."""
    return {"\t": "tab", " ": "space"}.get(delimiter, repr(delimiter))


def allow_long_cells() -> None:
    """Let the csv module read cells as long as a row may be."""
    csv.field_size_limit(LONGEST_CELL)


def _widths(text: str, delimiter: str) -> list[int]:
    allow_long_cells()
    widths: list[int] = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            widths += [len(record)] if record else []
            if len(widths) == SNIFF_RECORDS:
                break
    except csv.Error:
        pass
    return widths[:-1] if len(widths) > 2 else widths  # the text may end within the last record
