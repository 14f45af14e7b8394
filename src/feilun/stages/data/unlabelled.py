"""Rows without labels: read and cleaned as the training rows were, none of them one that is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from feilun.core.recipe import Recipe
from feilun.parts import dataset
from feilun.stages.data.cells import clean
from feilun.stages.data.lap import keys_of
from feilun.stages.data.looking import survey
from feilun.stages.data.reading import picture_files, raw, sources


def of(recipe: Recipe, source: str) -> Recipe:
    """The recipe that reads this source alone."""
    data = {**recipe.data.model_dump(mode="json"), "source": source, "test": None, "validation": None, "limit": None}
    return recipe.but(data=data)


def read(recipe: Recipe, base: Path, source: str, folder: Path) -> tuple[Mapping[str, Sequence[Any]], int]:
    """({input column: values}, rows left out): without those that equal rows of the data stage that are judged.

    With data.near also without those that are near to such a row. folder: of the data stage.
    Raises DataError for rows without the columns of the inputs.
    """
    whole = survey.prepared(recipe, sources.read(of(recipe, source), base))
    names = list(recipe.inputs)
    raw.require(names, whole.table.column_names, whole.name)
    kinds = {name: column.kind for name, column in recipe.inputs.items()}
    pictures = [name for name, kind in kinds.items() if kind == "image"]
    place = getattr(whole, "folder", None) or Path(whole.name).parent
    loaded = picture_files.load(whole.table.select(names), pictures, [place, base])
    table = clean.to_kinds(loaded, kinds, (), whole.name, survey.day_first(recipe), whole.files).table
    there = dataset.Table.open(folder)
    judged = there.rows.with_format("arrow")[:].select(names).filter(pa.array(np.asarray(there.splits) > 0))
    keys = keys_of(judged, table, names, kinds, look=recipe.data.near != "ignore")
    stays = ~np.isin(keys[judged.num_rows :], keys[: judged.num_rows])
    table = table.filter(pa.array(stays))
    return {name: table.column(name).to_pylist() for name in names}, int((~stays).sum())
