"""What every source gives: one Arrow table, which rows were given as test or validation, and what must be said."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.parts.ops.measured import Unit

RESERVED = "_id"  # the stable row id that the data stage adds
DEALT = -1  # in `given`: this row's split is found by hash; else an index into parts.dataset.SPLITS


@dataclass(frozen=True, kw_only=True, slots=True)
class Most:
    """How much to read: at most so many rows of a table, or pictures of a folder; None: all."""

    rows: int | None = None
    pictures: int | None = None


SAMPLE = Most(rows=200_000, pictures=200)  # what is looked at before a run, to find out kinds


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """Rows as they came: text cells untrimmed, types as the file had them.

    given: int8 (N,), DEALT or the split the row was given for.  kinds, target: what the source itself knows.
    rows: how many rows there are; more than the table has when only a sample was read, None when not known.
    decimal: the mark by which numbers in text were read, None where all were plain.  folder: where names of pictures
    start, where that is not the folder of `name`.  lines: of the cleaning table, about how it was read.
    units: of columns whose numbers were written with one, {column: unit}.
    """

    table: pa.Table
    name: str
    given: np.ndarray
    notes: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    rows: int | None = None
    decimal: str | None = None
    folder: Path | None = None
    lines: tuple[dict[str, Any], ...] = ()
    units: Mapping[str, Unit] = field(default_factory=dict)


Part = Callable[[Data, Most], Raw]  # reads the rows of one split of a source


def of(table: pa.Table, name: str, **more: object) -> Raw:
    """Raw rows that are all to be dealt."""
    check_columns(table.column_names, name)
    facts: dict[str, Any] = {"rows": table.num_rows, **more}
    return Raw(table=table, name=name, given=np.full(table.num_rows, DEALT, np.int8), **facts)


def check_columns(names: Iterable[str], where: str) -> None:
    """Raises DataError if two columns have the same name, or one has the name of our row ids."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(
                f"{where} has two columns called {name!r}. Rename one of them.",
                where=where,
                got=name,
                fix="rename one of the columns",
            )
        seen.add(name)
    if RESERVED in seen:
        raise DataError(
            f"{where} has a column called {RESERVED}; rows get a column of that name from us. Rename it.",
            where=where,
            got=RESERVED,
            fix="rename the column",
        )


def require(names: Iterable[str], there: Iterable[str], where: str, what: str = "column") -> None:
    """Raises DataError, with the nearest name, unless every one of `names` is there."""
    there = list(there)
    for name in names:
        if name in there:
            continue
        near = difflib.get_close_matches(name, there, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        shown = ", ".join(there[:30]) + (", ..." if len(there) > 30 else "")
        raise DataError(
            f"{where} has no {what} {name!r}. {hint}There are: {shown}.",
            where=where,
            expected=shown,
            got=name,
            fix=f"use {near[0]}" if near else "take a name from this list",
        )


@contextmanager
def opened(path: Path) -> Iterator[None]:
    """Turns what the system says about a file that cannot be read into a DataError."""
    try:
        yield
    except FileNotFoundError as error:
        raise missing(path) from error
    except PermissionError as error:
        raise DataError(
            f"{path} may not be read by this user. Change its permissions (chmod u+r), or copy it.",
            where=str(path),
            fix="chmod u+r",
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.", where=str(path)) from error


def missing(path: Path) -> DataError:
    """The error for a path that is not there: names what lies nearest to it."""
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    wanted = path.absolute().relative_to(folder).parts[0]
    there = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    near = difflib.get_close_matches(wanted, there, n=1, cutoff=0.6)
    shown = path.parent if path.absolute().parent == folder else folder
    hint = f"Did you mean {shown / near[0]}?" if near else f"{folder} holds: {', '.join(there[:10]) or 'nothing'}."
    return DataError(
        f"There is no file or folder {path}. {hint}",
        where=str(path),
        got=str(path),
        fix=f"use {shown / near[0]}" if near else "check the path; it starts at the recipe's folder",
    )
