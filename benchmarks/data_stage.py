"""Claim: the data stage takes at most half the time of pandas + scikit-learn for the same work, in at most 4 GB.

python benchmarks/data_stage.py [--rows 1000000] [--runs 5]

Both read a generated table of 50 columns, count missing and different values of every column, find equal rows, deal
rows so that equal ones land on one side, fit on the training rows, standardise numbers (with a 0/1 for gaps), number
categories and labels, and write rows and arrays to disk. Kinds and counts of different values come from 200,000 evenly
spaced rows on both sides. Ours also looks for leaks, outliers and misspelt categories; the peer does not.

Every run is a process of its own with two threads, after it has done the same on 2,000 rows, so that importing does
not count. They alternate; the null control is the peer against itself. Peak memory is that of the whole process;
cpu_s is the time of all threads together, which other work on the machine moves less than the time on the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

import record

NUMBERS, CATEGORIES = 31, 15
THREADS, MEMORY_MB, TARGET = 2, 4096, 0.5
DROPPED = ["key", "day"]
SEEN = 200_000
LEAST_RUNS = 5  # fewer prove nothing


def generate(rows: int, seed: int = 0) -> pa.Table:
    """31 numbers, half of them with gaps, 15 categories of 3 to 1,000 values, a date, a key, a flag and a target."""
    draw = np.random.default_rng(seed)
    columns: dict[str, Any] = {"key": pa.array([f"K{number:09d}" for number in draw.permutation(rows)])}
    signal = np.zeros(rows)
    for place in range(NUMBERS):
        shapes = (draw.normal(size=rows), np.exp(draw.normal(size=rows)), draw.integers(0, 500, rows).astype(float))
        values = np.round(shapes[place % 3], 4)
        signal += values * draw.normal() * 0.3 / values.std()
        columns[f"number_{place}"] = pa.array(values, mask=draw.random(rows) < 0.05 if place % 2 else None)
    for place, size in enumerate(np.geomspace(3, 1000, CATEGORIES).astype(int)):
        words = pa.array([f"value {number}" for number in range(size)])
        codes = np.minimum(draw.geometric(min(0.5, 4 / size), rows) - 1, size - 1)
        columns[f"category_{place}"] = words.take(pa.array(codes))
        signal += draw.normal(size=size)[codes] * 0.3
    columns["day"] = pa.array(np.datetime64("2020-01-01") + draw.integers(0, 1500, rows)).cast(pa.string())
    columns["flag"] = pa.array(draw.integers(0, 2, rows))
    columns["target"] = pc.if_else(pa.array(signal + draw.normal(size=rows) > 0), "yes", "no")
    return pa.table(columns)


def ours(source: Path, folder: Path) -> dict[str, int]:
    """The data stage as a run calls it."""
    from feilun import lifecycle
    from feilun.core import discover, progress, reading
    from feilun.core.work import Work

    kinds = {f"number_{place}": {"kind": "number", "transform": "standard"} for place in range(NUMBERS)}
    kinds |= {f"category_{place}": {"kind": "category"} for place in range(CATEGORIES)}
    values = {"data": {"source": str(source), "drop": DROPPED}, "inputs": {**kinds, "flag": {"kind": "category"}}}
    recipe = reading.make_recipe({**values, "task": "classification", "target": "target", "model": "mlp"})
    recipe = lifecycle.call("data", "resolve", recipe, base=source.parent)
    task = discover.task("classification")
    work = Work(recipe=recipe, task=task, folder=folder, before={}, say=progress.Quiet(), base=source.parent)
    made = lifecycle.call("data", "make", work)
    return {"rows": made.facts["rows"], "train": made.facts["splits"]["train"]}


def peer(source: Path, folder: Path) -> dict[str, int]:
    """What one would write with pandas and scikit-learn."""
    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import LabelEncoder, OrdinalEncoder, StandardScaler

    frame = pandas.read_csv(source) if source.suffix == ".csv" else pandas.read_parquet(source)
    looked = frame.iloc[:: max(1, len(frame) // SEEN)]
    profile = [
        {"column": name, "missing": int(frame[name].isna().sum()), "distinct": int(looked[name].nunique())}
        for name in frame.columns
    ]
    frame = frame.drop(columns=DROPPED).dropna(subset=["target"])
    inputs = frame.drop(columns="target")
    keys = pandas.util.hash_pandas_object(inputs, index=False).to_numpy()
    duplicates = len(keys) - len(np.unique(keys))
    share = (keys >> np.uint64(11)).astype(np.float64) * 2.0**-53
    splits = np.digitize(share, [0.6, 0.75, 0.85]).astype(np.int8)
    train = splits == 0
    numbers = [name for name in inputs if name.startswith("number")]
    categories = [name for name in inputs if not name.startswith("number")]
    filled = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    both = {"numbers": (filled, numbers), "categories": (ordinal, categories)}
    for name, (step, columns) in both.items():
        made = ColumnTransformer([(name, step, columns)]).fit(inputs[train]).transform(inputs)
        np.save(folder / f"{name}.npy", made.astype(np.float32 if name == "numbers" else np.int32))
    np.save(folder / "target.npy", LabelEncoder().fit_transform(frame["target"]))
    np.save(folder / "splits.npy", splits)
    frame.to_feather(folder / "rows.feather", compression="uncompressed")
    (folder / "profile.json").write_text(json.dumps({"columns": profile, "duplicates": duplicates}), encoding="utf-8")
    return {"rows": len(frame), "train": int(train.sum())}


def one(side: str, source: Path) -> dict[str, float]:
    """A run in this process: seconds and the most memory it held."""
    import resource

    call = {"ours": ours, "peer": peer}[side]
    with tempfile.TemporaryDirectory(dir=source.parent) as place:
        small = Path(place) / f"small{source.suffix}"
        shutil.copy(source.parent / "small" / source.name, small)
        for name in ("warm", "timed"):
            (Path(place) / name).mkdir()
        call(small, Path(place) / "warm")
        started, cpu = time.perf_counter(), time.process_time()
        found = call(source, Path(place) / "timed")
        took, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": took, "cpu_s": cpu_s, "peak_mb": peak, **found}


def elsewhere(side: str, source: Path) -> dict[str, float]:
    """The same in a process of its own, with two threads."""
    limits = {name: str(THREADS) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [sys.executable, __file__, "--side", side, "--source", str(source)]
    done = subprocess.run(command, env={**os.environ, **limits}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(source: Path, rows: int, runs: int) -> dict[str, Any]:
    """One line of the table."""
    found: dict[str, list[dict[str, float]]] = {"peer": [], "ours": [], "null": []}
    for run in range(runs):
        for name in ("peer", "ours", "null") if run % 2 else ("null", "ours", "peer"):
            found[name].append(elsewhere("ours" if name == "ours" else "peer", source))
        line = {name: round(each[-1]["seconds"], 2) for name, each in found.items()}
        print(f"{source.name} run {run + 1}: {line}", file=sys.stderr, flush=True)
    seconds = {name: [one["seconds"] for one in each] for name, each in found.items()}
    peer_s = [(a + b) / 2 for a, b in zip(seconds["peer"], seconds["null"], strict=True)]
    ratios = [a / b for a, b in zip(seconds["ours"], peer_s, strict=True)]
    peaks = {name: round(max(one["peak_mb"] for one in each)) for name, each in found.items()}
    ratio = statistics.median(ratios)
    return {
        "claim": f"data stage, {rows:,} rows x 50 columns of {source.suffix[1:]}: half the time, at most 4 GB",
        "ours": round(statistics.median(seconds["ours"]), 2),
        "peer": round(statistics.median(seconds["peer"] + seconds["null"]), 2),
        "unit": "s, less is better",
        "ratio_median": round(ratio, 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "null_ratio": round(statistics.median(a / b for a, b in zip(seconds["null"], seconds["peer"], strict=True)), 3),
        "runs": runs,
        "target": f"ratio <= {TARGET}, {MEMORY_MB} MB",
        "peak_mb": {"ours": peaks["ours"], "peer": peaks["peer"]},
        "cpu_s": {name: round(statistics.median(one["cpu_s"] for one in found[name]), 2) for name in ("ours", "peer")},
        "met": bool(ratio <= TARGET and peaks["ours"] <= MEMORY_MB) if runs >= LEAST_RUNS else None,  # else: reported
        "versions": {library: version(library) for library in ("pandas", "scikit-learn", "pyarrow", "numpy")},
    }


def main(arguments: list[str]) -> int:
    """Print the table and write its lines into benchmarks/results/data_stage.json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--formats", nargs="+", default=["csv", "parquet"], choices=["csv", "parquet"])
    parser.add_argument("--side", choices=["ours", "peer"], help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.side:
        print(json.dumps(one(given.side, given.source)))
        return 0
    with tempfile.TemporaryDirectory() as place:
        for folder, rows in ((Path(place) / "small", 2_000), (Path(place), given.rows)):
            folder.mkdir(exist_ok=True)
            table = generate(rows)
            pa.csv.write_csv(table, folder / "table.csv")
            pa.parquet.write_table(table, folder / "table.parquet")
            del table
        lines = [measure(Path(place) / f"table.{suffix}", given.rows, given.runs) for suffix in given.formats]
    print(f"{'claim':80} {'ours':>7} {'peer':>7} {'ratio':>6} {'null':>6} {'peak MB':>12} met")
    for line in lines:
        peak = "{ours} / {peer}".format(**line["peak_mb"])
        print(
            f"{line['claim']:80} {line['ours']:7} {line['peer']:7} {line['ratio_median']:6} {line['null_ratio']:6} "
            f"{peak:>12} {line['met']}"
        )
    record.write("data_stage", lines, keep=True)  # other sizes stay
    return record.status(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
