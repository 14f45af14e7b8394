"""Claim: a bundle writes 1.5 times as many tokens a second as `transformers.generate` for one, 3 times for eight.

python benchmarks/generation.py [--runs 5]

The same weights in both, see writer.py, greedy, two threads, 128 new tokens behind prompts of held-out text: one of 64
tokens, and eight of 16 to 128 that come together. Ours is `bundle.predict`, from text to text, fp32; the peer gets and
gives token numbers, eight as a padded batch over its cache. Each run is a process of its own and counts its quickest
round of three; what both wrote is compared text by text. small is claimed; base, whose weights take longer to come from
memory than all else takes, is reported.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import peers
import record
import writer
from feilun.parts.bundle import loading

SIDES = Path(__file__).resolve().parent / "sides"
NEW, ROUNDS = 128, 3
STREAMS = {1: (64,), 8: (16, 32, 40, 48, 64, 80, 96, 128)}  # tokens of the prompts
LEAST = {1: 1.5, 8: 3.0}
SIZES = {"small": "6 layers of 256", "base": "12 layers of 768"}


def given(bundle: Any, streams: int) -> dict[str, Any]:
    """Prompts as texts and as the token numbers that these are read as, and what the peer's network needs to know."""
    text, pages = bundle.features["text"], writer.pages(held_out=True)
    texts = []
    for page, count in zip(pages, STREAMS[streams], strict=False):
        [numbers] = text.numbers([page])
        texts.append(text.decode(numbers[: count - 1]))  # a mark stands before
    encoded = text.encode({"text": texts})
    return {"texts": texts, "prompts": [encoded[row].tolist() for row in range(len(texts))]}


def shape(bundle: Any) -> dict[str, Any]:
    """Of the network, for the peer."""
    from feilun.parts.features import dialogue
    from feilun.parts.models import decoder

    text, options = bundle.features["text"], decoder.MODEL(**bundle.recipe.model.options)
    sizes, layers = decoder.sizes_of(options)
    named = {name: getattr(sizes, name) for name in ("width", "inner", "heads", "groups")}
    symbols = -(-text.vocabulary_size // 64) * 64
    return {**named, "layers": layers, "symbols": symbols, "context": text.context, "end": dialogue.END}


def ours(folder: Path, variant: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """One run of the bundle."""
    line = json.dumps({"bundle": str(folder), "variant": variant, "texts": told["texts"], "new": NEW, "rounds": ROUNDS})
    found: dict[str, Any] = peers.run(SIDES / "by_writer.py", line, interpreter=Path(sys.executable))
    return found


def rate(done: Mapping[str, Any]) -> float:
    """Tokens a second of the quickest round."""
    return float(done["tokens"] / min(done["seconds"]))


def measured(size: str, streams: int, runs: int) -> dict[str, Any]:
    """A line of the table."""
    folder = writer.bundle(size)
    bundle = loading.load(folder)
    told = given(bundle, streams)
    asked = {**shape(bundle), "prompts": told["prompts"], "weights": str(folder / "weights.safetensors")}
    peer_line = json.dumps({**asked, "new": NEW, "rounds": ROUNDS})
    found: dict[str, list[float]] = {"ours": [], "peer": [], "again": []}
    same = 0.0
    for run in range(runs):
        for side in list(found) if run % 2 == 0 else reversed(list(found)):
            done = peers.run(SIDES / "by_generate.py", peer_line) if side == "peer" else ours(folder, "fp32", told)
            found[side].append(rate(done))
            if side == "peer":
                written = [bundle.features["text"].decode(one) for one in done["written"]]  # type: ignore[attr-defined]
            else:
                texts = done["texts"]
        same = sum(a == b for a, b in zip(texts, written, strict=True)) / len(texts)
    claimed = size == "small"
    made = record.claimed(
        f"tokens written a second, {streams} {'stream' if streams == 1 else 'streams'}, decoder {size} ({SIZES[size]}, "
        f"8,000 tokens), fp32, prompts of {min(STREAMS[streams])} to {max(STREAMS[streams])}, {NEW} new: a bundle "
        "against transformers.generate",
        found,
        ("ours", "peer"),
        unit="tokens/s",
        target=f"ratio >= {LEAST[streams]:g}",
        same_texts=same,
        peers=peers.versions(),
    )
    if not claimed:
        return {**made, "target": "reported", "met": None}
    return {**made, "met": made["met"] and same == 1 and runs >= 5}


def shown(one: dict[str, Any]) -> str:
    """A line of the result, for people."""
    figures = f"{one['ours']} {one['peer']} x{one['ratio_median']}, null {one['null_ratio']}, met {one['met']}"
    return f"{one['claim']}\n  {figures}"


def main(arguments: list[str]) -> int:
    """Print the table and write benchmarks/results/generation.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    told = parser.parse_args(arguments)
    lines = []
    for size, streams in itertools.product(told.sizes, STREAMS):
        lines.append(measured(size, streams, told.runs))
        print(f"{shown(lines[-1])}, the same texts {lines[-1]['same_texts']:.0%}", flush=True)
        record.write("generation", lines, keep=True)
    return record.status(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
