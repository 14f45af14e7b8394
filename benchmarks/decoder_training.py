"""Claim: a decoder trains at the speed of a hand-written loop, and at 1.5 times that of Hugging Face's Trainer.

python benchmarks/decoder_training.py [--runs 5] [--steps 24]

Tokens a second of a decoder of 6 layers of 256 with 8,000 symbols (7 million numbers), batches of 8 windows of 256
tokens, two threads, each run a process of its own; see sides/training_decoder.py for what the sides share. The tokens'
numbers are those of tinyshakespeare in pieces of bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

import peers
import record
import writer
from feilun.core import discover

SIDE = Path(__file__).resolve().parent / "sides" / "training_decoder.py"
SIZES = {"context": 256, "batch": 8, "symbols": 8000}
PEERS = {"loop": ("a hand-written loop", 1.0), "trainer": ("Hugging Face Trainer", 1.5)}


def text() -> np.ndarray:
    """Token numbers of the whole training part, one behind the other."""
    rows = {"text": writer.pages(held_out=False)}
    feature = discover.feature("dialogue", columns=("text",), role="text", vocabulary=SIZES["symbols"]).fit(rows)
    return np.asarray(feature.encode(rows).values)


def main(arguments: list[str]) -> int:
    """Print the table and write benchmarks/results/decoder_training.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=24)
    told = parser.parse_args(arguments)
    found: dict[str, list[float]] = {"ours": [], "loop": [], "trainer": [], "again": []}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "text.npy", text())
        shared = {**SIZES, "steps": told.steps, "text": str(Path(folder) / "text.npy")}
        for run in range(told.runs):
            for side in list(found) if run % 2 == 0 else reversed(list(found)):
                kind = side if side in PEERS else "fit"
                own = None if side == "trainer" else Path(sys.executable)
                done = peers.run(SIDE, json.dumps({**shared, "side": kind}), interpreter=own)
                found[side].append(done["rate"])
                print(f"run {run} {side}: {done['rate']:.0f} tokens/s", file=sys.stderr, flush=True)
    lines = []
    for peer, (words, least) in PEERS.items():
        claim = f"training a decoder (6 layers of 256, 8,000 symbols, batches of 8 x 256): `fit` against {words}"
        made = record.claimed(
            claim,
            found,
            ("ours", peer),
            unit="tokens/s",
            target=f"ratio >= {least:g}",
            peers=peers.versions() if peer == "trainer" else {},
        )
        lines.append({**made, "met": made["met"] and told.runs >= 5})
        print(f"{claim}\n  {made['ours']} {made['peer']} x{made['ratio_median']}, null {made['null_ratio']}")
    record.write("decoder_training", lines)
    return record.status(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
