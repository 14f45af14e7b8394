"""Which delimiter cuts a text into cells."""

from __future__ import annotations

import csv
import io

DELIMITERS = (",", ";", "\t")
SNIFF_RECORDS = 200


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


def _widths(text: str, delimiter: str) -> list[int]:
    widths: list[int] = []
    try:
        for record in csv.reader(io.StringIO(text), delimiter=delimiter):
            widths += [len(record)] if record else []
            if len(widths) == SNIFF_RECORDS:
                break
    except csv.Error:
        pass
    return widths[:-1] if len(widths) > 2 else widths  # the text may end within the last record
