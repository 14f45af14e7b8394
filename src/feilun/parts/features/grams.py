"""Grams: words, pairs of words and runs of characters as hashes that never change, found on whole arrays at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

SPACE, LETTER, UNSPACED, MARK = range(4)  # what a character is
# Lengths of the runs of characters that start with one of these, a space counting as what comes after it. Words of
# letters and their pairs come besides.
SHORTEST, LONGEST = np.array([3, 3, 1, 1]), np.array([5, 5, 3, 3])
LETTERS = re.compile(r"\w")
FACTOR = 0x9E3779B97F4A7C15  # odd, so that arithmetic modulo 2^64 can divide by it
INVERSE = pow(FACTOR, -1, 1 << 64)
BLOCK = 2000  # texts at a time
SPARE = 8  # while counting, so many times the wanted grams are kept; the rarest are forgotten


@dataclass(frozen=True, slots=True)
class Found:
    """Grams of some texts, as often as they occur: uint64 hashes, int64 text and place (of all texts joined)."""

    hashes: np.ndarray
    texts: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def tidy(text: str) -> str:
    """One space for every run of it and one at both ends: a run of characters then shows where words begin and end."""
    return f" {' '.join(text.split())} "


def find(texts: Sequence[str], unspaced: re.Pattern[str]) -> Found:
    """All grams of tidy texts. A pair of words is hashed as if one space stood between them."""
    codes = _codes("".join(texts))
    owners = np.repeat(np.arange(len(texts)), np.fromiter(map(len, texts), np.int64, len(texts)))
    kinds = _kinds(codes, unspaced)
    sums = _Sums(codes)
    word_starts, word_ends = _words(kinds, owners)
    begun = np.where(kinds == SPACE, np.append(kinds[1:], SPACE), kinds)
    runs = [_runs(begun, owners, size) for size in range(1, LONGEST.max() + 1)]
    long = word_ends - word_starts > LONGEST[LETTER]
    runs[0] = runs[0][kinds[runs[0]] != SPACE]
    starts = np.concatenate([*runs, word_starts[long]])
    sizes = [np.full(len(run), size) for size, run in enumerate(runs, 1)]
    ends = starts + np.concatenate([*sizes, (word_ends - word_starts)[long]])
    near = np.flatnonzero(owners[word_starts[:-1]] == owners[word_starts[1:]])
    left, right = (word_starts[near], word_ends[near]), (word_starts[near + 1], word_ends[near + 1])
    hashes = np.concatenate([sums.of(starts, ends), sums.of_pairs(left, right)])
    starts, ends = np.concatenate([starts, left[0]]), np.concatenate([ends, right[1]])
    return Found(_mixed(hashes), owners[starts], starts, ends)


def hashes_of(grams: Sequence[str]) -> np.ndarray:
    """uint64 (len(grams),): what `find` says of these, each as `learn` writes it."""
    ends = np.cumsum(np.fromiter(map(len, grams), np.int64, len(grams)))
    return _mixed(_Sums(_codes("".join(grams))).of(np.concatenate([[0], ends[:-1]]).astype(np.int64), ends))


def learn(texts: Sequence[str], unspaced: re.Pattern[str], most: int, at_least: int) -> tuple[str, ...]:
    """The grams of most texts, in `at_least` each, the commonest first. texts: tidy.  Equal counts: by hash."""
    known, counts = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    names: dict[int, str] = {}
    for block in _blocks(texts):
        found = find(block, unspaced)
        hashes, first, times = _by_text(found)
        new = ~np.isin(hashes, known)
        whole = "".join(block)
        places = zip(*(array[first[new]].tolist() for array in (found.starts, found.ends)), strict=True)
        names.update(zip(hashes[new].tolist(), (whole[start:end] for start, end in places), strict=True))
        known, place = np.unique(np.concatenate([known, hashes]), return_inverse=True)
        counts = np.bincount(place, np.concatenate([counts, times])).astype(np.int64)
        if len(known) > SPARE * most:
            kept = np.sort(np.argsort(-counts, kind="stable")[: SPARE * most // 2])
            known, counts = known[kept], counts[kept]
            names = {key: names[key] for key in known.tolist()}
    enough = np.flatnonzero(counts >= min(at_least, counts.max(initial=1)))
    ranked = enough[np.argsort(-counts[enough], kind="stable")][:most]
    found_names = [names[key] for key in known[ranked].tolist()]
    right = hashes_of(found_names) == known[ranked]
    return tuple(name if fine else _apart(name, unspaced) for name, fine in zip(found_names, right, strict=True))


def _by_text(found: Found) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(hashes, one place of each, in how many texts)."""
    order = np.lexsort((found.texts, found.hashes))
    hashes, texts = found.hashes[order], found.texts[order]
    fresh = np.ones(len(hashes), bool)
    fresh[1:] = hashes[1:] != hashes[:-1]
    apart = fresh.copy()
    apart[1:] |= texts[1:] != texts[:-1]
    begins = np.flatnonzero(fresh)
    return hashes[begins], order[begins], np.add.reduceat(apart.astype(np.int64), begins) if len(begins) else begins


