"""Everything random as a pure function of (seed, step): an interrupted run repeats exactly what it would have drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

MASK = (1 << 64) - 1
GROUP = 32  # batches whose rows are parted by length: enough for little padding, few enough to stay mixed


class Buffer(NamedTuple):
    """How rows on disk are shuffled: blocks of neighbours in random order, dealt at random from a buffer of several."""

    block: int  # rows
    rows: int  # in a buffer; a multiple of the block


class Stream(IntEnum):
    """What is drawn. Different streams of one step are unrelated."""

    INITIALISATION = 1
    ORDER = 2
    NETWORK = 3  # dropout, and whatever else a network draws inside
    NOISE = 4
    AUGMENTATION = 5
    VALIDATION = 6
    MIXING = 7


def mix(*numbers: int) -> int:
    """63 well-mixed bits of a few integers. Finaliser of SplitMix64: Steele, Lea, Flood 2014."""
    state = 0
    for number in numbers:
        state = (state + (number & MASK) + 0x9E3779B97F4A7C15) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        state ^= state >> 31
    return state >> 1


def epoch_order(
    examples: np.ndarray, seed: int, epoch: int, chances: np.ndarray | None = None, buffer: Buffer | None = None
) -> Tensor:
    """The examples in the order of this epoch, int64 (N,).

    chances: float64 (N,): N examples are drawn, each N times its share of the chances, rounded down or up by lot
    (systematic sampling: Madow 1949), so that no rare example is missed by bad luck.
    buffer: None where any example is as near as any other.
    """
    drawn = np.random.default_rng(mix(seed, Stream.ORDER, epoch))
    if chances is not None:
        mixed = drawn.permutation(len(examples))
        ends = np.cumsum(chances[mixed]) / chances.sum() * len(examples)
        places = np.searchsorted(ends, np.arange(len(examples)) + drawn.random(), side="right")
        examples = examples[mixed[np.minimum(places, len(examples) - 1)]]
    order = drawn.permutation(examples) if buffer is None else _buffered(examples, buffer, drawn)
    return torch.from_numpy(order.astype(np.int64, copy=False))


def grouped(order: Tensor, lengths: np.ndarray | None, steps: int, seed: int = 0, epoch: int = 0) -> Tensor:
    """The same order, int64 (N,), with rows of about one length in each of its batches: less padding.

    The batches are dealt at random into groups; the rows that the order gives to a group go to its batches by length.
    lengths: int64, of all rows; None: the order stays as it is.
    """
    if lengths is None:
        return order
    ends = np.arange(steps + 1) * len(order) // steps
    dealt = np.random.default_rng(mix(seed, Stream.ORDER, epoch, steps)).permutation(steps)
    batches: list[np.ndarray] = [order[:0].numpy()] * steps
    start = 0
    for group in np.split(dealt, np.arange(GROUP, steps, GROUP)):
        sizes = (ends[1:] - ends[:-1])[group]
        rows = order[start : start + sizes.sum()].numpy()
        start += len(rows)
        parts = np.split(rows[np.argsort(lengths[rows], kind="stable")], np.cumsum(sizes)[:-1])
        for number, part in zip(group, parts, strict=True):
            batches[number] = part
    return torch.from_numpy(np.concatenate(batches))


def _buffered(examples: np.ndarray, buffer: Buffer, drawn: np.random.Generator) -> np.ndarray:
    """Blocks of neighbours in random order, cut elsewhere in every epoch, and each buffer of them in random order.

    The second, third, ... copies of examples come as second, third, ... passes over the rows before they are cut, so
    that copies of one example do not meet in one buffer.
    """
    ordered = np.sort(examples)
    same = ordered[1:] == ordered[:-1]
    if same.any():
        place = np.arange(len(ordered))
        first = np.maximum.accumulate(np.where(np.concatenate([[True], ~same]), place, 0))
        ordered = ordered[np.argsort(place - first, kind="stable")]
    blocks = np.split(ordered, np.arange(drawn.integers(1, buffer.block + 1), len(ordered), buffer.block))
    order = np.concatenate([blocks[number] for number in drawn.permutation(len(blocks))])
    for start in range(0, len(order), buffer.rows):
        drawn.shuffle(order[start : start + buffer.rows])
    return order


def noise(shapes: Mapping[str, tuple[int, ...]], rows: int, generator: torch.Generator) -> dict[str, Tensor]:
    """N(0, 1) float32 (rows, *shape) for each name, drawn in the order of the names."""
    return {name: torch.randn((rows, *shapes[name]), generator=generator) for name in sorted(shapes)}


def seed_networks(seed: int, step: int, rank: int = 0, stream: Stream = Stream.NETWORK) -> None:
    """Seed what networks draw from, in each of several processes otherwise, as their rows are others.

    Through the generators: `torch.manual_seed` takes about 100 times as long.
    """
    number = mix(seed, stream, step, *((rank,) if rank else ()))
    for generator in _generators():
        generator.manual_seed(number)


@contextmanager
def generator_restored() -> Iterator[None]:
    """What is drawn inside leaves the caller's generator as it was."""
    before = [(generator, generator.get_state()) for generator in _generators()]
    try:
        yield
    finally:
        for generator, state in before:
            generator.set_state(state)


@contextmanager
def initialised(seed: int) -> Iterator[None]:
    """Networks built inside start from weights that follow from the seed; the caller's generator is left as it was."""
    with generator_restored():
        torch.default_generator.manual_seed(mix(seed, Stream.INITIALISATION))
        yield


def _generators() -> list[torch.Generator]:
    """That of the CPU, and that of the GPU in use: there is none before CUDA has begun."""
    gpus = torch.cuda.default_generators
    return [torch.default_generator, *([gpus[torch.cuda.current_device()]] if gpus else [])]
