"""Claim: int8 writes 1.5 times as many tokens a second as fp32, its perplexity no more than 1 % higher.

python benchmarks/generation_int8.py [--runs 5]

Both variants of one bundle, see writer.py; prompts, lengths and runs as in generation.py. Perplexity is that of the
last tenth of tinyshakespeare, which was not learnt from, in both. Sizes are of the graphs on disk.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import generation
import record
import writer
from feilun.parts.bundle import loading

MOST = 1.01


def perplexity(folder: Path, variant: str) -> float:
    """A token of the held-out text."""
    said = loading.load(folder, variant, threads=2).judged([{"text": page} for page in writer.pages(held_out=True)])
    return math.exp(sum(one["nats"] for one in said) / sum(one["tokens"] for one in said))


def measured(size: str, streams: int, runs: int, worse: float) -> dict[str, Any]:
    """A line of the table."""
    folder = writer.bundle(size)
    told = generation.given(loading.load(folder), streams)
    found: dict[str, list[float]] = {"ours": [], "peer": [], "again": []}
    for run in range(runs):
        for side in list(found) if run % 2 == 0 else reversed(list(found)):
            done = generation.ours(folder, "fp32" if side == "peer" else "int8", told)
            found[side].append(generation.rate(done))
    claimed = size == "small"
    made = record.claimed(
        f"tokens written a second, {streams} {'stream' if streams == 1 else 'streams'}, decoder {size} "
        f"({generation.SIZES[size]}, 8,000 tokens), {generation.NEW} new: int8 against fp32"
        + (f", perplexity x {worse:.4f}" if claimed else ""),
        found,
        ("ours", "peer"),
        unit="tokens/s",
        target="ratio >= 1.5",
        perplexity_ratio=worse if claimed else None,
        bytes={kind: (folder / "graphs" / f"step{kind}.onnx").stat().st_size for kind in ("", ".int8")},
    )
    if not claimed:
        return {**made, "target": "reported", "met": None}
    return {**made, "met": made["met"] and worse <= MOST and runs >= 5}


def main(arguments: list[str]) -> int:
    """Print the table and write benchmarks/results/generation_int8.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sizes", nargs="*", default=list(generation.SIZES), choices=list(generation.SIZES))
    told = parser.parse_args(arguments)
    lines = []
    for size in told.sizes:
        worse = math.nan
        if size == "small":
            exact, near = (perplexity(writer.bundle(size), variant) for variant in ("fp32", "int8"))
            worse = near / exact
            print(f"perplexity {exact:.3f}, int8 {near:.3f}", flush=True)
        for streams in generation.STREAMS:
            lines.append(measured(size, streams, told.runs, worse))
            print(generation.shown(lines[-1]), flush=True)
            record.write("generation_int8", lines, keep=True)
    return record.status(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
