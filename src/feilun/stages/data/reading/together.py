"""Several files of one kind, read as one table in the order of their names: parts of an export, languages, months."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.stages.data.reading import frames, raw


def read(
    reader: Callable[[Path, Data, raw.Most], raw.Raw], paths: Sequence[Path], data: Data, most: raw.Most
) -> raw.Raw:
    """The rows of all of them. Raises DataError where one has other columns than the first."""
    wholes = [reader(path, data, most) for path in paths]
    first = wholes[0]
    for path, whole in zip(paths, wholes, strict=True):
        if set(whole.table.column_names) != set(first.table.column_names):
            raise DataError(
                f"{path} has the columns {', '.join(whole.table.column_names)}, {paths[0].name} beside it "
                f"{', '.join(first.table.column_names)}. Files that are read as one table must have the same columns.",
                where=str(path),
                expected=", ".join(first.table.column_names),
                got=", ".join(whole.table.column_names),
                fix="put files of another kind into another folder, or name one file in data.source",
            )
    counts = [whole.rows for whole in wholes]
    table = frames.stacked([whole.table.select(first.table.column_names) for whole in wholes])[: most.rows]
    return replace(
        first,
        table=table,
        name=str(paths[0].parent),
        folder=first.folder or paths[0].parent,
        given=np.concatenate([whole.given for whole in wholes])[: most.rows],
        notes=tuple(dict.fromkeys(note for whole in wholes for note in whole.notes)),
        lines=tuple(line for whole in wholes for line in whole.lines),
        rows=None if None in counts else sum(count or 0 for count in counts),
    )
