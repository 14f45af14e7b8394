"""How near a text comes to the right one: exact match, chrF, BLEU."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

SCORES = {
    "exact": "share of texts that are right to the last character",
    "chrf": "overlap of pieces of up to six characters, recall counted twice (Popović 2015)",
    "bleu": "overlap of up to four words in a row, short texts punished (Papineni et al. 2002)",
}

CHARACTERS, BETA, WORDS = 6, 2.0, 4
# Where mteval-v13a (NIST 2009) parts a text that is no web page, in turn; before it characters of scripts written
# without spaces. A comma or point stays between digits, a hyphen everywhere but behind one.
_PARTED = (
    (re.compile(r"([\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef])"), r" \1 "),
    (re.compile(r"([!-&(-+/:-@\[-`{-~])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


def exact(texts: Sequence[str], right: Sequence[str]) -> np.ndarray:
    """1.0 where a text is right, else 0.0; float64 (N,). Space around it does not count."""
    return np.array([float(a.strip() == b.strip()) for a, b in zip(texts, right, strict=True)])


def chrf(texts: Sequence[str], right: Sequence[str]) -> np.ndarray:
    """chrF of each text, float64 (N,) in [0, 1]: (1 + β²) P R / (β² P + R) with β = 2.

    P and R are the means over n = 1 ... 6 of the precision and recall of n-grams of characters without white space,
    over those n for which both texts have any: Popović 2015, and the reading of short texts that sacreBLEU 2 takes.
    Two empty texts agree.
    """
    return np.array([_chrf("".join(a.split()), "".join(b.split())) for a, b in zip(texts, right, strict=True)])


def bleu(texts: Sequence[str], right: Sequence[str]) -> Callable[[np.ndarray], float]:
    """A function of row numbers giving the BLEU of these rows together, in [0, 1].

    exp(min(0, 1 - r/c)) · exp(mean of log pₙ) with n = 1 ... 4, clipped counts summed over the rows, r and c the
    summed lengths of right texts and texts, one reference each: Papineni et al. 2002. An n for which no text is long
    enough is left out; a precision of 0 makes BLEU 0. Words are those of `tokens`, so that scores are sacrebleu's 13a.
    """
    counts = np.array([_bleu_counts(a, b) for a, b in zip(texts, right, strict=True)]).reshape(-1, 2 * WORDS + 2)

    def statistic(rows: np.ndarray) -> float:
        total = counts[rows].sum(0)
        matched, there, length, wanted = total[:WORDS], total[WORDS : 2 * WORDS], total[-2], total[-1]
        if not length:
            return float(not wanted)
        used = there > 0
        if not matched[used].all():
            return 0.0
        precision = math.exp(np.log(matched[used] / there[used]).mean())
        return float(precision * math.exp(min(0.0, 1 - wanted / length)))

    return statistic


def tokens(text: str) -> list[str]:
    """Words and signs as NIST's script for BLEU parts them; every Chinese or Japanese character is one."""
    parted = f" {text} "
    for pattern, made in _PARTED:
        parted = pattern.sub(made, parted)
    return parted.split()


def _chrf(text: str, right: str) -> float:
    if not text and not right:
        return 1.0
    precisions, recalls = [], []
    for size in range(1, CHARACTERS + 1):
        ours, theirs = _grams(text, size), _grams(right, size)
        if ours and theirs:
            common = (ours & theirs).total()
            precisions.append(common / ours.total())
            recalls.append(common / theirs.total())
    if not any(precisions):
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _bleu_counts(text: str, right: str) -> list[int]:
    ours, theirs = tokens(text), tokens(right)
    sizes = range(1, WORDS + 1)
    matched = [(_grams(ours, size) & _grams(theirs, size)).total() for size in sizes]
    there = [max(0, len(ours) - size + 1) for size in sizes]
    return [*matched, *there, len(ours), len(theirs)]


def _grams(sequence: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(sequence[start : start + size]) for start in range(len(sequence) - size + 1))
