"""Large tables on disk: every file and every result is what it is in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from feilun.core import discover
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.core.work import Work
from feilun.parts.ops import cache_folder
from feilun.stages.data import disk, verbs

ROWS = 600


def rows() -> pa.Table:
    """Numbers with gaps, words to be stripped, texts, copies, rows without a target."""
    draw = np.random.default_rng(0)
    words = [f" w{number} " for number in draw.integers(0, 9, ROWS)]
    texts = [" ".join(f"t{number}" for number in draw.integers(0, 50, size)) for size in draw.integers(1, 9, ROWS)]
    label = [None if number % 50 == 0 else "yes" if number % 3 else "no" for number in range(ROWS)]
    number = [None if at % 7 == 0 else float(value) for at, value in enumerate(draw.normal(size=ROWS))]
    table = pa.table({"number": number, "word": words, "text": texts, "label": label})
    return pa.concat_tables([table, table.slice(0, 40)])


def as_json(table: pa.Table, path: Path) -> None:
    """One object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))


WRITERS: dict[str, Callable[[pa.Table, Path], Any]] = {
    "parquet": lambda table, path: pa.parquet.write_table(table, path, row_group_size=100),
    "csv": pa.csv.write_csv,
    "jsonl": as_json,
}


def made(folder: Path, source: Path) -> dict[str, bytes]:
    """Every file that the data stage writes, but the Arrow file, whose pieces differ: its rows come instead."""
    folder.mkdir()
    values = {"data": {"source": str(source), "duplicates": "drop"}, "target": "label", "task": "classification"}
    inputs = {"number": "number", "word": "category", "text": "text"}
    recipe = verbs.resolve(Recipe.model_validate({**values, "inputs": inputs}), folder)
    task = discover.task("classification")
    verbs.make(Work(recipe=recipe, task=task, folder=folder, before={}, say=Quiet(), base=folder))
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.parent.name != "rows")
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return found | {"rows": repr(load(folder / "rows")).encode()}


def load(folder: Path) -> list[dict[str, Any]]:
    """The rows as they were saved."""
    with pa.OSFile(str(next(folder.glob("*.arrow")))) as file:
        listed: list[dict[str, Any]] = pa.ipc.open_stream(file).read_all().to_pylist()
    return listed


@pytest.mark.parametrize("form", WRITERS)
def test_large_tables_come_out_the_same(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache_folder.VARIABLE, str(tmp_path / "cache"))
    source = tmp_path / f"rows.{form}"
    WRITERS[form](rows(), source)
    expected = made(tmp_path / "held", source)
    assert not (tmp_path / "cache" / "rows").exists()
    monkeypatch.setattr(disk, "SHARE", 1 << 40)  # from now on every table is large
    found = made(tmp_path / "on-disk", source)
    assert (tmp_path / "cache" / "rows").is_dir()
    assert not any((tmp_path / "cache" / "rows").iterdir())
    assert found.keys() == expected.keys()
    for name, content in expected.items():
        assert found[name] == content, name
    assert "arrays/text.values.npy" in found and "arrays/text.offsets.npy" in found


def test_a_table_on_disk_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache_folder.VARIABLE, str(tmp_path))
    before = pa.total_allocated_bytes()
    table = disk.table(pa.table({"a": pa.array(np.arange(1_000_000)), "b": pa.array(["x"] * 1_000_000)}))
    assert pa.total_allocated_bytes() - before < 100_000
    assert table.num_rows == 1_000_000 and table.column("a")[999_999].as_py() == 999_999
    column = table.column("a")
    assert disk.kept(column, column) is column
