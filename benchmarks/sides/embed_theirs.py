"""MiniLM by sentence-transformers on PyTorch: {folder, texts, out, threads} -> {seconds}, the vectors in `out`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

WARM = 64  # texts read before the clock starts


def main(told: dict[str, str]) -> None:
    """As its first page says: encode, with its own batches of 32, sorted by length by itself."""
    torch.set_num_threads(int(told["threads"]))
    texts = json.loads(Path(told["texts"]).read_text(encoding="utf-8"))
    model = SentenceTransformer(told["folder"], device="cpu")
    model.encode(texts[:WARM], normalize_embeddings=True)
    started = time.perf_counter()
    vectors = model.encode(texts, normalize_embeddings=True)
    seconds = time.perf_counter() - started
    np.save(told["out"], vectors)
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
