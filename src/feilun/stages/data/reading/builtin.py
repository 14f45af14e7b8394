"""Data that comes with the house: small sets from scikit-learn, and the example of every task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from feilun.core import discover
from feilun.core.errors import DataError
from feilun.stages.data.reading import pictures, raw

PREFIX = "builtin:"
SETS = ("digits", "breast_cancer", "diabetes", "wine", "iris")  # pictures; then tables


def is_task(source: str | None) -> bool:
    """Whether a source is the example of a task."""
    name = _name(source or "")
    return (source or "").startswith(PREFIX) and name not in SETS and _known_task(name)


def task_of(source: str) -> str:
    """The task's own name of `builtin:<task>`."""
    name = _name(source)
    return discover.aliases("tasks").get(name, name)


def read(source: str, seed: int) -> raw.Raw:
    """Rows of `builtin:<name>`. Raises DataError listing the names there are."""
    name = _name(source)
    if name == "digits":
        return _digits()
    if name in SETS:
        return _table(name)
    if not _known_task(name):
        raw.require([name], [*SETS, *discover.names("tasks")], "builtin:", "data set")
    return raw.of(_example(name, seed), source)


def _name(source: str) -> str:
    return source.removeprefix(PREFIX).strip()


def _known_task(name: str) -> bool:
    return name in discover.names("tasks") or name in discover.aliases("tasks")


def _digits() -> raw.Raw:
    """1,797 handwritten digits, 8 x 8, 17 grey levels."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    images = np.round(loaded.images * (255 / 16)).astype(np.uint8)
    table = pa.table(
        {
            "image": pa.array([pictures.to_png(image) for image in images], pa.binary()),
            "label": pa.array(loaded.target).cast(pa.string()),
        }
    )
    return raw.of(table, "builtin:digits", kinds={"image": "image"}, target="label", rows=len(images))


def _table(name: str) -> raw.Raw:
    import sklearn.datasets

    loaded: Any = getattr(sklearn.datasets, f"load_{name}")()
    columns = {str(column): pa.array(loaded.data[:, place]) for place, column in enumerate(loaded.feature_names)}
    words = getattr(loaded, "target_names", None)
    target = pa.array(loaded.target if words is None else [str(words[label]) for label in loaded.target])
    table = pa.table({**columns, "target": target})
    return raw.of(table, f"builtin:{name}", target="target", rows=table.num_rows)


def _example(name: str, seed: int) -> pa.Table:
    rows = discover.task(name).example(seed)
    if not rows:
        raise DataError(f"The example of task {name} has no rows.", where=f"builtin:{name}")
    names = list(dict.fromkeys(column for row in rows for column in row))
    return pa.table({column: pa.array([row.get(column) for row in rows]) for column in names})
