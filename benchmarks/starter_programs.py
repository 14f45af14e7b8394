"""The usual first programs: lines, seconds and score of the plain PyTorch program and of the recipe that does the same.

python benchmarks/starter_programs.py [NAME...]     all of them where none is named; --runs N alternates N times
python benchmarks/starter_programs.py --data        only writes the sequences that the LSTM learns from

The seconds are those of the whole program, from start to score. The recipe's hold more: two baselines, intervals, an
ONNX graph and its int8 variant, a checked bundle and a report. Nothing is claimed of the ratio; it is reported.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import record

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SEQUENCES = ROOT / "recipes" / "starter-lstm" / "sequences.npz"
ROWS, STEPS, WAVES = 2000, 100, 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """One of the first programs: its plain file, its recipe's folder, and what is scored."""

    title: str
    plain: str
    recipe: str
    score: str


PROGRAMS = (
    Program(title="MNIST, convolutional network", plain="mnist", recipe="starter-mnist", score="accuracy"),
    Program(title="cats and dogs, six transforms", plain="cats_dogs", recipe="starter-cats-dogs", score="accuracy"),
    Program(
        title="28 x 28, two convolutions",
        plain="two_convolutions",
        recipe="starter-two-convolutions",
        score="accuracy",
    ),
    Program(title="two-layer LSTM, 100 steps of 10", plain="lstm", recipe="starter-lstm", score="r2"),
    Program(title="CSV, dense 64-32-1", plain="dense", recipe="starter-dense", score="rmse"),
)


def main(arguments: list[str]) -> int:
    """Print the table and write benchmarks/results/starter_programs.json; programs not named keep what they had."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(one.plain for one in PROGRAMS)}")
    parser.add_argument("--runs", type=int, default=1, help="alternating runs of each")
    parser.add_argument("--data", action="store_true", help="only write the LSTM's sequences")
    given = parser.parse_args(arguments)
    unknown = set(given.names) - {one.plain for one in PROGRAMS}
    if unknown:
        print(f"No program called {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 2
    write_sequences(SEQUENCES)
    if given.data:
        return 0
    print(f"{'program':34} {'lines':>12} {'seconds':>15} {'score':>26}   (plain, recipe)")
    rows = []
    for one in PROGRAMS:
        if not given.names or one.plain in given.names:
            rows.append(measure(one, given.runs))
            print(told(rows[-1]))
    record.write("starter_programs", rows, keep=True)
    return 0


def measure(one: Program, runs: int) -> dict[str, Any]:
    """One line of the table: medians of alternating runs, a seed of its own for each."""
    plain, recipe = HERE / "plain" / f"{one.plain}.py", ROOT / "recipes" / one.recipe / "recipe.yaml"
    theirs, ours = [], []
    for seed in range(runs):
        theirs.append(run_plain(plain, seed))
        ours.append(run_recipe(recipe, one.score, seed))
    ratios = [mine[0] / peer[0] for mine, peer in zip(ours, theirs, strict=True)]
    return {
        "claim": f"first program, {one.title}: the recipe's whole life cycle beside the plain program's training",
        "ours": round(statistics.median(seconds for seconds, _ in ours), 1),
        "peer": round(statistics.median(seconds for seconds, _ in theirs), 1),
        "unit": "s from start to score, less is better",
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "null_ratio": None,
        "runs": runs,
        "target": "reported",
        "met": None,
        "versions": {library: version(library) for library in ("torch", "numpy")},
        "program": one.plain,
        "title": one.title,
        "lines": {"plain": lines(plain), "recipe": lines(recipe)},
        "score": one.score,
        "scores": {
            "plain": statistics.median(score for _, score in theirs),
            "recipe": statistics.median(score for _, score in ours),
        },
    }


def told(row: dict[str, Any]) -> str:
    """The row as a line of the table."""
    scores = f"{row['score']} {row['scores']['plain']:.4g} {row['scores']['recipe']:.4g}"
    lines = f"{row['lines']['plain']:6} {row['lines']['recipe']:5}"
    return f"{row['title']:34} {lines} {row['peer']:7.0f} {row['ours']:7.0f} {scores:>26}"


def run_plain(path: Path, seed: int) -> tuple[float, float]:
    """(seconds, score): the last number that the program prints."""
    start = f"import torch, runpy, sys; torch.manual_seed({seed}); runpy.run_path({str(path)!r}, run_name='__main__')"
    started = time.monotonic()
    said = subprocess.run([sys.executable, "-c", start], env=_environment(), capture_output=True, text=True, check=True)
    return time.monotonic() - started, float(said.stdout.split()[-1])


def run_recipe(path: Path, score: str, seed: int) -> tuple[float, float]:
    """(seconds, score) of `feilun run` in an empty home."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "feilun.cli.main", "run", str(path), "--set", f"seed={seed}", "--home", home]
        started = time.monotonic()
        subprocess.run([*command, "--quiet"], env=_environment(), capture_output=True, text=True, check=True)
        seconds = time.monotonic() - started
        [scores] = Path(home).glob("*/1/evaluation/scores.json")
        return seconds, float(json.loads(scores.read_text(encoding="utf-8"))["scores"][score]["value"])


def lines(path: Path) -> int:
    """Lines that say something: neither empty, nor a comment, nor the description at the top."""
    text = path.read_text(encoding="utf-8").splitlines()
    return sum(bool(line.strip()) and not line.lstrip().startswith(("#", '"""')) for line in text)


def write_sequences(path: Path) -> None:
    """Ten noisy waves over a hundred steps, each row with its own phases and heights; the answer is their next step.

    Periods are the waves' own, from 12 to 48 steps, so that the next step follows from those before.
    """
    if path.is_file():
        return
    draw = np.random.default_rng(0)
    periods = np.linspace(12, 48, WAVES)
    height, phase = draw.uniform(0.5, 1.5, (2, ROWS, 1, WAVES))
    steps = np.arange(STEPS + 1)[None, :, None]
    waves = height * np.sin(2 * np.pi * (steps / periods + phase))
    noisy = waves[:, :STEPS] + draw.normal(0, 0.3, (ROWS, STEPS, WAVES))
    answers = {f"y{place}": waves[:, STEPS, place].astype(np.float32) for place in range(WAVES)}
    np.savez_compressed(path, x=noisy.astype(np.float32), **answers)


def _environment() -> dict[str, str]:
    data = (ROOT / os.environ.get("FEILUN_DATA", "../shared/data")).resolve()
    return {**os.environ, "FEILUN_DATA": str(data), "STARTER_SEQUENCES": str(SEQUENCES)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
