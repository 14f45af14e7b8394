"""Claim: a decoder trains at the speed of a hand-written loop, and at 1.5 times that of Hugging Face's Trainer.

python benchmarks/decoder_training.py [--runs 5] [--steps 24] [--of windows|answers]

Tokens a second of a decoder of 6 layers of 256 with 8,000 symbols (7 million numbers), batches of 8 texts, two
threads, each run a process of its own; see sides/training_decoder.py for what the sides share. windows: each text is
257 tokens of tinyshakespeare, in pieces of bytes; nothing is padded. answers: instructions and answers of the English
alpaca_3k, of 4 to 257 tokens, where we read short texts behind each other in one row, and others pad them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import peers
import record
import writer
from feilun.core import discover

SIDE = Path(__file__).resolve().parent / "sides" / "training_decoder.py"
CONTEXT, SYMBOLS, BATCH = 256, 8000, 8
LOOP, TRAINER = "a hand-written loop", "Hugging Face Trainer"
CLAIMS = {  # peers, by the words for them and the least ratio; 0 claims nothing
    "windows": {"loop": (LOOP, 1.0), "trainer": (TRAINER, 1.5)},
    "answers": {"loop": (LOOP, 1.0), "trainer": (TRAINER, 1.5), "sorted": (f"{TRAINER} with group_by_length", 0.0)},
}
WORDS = {"windows": "8 x 256 tokens", "answers": "8 of alpaca's answers"}


def windows(count: int) -> list[np.ndarray]:
    """Random windows of the training part."""
    rows = {"text": writer.pages(held_out=False)}
    text = np.asarray(_feature("text").fit(rows).encode(rows).values)
    starts = np.random.default_rng(0).integers(0, len(text) - CONTEXT - 1, count)
    return list(text[starts[:, None] + np.arange(CONTEXT + 1)])


def answers(count: int) -> list[np.ndarray]:
    """Random instructions with their answers, at most as long as a window."""
    path = writer.ROOT / os.environ.get("FEILUN_DATA", "../shared/data") / "alpaca_3k" / "en.jsonl"
    told = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = {"text": ["\n".join(one[name] for name in ("instruction", "input", "output")) for one in told]}
    texts = _feature("text").fit(rows).encode(rows)
    chosen = np.random.default_rng(0).permutation(len(rows["text"]))[:count]
    return [np.asarray(texts[row])[: CONTEXT + 1] for row in chosen]


def measured(kind: str, texts: Iterable[np.ndarray], runs: int) -> list[dict[str, object]]:
    """The lines of one kind of texts."""
    named = CLAIMS[kind]
    found: dict[str, list[float]] = {side: [] for side in ("ours", *named, "again")}
    with tempfile.TemporaryDirectory() as folder:
        path, some = Path(folder) / "texts.npz", list(texts)
        np.savez(path, values=np.concatenate(some).astype(np.int32), lengths=[len(one) for one in some])
        shared = {"context": CONTEXT, "batch": BATCH, "symbols": SYMBOLS, "texts": str(path)}
        for run in range(runs):
            for side in list(found) if run % 2 == 0 else reversed(list(found)):
                told = json.dumps({**shared, "side": side if side in named else "fit"})
                own = None if side in ("trainer", "sorted") else Path(sys.executable)
                found[side].append(peers.run(SIDE, told, interpreter=own)["rate"])
                print(f"{kind} run {run} {side}: {found[side][-1]:.0f} tokens/s", file=sys.stderr, flush=True)
    return [_claimed(kind, found, peer, runs) for peer in named]


def _claimed(kind: str, found: dict[str, list[float]], peer: str, runs: int) -> dict[str, object]:
    words, least = CLAIMS[kind][peer]
    claim = f"training a decoder (6 layers of 256, 8,000 symbols, batches of {WORDS[kind]}): `fit` against {words}"
    about = {"peers": peers.versions() if peer in ("trainer", "sorted") else {}}
    made = record.claimed(claim, found, ("ours", peer), unit="tokens/s", target=f"ratio >= {least:g}", **about)
    print(f"{claim}\n  {made['ours']} {made['peer']} x{made['ratio_median']}, null {made['null_ratio']}")
    return {**made, "met": made["met"] and runs >= 5} if least else {**made, "target": "reported", "met": None}


def _feature(column: str) -> Any:
    return discover.feature("dialogue", columns=(column,), role="text", vocabulary=SYMBOLS)


def main(arguments: list[str]) -> int:
    """Print the table and write benchmarks/results/decoder_training.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--of", choices=list(CLAIMS), help="only these texts; what was measured of others stays")
    told = parser.parse_args(arguments)
    made = {"windows": windows, "answers": answers}
    chosen = [told.of] if told.of else list(CLAIMS)
    lines = [line for kind in chosen for line in measured(kind, made[kind](BATCH * told.steps), told.runs)]
    record.write("decoder_training", lines, keep=told.of is not None)
    return record.status(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
