"""Going on with token sequences: prompts are read at once, then a token a step over a cache of keys and values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from feilun.parts.ops import next_token

Allowed: TypeAlias = Callable[[Sequence[int]], np.ndarray]
# (tokens written so far) -> bool (symbols,): which may come next, an end among them; one at least


class Step(Protocol):
    """(tokens int64 (B, T), length (B,), past (B,), cache (layers, 2, B, groups, P, head)) -> logits (B, V) after the
    last token of each row, keys and values of the new ones (layers, 2, B, groups, T, head)."""

    def __call__(
        self, *, tokens: np.ndarray, length: np.ndarray, past: np.ndarray, cache: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Of the cache, and what may be written. context: tokens that the network sees at once."""

    layers: int
    groups: int
    head: int
    context: int
    symbols: int  # numbers from here on mean nothing
    banned: tuple[int, ...] = ()  # marks that are never written
    ends: tuple[int, ...] = ()  # that end a text


@dataclass(kw_only=True, slots=True)
class Written:
    """What one row has got. ended: by an end, or by `stop`; else there was no room for more."""

    tokens: list[int] = field(default_factory=list)
    log: float = 0.0  # of its tokens' probabilities, summed
    ended: bool = False


def gone_on(
    step: Step,
    prompts: Sequence[Sequence[int]],
    sizes: Sizes,
    *,
    longest: int,
    drawing: next_token.Drawing,
    seeds: Sequence[Sequence[int]],
    stop: Callable[[Sequence[int]], bool] = lambda tokens: False,
    allowed: Sequence[Allowed] = (),
) -> list[Written]:
    """At most `longest` tokens behind every prompt, until an end comes or `stop` says so of what is written.

    Of a longer prompt its last `context` tokens are seen. Where the context is full, the last half of it is read
    again, and writing goes on behind that.  seeds: of each row's generator, which its neighbours do not change.
    allowed: of each row, where something holds it.
    """
    made = [Written() for _ in prompts]
    rows = np.arange(len(prompts))
    seen = [list(prompt[-sizes.context :]) for prompt in prompts]  # that the cache holds, and what comes next
    generators = [np.random.default_rng(seed) for seed in seeds] if drawing.temperature else []
    past = np.zeros(len(prompts), np.int64)
    cache = np.zeros((sizes.layers, 2, len(prompts), sizes.groups, sizes.context, sizes.head), np.float32)
    for _ in range(longest):
        full = past >= sizes.context
        for row in np.flatnonzero(full):
            seen[row] = seen[row][-max(1, sizes.context // 2) :]
        past[full] = 0
        logits, past = _read(step, seen, past, cache)
        mine = [generators[row] for row in rows] if generators else []
        likely = _likely(logits, sizes)
        for place, own in enumerate(rows.tolist() if allowed else ()):
            mask = allowed[own](made[own].tokens)
            likely[place, : len(mask)][~mask] = -np.inf
        tokens, logs = next_token.chosen(likely, drawing, [made[row].tokens for row in rows], mine)
        going = []
        for place, (row, token, log) in enumerate(zip(rows, tokens.tolist(), logs.tolist(), strict=True)):
            one = made[row]
            one.log += log
            one.ended = token in sizes.ends
            if not one.ended:
                one.tokens.append(token)
                seen[place].append(token)
                one.ended = stop(one.tokens)
            going += [] if one.ended else [place]
        if not going:
            break
        if len(going) < len(rows):
            rows, past, cache = rows[going], past[going], cache[:, :, going]
            seen = [seen[place] for place in going]
    return made


def _read(step: Step, seen: list[list[int]], past: np.ndarray, cache: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits behind what each row has seen, of which `past` tokens are in the cache; the rest comes into it."""
    counts = np.array([len(row) for row in seen]) - past
    tokens = np.zeros((len(seen), int(counts.max())), np.int64)
    for place, row in enumerate(seen):
        tokens[place, : counts[place]] = row[past[place] :]
    held = np.ascontiguousarray(cache[:, :, :, :, : int(past.max())])
    logits, fresh = step(tokens=tokens, length=counts, past=past, cache=held)
    for place, (start, count) in enumerate(zip(past, counts, strict=True)):
        cache[:, :, place, :, start : start + count] = fresh[:, :, place, :, :count]
    return logits, past + counts


def _likely(logits: np.ndarray, sizes: Sizes) -> np.ndarray:
    made = np.array(logits)
    made[:, list(sizes.banned)] = -np.inf
    made[:, sizes.symbols :] = -np.inf
    return made
