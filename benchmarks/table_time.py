"""Claim: AUC 0.91 on adult_income at least five times sooner than Keras, Lightning and PyTorch with a DataLoader.

python benchmarks/table_time.py [--seeds 5]

Everybody trains dense layers of 64 and 32 on the same arrays: numbers standardised, categories as 0 and 1. Arrays are
in memory before the clock starts; how it runs and who stops it is said in benchmarks/sides/course.py, four looks an
epoch at 8,000 validation rows drawn from the training file. Peers do as their first pages say: Adam, rate 0.001, batch
32. Ours takes batch and number of steps from the number of rows, as `plan` says. Peers with our plan are reported too.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import race
import record
from race import Side

ROOT = Path(__file__).resolve().parent.parent
SCORE, VALIDATION, WIDTHS = 0.91, 8_000, [64, 32]
TARGET = "income"
PLAIN = {"epochs": 10, "batch": 32, "rate": 1e-3, "widths": WIDTHS}
TRAIN: dict[str, Any] = {"weight_decay": 0.0, "clip": None, "patience": None, "compile": "never"}
PEERS = {"by_keras": "Keras", "by_lightning": "Lightning", "by_loader": "PyTorch with DataLoader"}


def plan(rows: int) -> dict[str, Any]:
    """About fifty steps an epoch, in batches between 32 and 1,024 rows; two epochs, one cycle of the rate."""
    return {"epochs": 2, "batch": min(1024, max(32, rows // 50)), "rate": 1e-2, "cycle": True, "widths": WIDTHS}


def main(arguments: list[str]) -> int:
    """Print the table and write benchmarks/results/table_time.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        path, held = Path(place) / "adult.npz", rows()
        np.savez(path, **held)
        shared = {"data": str(path), "score": "auc", "check": 0.25, "targets": [SCORE]}
        found = race.run(sides(plan(len(held["train_y"]))), shared, given.seeds)
    what = f"adult_income, AUC {SCORE:g}: ours against"
    lines = [
        race.line(what, found, race.OURS, script, SCORE, most=1 / 5, words=name) for script, name in PEERS.items()
    ] + [
        race.line(what, found, race.OURS, f"{script}, ours", SCORE, most=None, words=f"{name} given our plan")
        for script, name in PEERS.items()
    ]
    race.show(lines)
    record.write("table_time", lines)
    return record.status(lines)


def sides(ours: dict[str, Any]) -> dict[str, Side]:
    """Ours, every peer as it comes and with our plan, and ours again."""
    own = Side(script="by_fit", options={**ours, "model": {"name": "mlp", "width": WIDTHS}, "train": TRAIN})
    plain = {script: Side(script=script, options=PLAIN) for script in PEERS}
    same = {f"{script}, ours": Side(script=script, options=ours) for script in PEERS}
    return {race.OURS: own, **plain, **same, race.AGAIN: own}


def rows() -> dict[str, np.ndarray]:
    """float32 (N, columns) and labels 0 or 1; means, deviations and categories are those of the training rows."""
    folder = (ROOT / os.environ.get("FEILUN_DATA", "../shared/data")).resolve() / "adult_income"

    def read(name: str) -> dict[str, np.ndarray]:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            names, *lines = csv.reader(file)
        return dict(zip(names, np.array(lines).T, strict=True))

    given, test = read("train.csv"), read("test.csv")
    order = np.random.default_rng(0).permutation(len(given[TARGET]))
    parts = {"validation": order[:VALIDATION], "train": order[VALIDATION:]}
    tables = {part: {name: values[some] for name, values in given.items()} for part, some in parts.items()}
    tables["test"] = test
    found = {f"{part}_x": _encoded(table, tables["train"]) for part, table in tables.items()}
    return found | {f"{part}_y": (table[TARGET] == ">50K").astype(np.int64) for part, table in tables.items()}


def _encoded(table: dict[str, np.ndarray], train: dict[str, np.ndarray]) -> np.ndarray:
    columns = []
    for name, values in table.items():
        if name == TARGET:
            continue
        seen = train[name]
        try:
            numbers, known = values.astype(np.float64), seen.astype(np.float64)
            columns.append(((numbers - known.mean()) / known.std())[:, None])
        except ValueError:
            columns.append(values[:, None] == np.unique(seen)[None])
    return np.concatenate(columns, 1).astype(np.float32)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
