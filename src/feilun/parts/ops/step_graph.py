"""Arrays of a graph that goes on writing: what each layer remembers goes in by itself, as it lies in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from feilun.parts.ops.continuing import Sizes, Step

Run = Callable[..., Mapping[str, np.ndarray]]  # a core.protocols.Runner


def step(run: Run) -> Step:
    """Of the graph `step`. A cache that lies in one piece is not copied; room that is not used yet costs little."""

    def read(
        *, tokens: np.ndarray, length: np.ndarray, past: np.ndarray, cache: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        untold = np.zeros((len(tokens), 0), np.int64)
        given = {"tokens": tokens, "length": length, "past": past, "targets": untold}
        made = run("step", "logits", "fresh", **given, **held(cache))
        return made["logits"], made["fresh"]

    return read


def held(cache: Any) -> dict[str, Any]:
    """Inputs of the graph: the parts of a cache (layers, 2, B, groups, P, head), an array or a tensor, by name."""
    names = ("keys", "values")
    return {f"{what}_{layer}": part for layer, one in enumerate(cache) for what, part in zip(names, one, strict=True)}


def nats(run: Run, texts: Sequence[np.ndarray], sizes: Sizes) -> list[np.ndarray]:
    """How unlikely each token of each text is behind those before it: float32 (tokens - 1,)."""
    tokens, length = _padded(texts)
    cache = np.zeros((sizes.layers, 2, len(texts), sizes.groups, 0, sizes.head), np.float32)
    given = {"tokens": tokens, "length": length, "past": np.zeros_like(length), "targets": tokens[:, 1:]}
    return _cut(run("step", "nats", **given, **held(cache))["nats"], length)


def nats_before(run: Run, texts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The same of the graph `reference`: what it was before training."""
    tokens, length = _padded(texts)
    return _cut(run("reference", "nats", tokens=tokens, targets=tokens[:, 1:])["nats"], length)


def _padded(texts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(tokens (N, T), how many are there (N,)), int64."""
    length = np.array([len(one) for one in texts], np.int64)
    tokens = np.zeros((len(texts), int(length.max())), np.int64)
    for place, one in enumerate(texts):
        tokens[place, : len(one)] = one
    return tokens, length


def _cut(found: np.ndarray, length: np.ndarray) -> list[np.ndarray]:
    return [own[: count - 1] for own, count in zip(found, length.tolist(), strict=True)]
