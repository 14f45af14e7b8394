"""How well a text was foretold: bits a letter and perplexity, and n-grams of letters to compare with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

SCORES = {
    "preferred": "share of pairs of answers in which the one that people preferred gained more likelihood by training",
    "bits_per_letter": "how unlikely the letters were, in bits, over all letters of all texts; less is better",
    "text_bits": "the same of each text, mean over texts",
    "perplexity": "among how many tokens each was as hard to foretell as if all were alike; of baselines among letters",
}
ORDER = 4  # letters before the next one that the n-grams look at, at most
LETTERS = 2_000_000  # that they are counted on
OTHERS = 256  # letters that may come and never did share the chance of an unknown one


def bits(nats: np.ndarray, letters: np.ndarray) -> Callable[[np.ndarray], float]:
    """Bits a letter of some rows, all their letters together: sum of nats / ln 2 / letters."""
    return lambda rows: _ratio(nats[rows], letters[rows]) / math.log(2)


def perplexity(nats: np.ndarray, tokens: np.ndarray) -> Callable[[np.ndarray], float]:
    """exp of the mean nats of a token (Jelinek et al. 1977): comparable between models with the same tokens alone."""
    return lambda rows: math.exp(min(700.0, _ratio(nats[rows], tokens[rows])))


def n_grams(texts: Sequence[str], order: int) -> Callable[[str], float]:
    """Nats of a text from its letters, each from up to `order` before it, counted on these texts.

    Witten-Bell's mixture of all orders (Witten & Bell 1991): what an order with n counts of t kinds says has the weight
    n / (n + t), the shorter one the rest.
    """
    counts: dict[str, Counter[str]] = {}
    read = 0
    for text in texts:
        for place, letter in enumerate(text):
            for length in range(min(order, place) + 1):
                counts.setdefault(text[place - length : place], Counter())[letter] += 1
        read += len(text)
        if read > LETTERS:
            break
    sums = {before: (letters.total(), len(letters)) for before, letters in counts.items()}

    def nats(text: str) -> float:
        found = 0.0
        for place, letter in enumerate(text):
            chance = 1.0 / (len(counts.get("", ())) + OTHERS)
            for length in range(min(order, place) + 1):
                before = text[place - length : place]
                if before not in sums:
                    break
                total, kinds = sums[before]
                chance = (counts[before][letter] + kinds * chance) / (total + kinds)
            found -= math.log(chance)
        return found

    return nats


def columns(answers: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """(nats, tokens) of answers, float64 (N,)."""
    return np.array([one["nats"] for one in answers], float), np.array([one["tokens"] for one in answers], float)


def _ratio(above: np.ndarray, below: np.ndarray) -> float:
    whole = float(below.sum())
    return float(above.sum()) / whole if whole else math.nan
