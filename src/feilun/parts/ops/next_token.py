"""Which token comes next: the likeliest, one drawn from the likely ones, or the best of several sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

BOUNDS = {
    "temperature": (0.0, 10.0),
    "top_p": (0.0, 1.0),
    "repetition_penalty": (0.1, 10.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
    "length_penalty": (0.0, 10.0),
}
MOST_BEAMS = 32
SORTED_FIRST = 64  # tokens that are put in order before more are asked for
MOST_STOPS, LONGEST_STOP = 8, 64
MOST_TOKENS = 4096  # whatever is asked for: one request must not keep a server busy for ever
COLDEST = 1e-5  # below it the likeliest token is taken: float32 logits differ by no less where they matter
SEEDS = 2**63  # of 64 bits, as with OpenAI


class OutOfBoundsError(ValueError):
    """An option that may not be so. name: of the option.  expected: what it may be.  got: what it was."""

    def __init__(self, name: str, expected: str, got: object) -> None:
        super().__init__(f"{name} is {got!r:.200}; expected {expected}.")
        self.name, self.expected, self.got = name, expected, f"{got!r:.200}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """How a token is drawn. Raises OutOfBoundsError for values out of bounds."""

    temperature: float = 0.0  # logits are divided by it; 0, and less than COLDEST: the likeliest token
    top_k: int = 0  # of the likeliest tokens; 0: of all
    top_p: float = 1.0  # of the fewest tokens that together have so much probability (Holtzman et al. 2020)
    repetition_penalty: float = 1.0  # logits of tokens that were written become so many times less (Keskar et al. 2019)
    presence_penalty: float = 0.0  # taken from the logits of tokens that were written, as OpenAI's API does
    frequency_penalty: float = 0.0  # the same, as often as each was written

    def __post_init__(self) -> None:
        for name in BOUNDS:
            if name in self.__dataclass_fields__:
                within(name, getattr(self, name))
        if isinstance(self.top_k, bool) or not isinstance(self.top_k, int) or self.top_k < 0:
            raise OutOfBoundsError("top_k", "a whole number, 0 or more", self.top_k)
        if self.temperature < COLDEST:
            object.__setattr__(self, "temperature", 0.0)


def chosen(
    logits: np.ndarray,
    drawing: Drawing,
    written: Sequence[Sequence[int]],
    generators: Sequence[np.random.Generator],
) -> tuple[np.ndarray, np.ndarray]:
    """(int64 (B,) tokens, float64 (B,) their log-probabilities at temperature 1) of logits (B, V).

    A token with -inf is never chosen.  written: what each row has written so far.  generators: one a row, asked once a
    token, so that what a row gets does not depend on its neighbours; not asked at temperature 0.
    """
    values = _penalised(logits, written, drawing)
    rows, tokens = np.arange(len(values)), values.argmax(1)
    top = values[rows, tokens][:, None]
    if drawing.temperature:
        tokens = np.array(
            [_drawn(row, drawing, generator.random()) for row, generator in zip(values, generators, strict=True)],
            np.int64,
        )
    logs = (values[rows, tokens] - top[:, 0]).astype(np.float64)
    return tokens, logs - np.log(np.exp(values - top).sum(1, dtype=np.float64))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """float64 of the same shape, over the last axis; -inf stays."""
    shifted = logits - logits.max(-1, keepdims=True).astype(np.float64)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def beams(
    first: np.ndarray,
    step: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    width: int,
    longest: int,
    end: int,
    length_penalty: float = 1.0,
) -> tuple[list[int], float]:
    """(tokens without the end, mean log-probability a token) of the best of `width` sequences for one row.

    first: logits (V,) of the first token.  step: (tokens (n,), which of the sequences before each goes on (n,)) ->
    logits (n, V) of the next.  A finished sequence counts its log-probability over length ** length_penalty; the search
    ends when none under way can overtake the best, which with a penalty of 0 is exact (Meister et al. 2020).
    """
    logs, sequences = log_softmax(first)[None], [list[int]()]
    sums, best, best_score, best_mean = np.zeros(1), list[int](), -np.inf, -np.inf
    for length in range(1, longest + 1):
        total = sums[:, None] + logs
        order = np.argsort(-total, axis=None, kind="stable")[: 2 * width]
        going: list[tuple[int, int, float]] = []
        for place in order:
            source, token = divmod(int(place), total.shape[1])
            value = float(total[source, token])
            if not np.isfinite(value):
                break
            if token == end or length == longest:
                if value / length**length_penalty > best_score:
                    best_score, best_mean = value / length**length_penalty, value / length
                    best = [*sequences[source], token] if token != end else sequences[source]
            elif len(going) < width:
                going.append((source, token, value))
        if not going or max(value for _, _, value in going) / longest**length_penalty <= best_score:
            break
        sources, tokens = np.array([one[0] for one in going]), np.array([one[1] for one in going], np.int64)
        sequences = [[*sequences[source], token] for source, token, _ in going]
        sums = np.array([value for _, _, value in going])
        logs = log_softmax(step(tokens, sources))
    return best, best_mean


def within(name: str, given: object) -> float:
    """A number within BOUNDS. Raises OutOfBoundsError for anything else."""
    least, most = BOUNDS[name]
    if isinstance(given, bool) or not isinstance(given, int | float) or not least <= given <= most:
        raise OutOfBoundsError(name, f"a number from {least:g} to {most:g}", given)
    return float(given)


def bounded(name: str, given: object, most: int, *, least: int = 1) -> int:
    """A whole number from least to most. Raises OutOfBoundsError for anything else."""
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        raise OutOfBoundsError(name, f"a whole number from {least} to {most}", given)
    return given


def seeded(given: object) -> list[int]:
    """The words of a seed, for numpy's generators: two of 32 bits, so that all of them count, with their sign.

    Raises OutOfBoundsError for anything but a whole number of 64 bits.
    """
    if isinstance(given, bool) or not isinstance(given, int) or not -SEEDS <= given < SEEDS:
        raise OutOfBoundsError("seed", "a whole number from -2^63 to 2^63 - 1", given)
    return [given & 0xFFFFFFFF, given >> 32 & 0xFFFFFFFF]


def stops(given: object) -> tuple[str, ...]:
    """Texts that end what is written: one, or a few. Raises OutOfBoundsError."""
    found = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list | tuple) else (None,)
    texts = tuple(one for one in found if isinstance(one, str) and 0 < len(one) <= LONGEST_STOP)
    if len(texts) < len(found) or len(found) > MOST_STOPS:
        raise OutOfBoundsError("stop", f"at most {MOST_STOPS} texts of 1 to {LONGEST_STOP} letters", given)
    return texts


def _penalised(logits: np.ndarray, written: Sequence[Sequence[int]], drawing: Drawing) -> np.ndarray:
    times, presence, frequency = drawing.repetition_penalty, drawing.presence_penalty, drawing.frequency_penalty
    if (times, presence, frequency) == (1, 0, 0):
        return logits
    made = np.array(logits, np.float64)
    for row, tokens in enumerate(written):
        seen, counts = np.unique(np.asarray(tokens, np.int64), return_counts=True)
        values = made[row, seen]
        values = np.where(values > 0, values / times, values * times)
        made[row, seen] = values - presence - frequency * counts
    return made


def _drawn(logits: np.ndarray, drawing: Drawing, chance: float) -> int:
    """The token at this share of the probability of those that may be drawn, the likeliest first.

    Only as many are put in order as are needed: sorting 8 rows of 8,000 took as long as a small network.
    """
    scaled = (logits.astype(np.float64) - logits.max()) / drawing.temperature
    shares, most = np.exp(scaled), drawing.top_k or len(scaled)
    some = min(drawing.top_k or SORTED_FIRST, len(scaled))
    while True:
        order = _likeliest(scaled, some)[:most]
        upto = np.cumsum(shares[order])
        upto /= upto[-1] if drawing.top_k else shares.sum()
        if upto[-1] > (drawing.top_p if drawing.top_p < 1 else chance) or len(order) >= min(most, len(scaled)):
            break
        some = min(8 * some, len(scaled))
    kept = int(np.searchsorted(upto, drawing.top_p * (1 - 1e-12))) + 1 if drawing.top_p < 1 else len(order)
    kept = min(kept, len(order))
    share = chance * (upto[kept - 1] if drawing.top_p < 1 else 1.0)
    return int(order[min(int(np.searchsorted(upto, share, side="right")), kept - 1)])


def _likeliest(values: np.ndarray, count: int) -> np.ndarray:
    """At least so many places, the largest value first, of equal ones the first place first."""
    if count >= len(values):
        return np.argsort(-values, kind="stable")
    there = np.flatnonzero(values >= np.partition(values, -count)[-count])
    return there[np.argsort(-values[there], kind="stable")]
