"""MiniLM from a bundle of ours: {folder, texts, out, variant, threads} -> {seconds}, and the vectors in `out`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from feilun.parts.bundle import loading

WARM = 64  # texts read before the clock starts


def main(told: dict[str, str]) -> None:
    """From rows of text to lists of numbers, as `feilun predict` and the server give them."""
    texts = json.loads(Path(told["texts"]).read_text(encoding="utf-8"))
    bundle = loading.load(Path(told["folder"]), told["variant"], threads=int(told["threads"]))
    rows = [{"text": text} for text in texts]
    bundle.predict(rows[:WARM], embedding=True, top_k=0)
    started = time.perf_counter()
    answers = bundle.predict(rows, embedding=True, top_k=0)
    seconds = time.perf_counter() - started
    np.save(told["out"], np.array([said["embedding"] for said in answers], np.float32))
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
