"""Claim: MiniLM embeds at least 1.5 times as many sentences a second from our bundle as with sentence-transformers.

python benchmarks/embedding.py [--runs 5] [--texts 1000]        FEILUN_MODELS names the folder with minilm/

Both read the descriptions of ag_news_7k's test rows with the same weights on two threads, from text to vectors of
length 1, each run in a process of its own, the order turned round from run to run. Theirs is `encode` of
sentence-transformers on PyTorch as its first page has it, which sorts by length and takes 32 texts at a time; ours is
`predict` of a bundle (ONNX), as the server calls it: sorted by length, 512 tokens at a time, since the activations of
more do not fit into a core's cache. Vectors must be equal to 1e-4. Ours again is the null control; int8 is reported.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import peers
import record
from feilun import lifecycle
from feilun.core.recipe import Recipe

ROOT = Path(__file__).resolve().parent.parent
SIDES = ROOT / "benchmarks" / "sides"
SAME, LEAST = 1e-4, 1.5
OURS, AGAIN, SMALL, PEER = "ours", "again", "int8", "peer"


def main(arguments: list[str]) -> int:
    """Print the table and write benchmarks/results/embedding.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--texts", type=int, default=1000)
    given = parser.parse_args(arguments)
    data = (ROOT / os.environ.get("FEILUN_DATA", "../shared/data")).resolve() / "ag_news_7k"
    weights = (ROOT / os.environ.get("FEILUN_MODELS", "../shared/models")).resolve() / "minilm"
    with (data / "test.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["description"] for row in csv.DictReader(file)][: given.texts]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        shared = {"texts": str(folder / "texts.json"), "threads": peers.THREADS}
        told = {PEER: {**shared, "folder": str(weights)}}
        bundle = str(packed(weights, data, folder))
        told |= {
            name: {**shared, "folder": bundle, "variant": variant}
            for name, variant in {OURS: "fp32", AGAIN: "fp32", SMALL: "int8"}.items()
        }
        found: dict[str, list[float]] = {name: [] for name in told}
        gap = 0.0
        for run in range(given.runs):
            for name in list(told) if run % 2 == 0 else reversed(list(told)):
                found[name].append(len(texts) / once(name, told[name], folder))
            ours, theirs = (np.load(folder / f"{name}.npy") for name in (OURS, PEER))
            gap = max(gap, float(np.abs(ours - theirs).max()))
            print(
                {name: round(rates[-1]) for name, rates in found.items()}, f"largest difference {gap:.1e}", flush=True
            )
    lines = lines_of(found, gap)
    record.write("embedding", lines)
    for line in lines:
        print(f"{line['claim']}: {line['ratio_median']} ({line['target']}), null {line['null_ratio']}")
    return record.status(lines)


def packed(weights: Path, data: Path, folder: Path) -> Path:
    """A bundle of `matching` with the weights as they are; a few training rows fill its index."""
    recipe = {
        "name": "minilm",
        "task": "matching",
        "data": {"source": str(folder / "few.csv")},
        "inputs": {"text": {"kind": "text"}},
        "target": "label",
        "model": {"weights": str(weights)},
        "train": {"epochs": 0},
        "evaluate": {"bootstrap": 100},
    }
    with (data / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = [[row["label"], row["description"]] for row in csv.DictReader(file)][:200]
    with (folder / "few.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["label", "text"], *rows])
    run = lifecycle.run_recipe(Recipe.model_validate(recipe), home=folder / "home", base=folder)
    return run.stages["deployment"] / "bundle"


def once(name: str, told: dict[str, str], folder: Path) -> float:
    """Seconds of one side."""
    script, own = ("embed_theirs", None) if name == PEER else ("embed_ours", Path(sys.executable))
    asked = json.dumps({**told, "out": str(folder / f"{name}.npy")})
    return float(peers.run(SIDES / f"{script}.py", asked, interpreter=own)["seconds"])


def lines_of(found: dict[str, list[float]], gap: float) -> list[dict[str, Any]]:
    """The claim, met only where the vectors are the same too; and int8 beside it."""
    theirs = {"peers": {"sentence-transformers": peers.versions().get("sentence-transformers", "")}}
    unit, target = "sentences a second", f"ratio >= {LEAST}"
    claim = record.claimed(
        "embedding: MiniLM from the bundle against sentence-transformers",
        found,
        (OURS, PEER),
        unit=unit,
        target=target,
        **theirs,
    )
    claim |= {"met": claim["met"] and gap <= SAME, "largest_difference": float(f"{gap:.2g}")}
    small = record.claimed("embedding: MiniLM as int8", found, (SMALL, PEER), unit=unit, target="reported", **theirs)
    return [claim, small]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
