"""Claim: the data stage takes at most half the time of pandas + scikit-learn doing the same work.

python benchmarks/data_stage.py [--rows 1000000] [--runs 5]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

NUMBERS, CATEGORIES = 30, 15


def generate(rows: int, seed: int = 0) -> pa.Table:
    """Fifty columns: 30 numbers, half of them with gaps, 15 categories of 3 to 1,000 values, a customer, a city, a date, a key, a target."""
    draw = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = {"key": pa.array([f"K{number:09d}" for number in draw.permutation(rows)])}
    signal = np.zeros(rows)
    for place in range(NUMBERS):
        values = (
            draw.normal(size=rows)
            if place % 3 == 0
            else np.exp(draw.normal(size=rows))
            if place % 3 == 1
            else draw.integers(0, 500, rows).astype(float)
        )
        values = np.round(values, 4)
        signal += values * draw.normal() * 0.3 / values.std()
        gaps = draw.random(rows) < 0.05 if place % 2 else None
        columns[f"number_{place}"] = pa.array(values, mask=gaps)
    for place, size in enumerate(np.geomspace(3, 1000, CATEGORIES).astype(int)):
        words = pa.array([f"value {number}" for number in range(size)])
        codes = np.minimum(draw.geometric(min(0.5, 4 / size), rows) - 1, size - 1)
        columns[f"category_{place}"] = words.take(pa.array(codes))
        signal += draw.normal(size=size)[codes] * 0.3
    days = np.datetime64("2020-01-01") + draw.integers(0, 1500, rows)
    columns["day"] = pa.array(days).cast(pa.string())
    columns["since"] = pa.array(np.round(draw.random(rows) * 3000, 1))
    columns["flag"] = pa.array(draw.integers(0, 2, rows))
    columns["target"] = pc.if_else(pa.array(signal + draw.normal(size=rows) > 0), "yes", "no")
    return pa.table(columns)


if __name__ == "__main__":
    import sys

    table = generate(int(sys.argv[1]))
    folder = Path(sys.argv[2])
    folder.mkdir(exist_ok=True, parents=True)
    pa.csv.write_csv(table, folder / "table.csv")
    pa.parquet.write_table(table, folder / "table.parquet")
