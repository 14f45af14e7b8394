"""Training texts of which only the beginning is read: how many, and how long the longest is. Never silently."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from feilun.parts import dataset
from feilun.stages.data.cleaning import Line, line

LOOKED_AT = 500  # texts as long as may be, of which it is counted how many were longer


def find(table: dataset.Table) -> list[Line]:
    """A line for each text feature that cuts training rows, and for pairs of answers that do not fit the context."""
    cut = [made for feature in table.features.values() if feature.kind == "text" for made in _of(table, feature)]
    return [*cut, *_pairs(table)]


def _of(table: dataset.Table, feature: Any) -> list[Line]:
    if feature.tokens == "grams":
        return []
    column, train = feature.columns[0], table.index("train")
    array = next(table.arrays[name] for name, one in table.features.items() if one is feature)
    full = train[np.diff(array.offsets)[train] >= feature.max_length]
    some = full[:: max(1, math.ceil(len(full) / LOOKED_AT))]
    if not len(some):
        return []
    lengths = np.array(feature.lengths(table.take(some)))
    rows = round(len(full) * float((lengths > feature.max_length).mean()))
    if not rows:
        return []
    share = f"{rows / len(train):.1%}".replace("%", " %")
    why = f"{share} of the training texts have more than {feature.max_length} tokens, up to {lengths.max():,}"
    return [line("cut texts", rows, "the end is left out", why, column=column, key=_key(table, column, lengths))]


def _pairs(table: dataset.Table) -> list[Line]:
    """Of preferences: question and answer are one window, of which the question loses its beginning first."""
    asked: Any = table.features.get("text")
    if not {"answer", "rejected"} <= table.features.keys() or asked is None or asked.kind != "dialogue":
        return []
    train = table.index("train")
    counts = {name: np.diff(table.arrays[name].offsets)[train] for name in ("text", "answer", "rejected")}
    lengths = counts["text"] + np.maximum(counts["answer"], counts["rejected"])
    rows = int((lengths > asked.context + 1).sum())
    if not rows:
        return []
    share = f"{rows / len(train):.1%}".replace("%", " %")
    why = f"{share} of the training pairs have more than {asked.context} tokens, up to {lengths.max():,}"
    column = asked.columns[0]
    key = f"inputs.{column}.context: {int(lengths.max())}"
    return [line("cut pairs", rows, "the question loses its beginning", why, column=column, key=key)]


def said(lines: list[Line]) -> list[str]:
    """The same for the terminal."""
    return [f"{one['column']}: {one['why']}; {one['done']}. Change it with {one['key']}." for one in lines]


def _key(table: dataset.Table, column: str, lengths: np.ndarray) -> str:
    target = table.features.get("target")
    place = "target" if target is not None and column in target.columns else f"inputs.{column}"
    return f"{place}.max_length: {int(lengths.max())}"
