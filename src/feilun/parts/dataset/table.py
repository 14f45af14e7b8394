"""Writing and reading the data stage's folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from feilun.core import discover, manifest
from feilun.core.task import Features, Rows
from feilun.parts.ops.ragged import Ragged

if TYPE_CHECKING:
    from datasets import Dataset

SPLITS = ("train", "validation", "gate", "test", "held")  # held: feedback kept for judging
BLOCK = 2_000  # rows encoded at a time


@dataclass(frozen=True)
class Table:
    """What lies in a data stage's folder. Everything is read when first asked for."""

    folder: Path

    @staticmethod
    def open(folder: Path) -> Table:
        """The folder of a finished data stage."""
        return Table(folder)

    @cached_property
    def rows(self) -> Dataset:
        """The rows, memory-mapped: the columns and `_id`."""
        return load_rows(self.folder / "rows")

    @cached_property
    def splits(self) -> np.ndarray:
        """int8 (N,): place in SPLITS."""
        return _loaded(self.folder / "splits.npy")

    @cached_property
    def origin(self) -> np.ndarray:
        """int16 (N,): 0 for the source, k for feedback of lap k."""
        return _loaded(self.folder / "origin.npy")

    @cached_property
    def features(self) -> dict[str, Any]:
        """{name: fitted Feature}."""
        return read_features(self.folder / "features.json")

    @cached_property
    def arrays(self) -> dict[str, Any]:
        """{feature name: memory-mapped ndarray (N, ...) or Ragged of two}."""
        return {name: _mapped(self.folder / "arrays", name) for name in self.features}

    @cached_property
    def profile(self) -> list[dict[str, Any]]:
        """What was found out of each column."""
        found: list[dict[str, Any]] = manifest.read_json(self.folder / "columns.json")
        return found

    def index(self, split: str) -> np.ndarray:
        """int64: the row numbers of a split, rising."""
        return np.flatnonzero(self.splits == SPLITS.index(split))

    def columns(self, split: str, limit: int | None = None) -> Rows:
        """{column: values} of a split's rows, or of its first `limit`."""
        return self.take(self.index(split)[:limit])

    def take(self, index: Sequence[int] | np.ndarray) -> Rows:
        """{column: values} of these rows, in this order."""
        taken: Rows = self.rows[np.asarray(index, np.int64)]
        return taken


def write(
    folder: Path,
    rows: Dataset,
    splits: np.ndarray,
    origin: np.ndarray,
    features: Features,
    profile: list[dict[str, Any]],
) -> dict[str, Any]:
    """Fit features on the training rows (fitted ones as they are), encode all rows in blocks, write everything.

    Returns the fitted features. In a lap the parent's fitted features are passed, and stay as they are.
    """
    save_rows(rows, folder / "rows")
    np.save(folder / "splits.npy", splits.astype(np.int8))
    np.save(folder / "origin.npy", origin.astype(np.int16))
    manifest.write_json(folder / "columns.json", profile)
    fitted = {
        name: feature
        if feature.fitted
        else feature.fit(
            _columns(rows, getattr(feature, "learns_from", feature.columns), _learnt_from(feature, splits))
        )
        for name, feature in features.items()
    }
    state = {name: {"kind": feature.kind, **feature.to_json()} for name, feature in fitted.items()}
    manifest.write_json(folder / "features.json", state)
    (folder / "arrays").mkdir(exist_ok=True)
    for name, feature in fitted.items():
        _encode(folder / "arrays", name, feature, rows)
    return fitted


def load_rows(folder: Path) -> Dataset:
    """Rows saved by `save_rows`, memory-mapped."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    return Dataset.load_from_disk(str(folder))


def save_rows(rows: Dataset, folder: Path) -> None:
    """Arrow files of the rows, without drawing anything on the terminal."""
    from datasets import disable_progress_bars

    disable_progress_bars()
    rows.save_to_disk(str(folder))


def read_features(path: Path) -> dict[str, Any]:
    """{name: fitted Feature} of a features.json."""
    return {name: discover.feature(**_tuples(json)) for name, json in manifest.read_json(path).items()}


def _learnt_from(feature: Any, splits: np.ndarray) -> np.ndarray:
    """Numbers of the rows a feature is fitted on: training rows, evenly thinned out where it says how many it needs.

    A feature that `names_the_question` (the labels there are) is told of all rows but feedback kept for judging: a
    label that happens to stand only in test rows is still one of the answers.
    """
    if getattr(feature, "names_the_question", False):
        return np.flatnonzero(splits != SPLITS.index("held"))
    train = np.flatnonzero(splits == SPLITS.index("train"))
    most = getattr(feature, "sample", None) or len(train)
    return train[np.linspace(0, len(train) - 1, min(most, len(train))).astype(np.int64)] if len(train) else train


def _encode(folder: Path, name: str, feature: Any, rows: Dataset) -> None:
    """Encode in blocks, straight into files; ragged values are gathered first, being small."""
    blocks = (feature.encode(_columns(rows, feature.columns, part)) for part in _parts(len(rows)))
    first = next(blocks)
    if isinstance(first, Ragged):
        parts: list[Ragged] = [first, *blocks]
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        np.save(folder / f"{_file(name)}.values.npy", np.concatenate([part.values for part in parts]))
        np.save(folder / f"{_file(name)}.offsets.npy", offsets)
        return
    shape = (len(rows), *first.shape[1:])
    out = np.lib.format.open_memmap(folder / f"{_file(name)}.npy", mode="w+", dtype=first.dtype, shape=shape)
    start = 0
    for block in _chain(first, blocks):
        out[start : start + len(block)] = block
        start += len(block)
    out.flush()


def _loaded(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path, allow_pickle=False)
    return array


def _mapped(folder: Path, name: str) -> Any:
    dense = folder / f"{_file(name)}.npy"
    if dense.is_file():
        return np.load(dense, mmap_mode="r", allow_pickle=False)
    values, offsets = (folder / f"{_file(name)}.{part}.npy" for part in ("values", "offsets"))
    return Ragged(np.load(values, mmap_mode="r", allow_pickle=False), _loaded(offsets))


def _columns(rows: Dataset, columns: Sequence[str], index: np.ndarray) -> Rows:
    taken: Rows = rows.select_columns(list(columns))[index]
    return taken


def _parts(count: int) -> Iterator[np.ndarray]:
    for start in range(0, count, BLOCK):
        yield np.arange(start, min(start + BLOCK, count))


def _chain(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest


def _file(name: str) -> str:
    """A feature's name as a file name, on every system; dots too, so that endings stay ours."""
    return quote(name, safe="").replace(".", "%2E")


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples of the dataclasses."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
