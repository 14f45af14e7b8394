"""Training texts of which only the beginning is read: how many, and how long the longest is. Never silently."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from feilun.parts import dataset
from feilun.parts.features.dialogue import asked_least
from feilun.stages.data import disk
from feilun.stages.data.cleaning import Line, line

SEEN = 2_000  # training rows looked at before a run
PARTS = ("text", "answer", "rejected")  # features of a text that is written on
LOOKED_AT = 500  # texts as long as may be, of which it is counted how many were longer


def find(table: dataset.Table) -> list[Line]:
    """A line for each text feature that cuts training rows, and for dialogues and pairs that do not fit the context."""
    cut = [made for feature in table.features.values() if feature.kind == "text" for made in _of(table, feature)]
    return [*cut, *_dialogues(table)]


def foreseen(rows: pa.Table, of_rows: np.ndarray, features: Mapping[str, Any]) -> list[Line]:
    """The same before anything is encoded, counted on at most SEEN training rows.

    of_rows: int8 (N,), places in dataset.SPLITS.  features: unfitted.
    """
    read = {name: feature for name, feature in features.items() if feature.kind in ("text", "dialogue")}
    train = np.flatnonzero(of_rows == dataset.SPLITS.index("train"))
    some = train[np.linspace(0, len(train) - 1, min(len(train), SEEN)).astype(np.int64)]
    if not read or not len(some):
        return []
    with tempfile.TemporaryDirectory() as folder:
        zeros = np.zeros(len(some), np.int8)
        taken = disk.to_dataset(rows.take(pa.array(some)))
        dataset.write(Path(folder), taken, zeros, zeros.astype(np.int16), read, [])
        found = find(dataset.Table.open(Path(folder)))
    return [{**one, "rows": round(one["rows"] * len(train) / len(some))} for one in found]


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


def _dialogues(table: dataset.Table) -> list[Line]:
    """Of preferences: question and answer are one window, of which the question loses its beginning first. Dialogues,
    and questions with their answers, are several windows; plain texts have no beginning that the rest hangs on."""
    asked: Any = table.features.get("text")
    if asked is None or asked.kind != "dialogue" or asked.role == "text":
        return []
    train = table.index("train")
    counts = {name: np.diff(array.offsets)[train] for name, array in table.arrays.items() if name in PARTS}
    question, answers = counts["text"], [counts[name] for name in PARTS[1:] if name in counts]
    answer = np.max(answers or [0 * train], axis=0)
    too_long = question + answer > asked.context + 1
    kept = np.maximum(asked.context + 1 - answer, asked_least(asked.context))  # of a pair's question
    cuts = {"long dialogues": (too_long, "later parts do not see the beginning")}
    if "rejected" in counts:
        cuts = {
            "cut pairs": (question > kept, "the question loses its beginning"),
            "cut answers": (np.minimum(question, kept) + answer > asked.context + 1, "the answer loses its end"),
        }
    share = f"{too_long.mean():.1%}".replace("%", " %")
    longest, column = int((question + answer).max()), asked.columns[0]
    why = f"{share} of the training {'pairs' if 'rejected' in counts else 'dialogues'} have more than "
    why += f"{asked.context} tokens, up to {longest:,}"
    key = f"inputs.{column}.context: {longest}"
    return [
        line(what, int(rows.sum()), done, why, column=column, key=key)
        for what, (rows, done) in cuts.items()
        if rows.any()
    ]


def said(lines: list[Line]) -> list[str]:
    """The same for the terminal."""
    return [f"{one['column']}: {one['why']}; {one['done']}. Change it with {one['key']}." for one in lines]


def _key(table: dataset.Table, column: str, lengths: np.ndarray) -> str:
    target = table.features.get("target")
    place = "target" if target is not None and column in target.columns else f"inputs.{column}"
    return f"{place}.max_length: {int(lengths.max())}"