def _blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), BLOCK):
        yield texts[start : start + BLOCK]


def _codes(text: str) -> np.ndarray:
    """uint32, a number per character."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _kinds(codes: np.ndarray, unspaced: re.Pattern[str]) -> np.ndarray:
    """What each character is: few different ones occur, so each is looked at once."""
    there, place = np.unique(codes, return_inverse=True)
    kinds = [_kind(chr(code), unspaced) for code in there.tolist()]
    return np.array(kinds, np.int64)[place] if kinds else np.zeros(0, np.int64)


def _kind(character: str, unspaced: re.Pattern[str]) -> int:
    if character.isspace():
        return SPACE
    if unspaced.match(character):
        return UNSPACED
    return LETTER if LETTERS.match(character) else MARK


def _runs(begun: np.ndarray, owners: np.ndarray, size: int) -> np.ndarray:
    """Where runs of so many characters start that lie within one text."""
    count = max(0, len(begun) - size + 1)
    wanted = (size >= SHORTEST) & (size <= LONGEST)
    return np.flatnonzero(wanted[begun[:count]] & (owners[:count] == owners[size - 1 : size - 1 + count]))


def _words(kinds: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(starts, ends) of runs of letters; tidy texts have spaces at both ends, so none crosses."""
    inside = np.concatenate([[0], kinds == LETTER, [0]]).astype(np.int8)
    steps = np.diff(inside)
    return np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)


class _Sums:
    """Polynomial hashes of any stretch of a text in two look-ups: Karp & Rabin 1987, modulo 2^64."""

    def __init__(self, codes: np.ndarray) -> None:
        count = len(codes) + 1
        self.powers, self.inverses = _powers(FACTOR, count), _powers(INVERSE, count)
        self.sums = np.zeros(count, np.uint64)
        np.cumsum(_mixed(codes.astype(np.uint64) + np.uint64(1)) * self.powers[:-1], out=self.sums[1:])

    def of(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """uint64: the same for equal stretches, wherever they stand."""
        found: np.ndarray = (self.sums[ends] - self.sums[starts]) * self.inverses[starts]
        return found

    def of_pairs(self, left: tuple[np.ndarray, np.ndarray], right: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Of the left stretch, a space and the right stretch."""
        space = _mixed(np.array([ord(" ") + 1], np.uint64))
        length = left[1] - left[0]
        found: np.ndarray = self.of(*left) + self.powers[length] * (space + self.of(*right) * np.uint64(FACTOR))
        return found


def _powers(factor: int, count: int) -> np.ndarray:
    made = np.full(count, factor, np.uint64)
    made[0] = 1
    return np.cumprod(made)


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Finaliser of SplitMix64: Steele, Lea, Flood 2014."""
    state = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = state ^ (state >> np.uint64(31))
    return mixed


def _apart(pair: str, unspaced: re.Pattern[str]) -> str:
    """Two words with one space between them, whatever stood there."""
    return " ".join("".join(c if _kind(c, unspaced) == LETTER else " " for c in pair).split())
