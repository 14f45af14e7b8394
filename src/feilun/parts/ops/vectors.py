"""Vectors of padded texts by an encoder: few tokens at a time, those of like length together."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from feilun.parts.ops.ragged import Ragged, collate, together

TOKENS = 512  # read at a time: what fits into a core's cache. benchmarks/embedding.py: 10,000 take twice as long
AT_ONCE = 4096  # texts that are padded together


class Encoder(Protocol):
    """A runner whose graph `main` gives `embedding`, float32 (B, width), of `text` (B, T) and `text_length` (B,)."""

    def __call__(self, graph: str, /, *wanted: str, **arrays: np.ndarray) -> dict[str, np.ndarray]: ...


def of_texts(run: Encoder, tokens: Ragged) -> np.ndarray:
    """float32 (N, width) of encoded texts."""
    order = np.argsort(np.diff(tokens.offsets), kind="stable")
    parts = []
    for start in range(0, len(order), AT_ONCE):
        padded = collate({"text": tokens.take(order[start : start + AT_ONCE])})
        parts.append(of_padded(run, padded["text"], padded["text_length"]))
    return np.concatenate(parts)[np.argsort(order)] if parts else np.zeros((0, 1), np.float32)


def of_padded(run: Encoder, text: np.ndarray, length: np.ndarray) -> np.ndarray:
    """float32 (B, width): as many at a time as their tokens allow, padded no more than needed."""
    parts = [
        run("main", text=text[part, : max(1, int(length[part].max()))], text_length=length[part])["embedding"]
        for part in together(length, TOKENS)
    ]
    return np.concatenate(parts)
