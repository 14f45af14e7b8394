"""Writing and reading the data stage's folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from feilun.core import discover, manifest
from feilun.core.errors import FeilunError
from feilun.core.task import Features, Rows
from feilun.parts.dataset.columns import Taken, values_of
from feilun.parts.ops.ragged import Ragged
from feilun.parts.ops.threads import in_order

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

SPLITS = ("train", "validation", "gate", "test", "held")  # held: feedback kept for judging
BLOCK = 8_192  # rows encoded at a time; measured: 2,000 take twice the time, 32,000 as much and four times the memory
FEW = 500  # of pictures and lists, which are larger: some blocks are in memory at once
BATCH = 2_000  # rows per record batch on disk: single rows are fetched faster from small ones, all rows from large ones


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
    with ThreadPoolExecutor(1) as beside:
        saving = beside.submit(save_rows, rows, folder / "rows")
        fitted = _written(folder, rows, splits, origin, features, profile)
        saving.result()
    return fitted


def _written(
    folder: Path,
    rows: Dataset,
    splits: np.ndarray,
    origin: np.ndarray,
    features: Features,
    profile: list[dict[str, Any]],
) -> dict[str, Any]:
    """All but the rows."""
    np.save(folder / "splits.npy", splits.astype(np.int8))
    np.save(folder / "origin.npy", origin.astype(np.int16))
    manifest.write_json(folder / "columns.json", profile)
    table = rows.with_format("arrow")[:]
    fitted: dict[str, Any] = {}
    for name, asked in features.items():
        feature = asked.knowing(fitted) if hasattr(asked, "knowing") and not asked.fitted else asked
        if not feature.fitted:
            feature = feature.fit(Taken(table, _read_by(feature), _learnt_from(feature, splits)))
        fitted[name] = feature
    state = {name: {"kind": feature.kind, **feature.to_json()} for name, feature in fitted.items()}
    manifest.write_json(folder / "features.json", state)
    (folder / "arrays").mkdir(exist_ok=True)
    for name, feature in fitted.items():
        _encode(folder / "arrays", name, feature, table)
    return fitted


def _read_by(feature: Any) -> tuple[str, ...]:
    """The columns that it is fitted on: its own, and those that it learns from besides."""
    return tuple(dict.fromkeys([*getattr(feature, "learns_from", ()), *feature.columns]))


def load_rows(folder: Path) -> Dataset:
    """Rows saved by `save_rows`, memory-mapped."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    return Dataset.load_from_disk(str(folder))


def save_rows(rows: Dataset, folder: Path) -> None:
    """Arrow files of the rows, without drawing anything on the terminal.

    The folder is that of the first row; all rows then go into its Arrow file at once, several times as fast.
    """
    import pyarrow as pa
    from datasets import disable_progress_bars

    disable_progress_bars()
    table = rows.with_format("arrow")[:]
    rows.select(range(min(1, len(rows)))).save_to_disk(str(folder))
    path = next(folder.glob("*.arrow"), None)
    if path is None:  # there are no rows
        return
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table, max_chunksize=BATCH)


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


def _encode(folder: Path, name: str, feature: Any, table: pa.Table) -> None:
    """Encode in blocks, straight into files.

    Written, not mapped: pages of a file that is mapped for writing count as this process's memory.
    """
    read = table.select(list(feature.columns))
    size = BLOCK if all(_is_short(kind) for kind in read.schema.types) else FEW
    starts = range(0, max(1, table.num_rows), size)
    blocks = in_order(lambda start: feature.encode(_values(read.slice(start, size))), starts)
    first = next(blocks)
    if isinstance(first, Ragged):
        lengths = [np.zeros(1, np.int64)]
        _write(folder / f"{_file(name)}.values.npy", name, _values_of(chain([first], blocks), lengths))
        np.save(folder / f"{_file(name)}.offsets.npy", np.cumsum(np.concatenate(lengths)))
        return
    _write(folder / f"{_file(name)}.npy", name, chain([first], blocks))


def _values_of(blocks: Iterable[Ragged], lengths: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The values of each block; the rows' lengths are added to `lengths`."""
    for block in blocks:
        lengths.append(np.diff(block.offsets).astype(np.int64))
        yield block.values


def _write(path: Path, name: str, blocks: Iterator[np.ndarray]) -> None:
    """One .npy file of all blocks. Its header, which says how many rows there are, is written again at the end.

    numpy leaves room in a header for the number of rows to grow.
    """
    first, rows = next(blocks), 0
    header = {"descr": first.dtype.str, "fortran_order": False, "shape": (0, *first.shape[1:])}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        begin = file.tell()
        for block in chain([first], blocks):
            if block.shape[1:] != first.shape[1:]:
                raise FeilunError(f"Feature {name} gave rows of {block.shape[1:]} after rows of {first.shape[1:]}.")
            file.write(np.ascontiguousarray(block, first.dtype).data)
            rows += len(block)
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, {**header, "shape": (rows, *first.shape[1:])})
        if file.tell() != begin:
            raise FeilunError(f"The header of {path.name} grew from {begin} to {file.tell()} bytes with {rows} rows.")


def _loaded(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path, allow_pickle=False)
    return array


def _mapped(folder: Path, name: str) -> Any:
    dense = folder / f"{_file(name)}.npy"
    if dense.is_file():
        return np.load(dense, mmap_mode="r", allow_pickle=False)
    values, offsets = (folder / f"{_file(name)}.{part}.npy" for part in ("values", "offsets"))
    return Ragged(np.load(values, mmap_mode="r", allow_pickle=False), _loaded(offsets))


def _values(table: pa.Table) -> Rows:
    return {name: values_of(column) for name, column in zip(table.column_names, table.columns, strict=True)}


def _is_short(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_primitive(kind) or pa.types.is_string(kind))


def _file(name: str) -> str:
    """A feature's name as a file name, on every system; dots too, so that endings stay ours."""
    return quote(name, safe="").replace(".", "%2E")


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples of the dataclasses."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
