"""A lap: the parent's rows, splits and fitted features unchanged, and the rows of its users beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from feilun.core import manifest
from feilun.core.errors import DataError
from feilun.core.work import Made, Work
from feilun.parts import dataset
from feilun.stages.data import assemble, cleaning, disk, wanted
from feilun.stages.data.alike import hashing, near
from feilun.stages.data.cells import clean
from feilun.stages.data.looking import survey
from feilun.stages.data.reading import raw

TRAIN, HELD = dataset.SPLITS.index("train"), dataset.SPLITS.index("held")


def make(work: Work) -> Made:
    """Write the data stage's folder of a lap. `origin` of the new rows is the lap's number; earlier laps keep theirs.

    A new training row that equals, or nearly, a row kept for judging (validation, gate, test, held) leaves, and so does
    a held row that equals a training row: nothing may be judged on what it learnt.
    """
    parent, folder = _data_folder(Path(str(work.parent))), Path(str(work.lap))
    before = dataset.Table.open(parent)
    old = before.rows.with_format("arrow")[:]
    new, of_new = _lap_rows(folder, work, old.schema)
    number = int(folder.name) if folder.name.isdigit() else int(before.origin.max()) + 1
    asked = wanted.by_task(work.task, work.recipe)
    keys = keys_of(old, new, asked.identity, asked.kinds, look=work.recipe.data.near != "ignore")
    stays = _judged_apart(keys[: len(before.splits)], before.splits, keys[len(before.splits) :], of_new)
    new, of_new = new.filter(pa.array(stays)), of_new[stays]
    of_rows = np.concatenate([before.splits, of_new]).astype(np.int8)
    origin = np.concatenate([before.origin, np.full(len(of_new), number, np.int16)])
    rows = disk.to_dataset(pa.concat_tables([old, new.select(old.column_names)], promote_options="permissive"))
    profile = manifest.read_json(parent / "columns.json")
    dataset.write(work.folder, rows, of_rows, origin, dict(before.features), profile)
    left_out = int((~stays).sum())
    if left_out:
        work.say.line(f"{left_out:,} answers equal rows on the other side of learning and judging and were left out.")
    why = "they equal, or nearly, rows on the other side of learning and judging"
    lines = [cleaning.line("answers", left_out, "left out", why, key="data.near: ignore")] if left_out else []
    facts = {
        "rows": len(of_rows),
        "splits": assemble.count(of_rows),
        "cleaning": lines,
        "lap": number,
        "lap_rows": assemble.count(of_new),
        "left_out_equal_to_judged": left_out,
    }
    return Made(facts=facts)


def keys_of(
    old: pa.Table, new: pa.Table, identity: Sequence[str], kinds: Mapping[str, str], *, look: bool
) -> np.ndarray:
    """uint64: of old rows and then of new ones, equal where rows are equal or, if looked for, share what is near."""
    names = list(identity)
    both = pa.concat_tables([old.select(names), new.select(names)], promote_options="permissive")
    keys = hashing.rows(both, names)
    return near.find(both, names, kinds, keys).shared if look else keys


def _data_folder(run: Path) -> Path:
    """Where the parent's data stage lies: in its own run, or in the one that made it first."""
    record = run / "run.json"
    places = manifest.read_json(record)["stages"] if record.is_file() else {}
    return run.parent / places["data"] if "data" in places else run / "data"


def _lap_rows(folder: Path, work: Work, schema: pa.Schema) -> tuple[pa.Table, np.ndarray]:
    """The lap's rows in the parent's types, and their splits."""
    with raw.opened(folder / "rows"):
        loaded = dataset.load_rows(folder / "rows")
        of_rows = np.load(folder / "splits.npy").astype(np.int8)
    table = clean.strip(loaded.with_format("arrow")[:], work.recipe.data.missing)
    asked = wanted.by_task(work.task, work.recipe)
    for name in set(schema.names) - {*asked.columns, assemble.ID, *table.column_names}:
        table = table.append_column(name, pa.nulls(table.num_rows, schema.field(name).type))  # no input: nobody sent it
    raw.require(schema.names, table.column_names, str(folder))
    if len(of_rows) != table.num_rows or not np.isin(of_rows, (TRAIN, HELD)).all():
        raise DataError(
            f"{folder}: splits.npy does not fit {table.num_rows} rows: {TRAIN} (train) or {HELD} (held) for each row "
            "was expected. Collect the lap again.",
            where=str(folder),
        )
    table = clean.to_kinds(table, asked.kinds, asked.targets, str(folder), survey.day_first(work.recipe)).table
    arrays = {name: _cast(table.column(name), schema.field(name), str(folder)) for name in schema.names}
    return pa.table(arrays), of_rows


def _cast(column: pa.ChunkedArray, field: pa.Field, where: str) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{where}: column {field.name} holds {column.type}, and the rows it should join {field.type}. "
            "Correct the feedback.",
            where=f"{where}, {field.name}",
            expected=str(field.type),
            got=str(column.type),
        ) from error


def _judged_apart(
    old_keys: np.ndarray, old_splits: np.ndarray, new_keys: np.ndarray, new_splits: np.ndarray
) -> np.ndarray:
    """bool (N,): which new rows stay."""
    learns = new_splits == TRAIN
    judged = np.isin(new_keys, old_keys[old_splits != TRAIN])
    learnt = np.isin(new_keys, old_keys[old_splits == TRAIN])
    held = ~learns & ~learnt
    return np.asarray(held | (learns & ~judged & ~np.isin(new_keys, new_keys[held])))
