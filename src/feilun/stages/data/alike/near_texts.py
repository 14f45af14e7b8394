"""Nearly equal texts: MinHash over runs of five bytes, banded so that only likely pairs are compared.

MinHash and its estimate of Jaccard similarity: Broder 1997. Bands of it: Leskovec, Rajaraman, Ullman, Mining of Massive
Datasets, 2014, section 3.4. With 12 bands of 4 hashes a pair of similarity 0.8 is compared with chance 1 - (1 - 0.8⁴)¹²
= 0.998. Bytes of UTF-8, not characters: five of them are five letters, or nearly two Chinese characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feilun.stages.data.alike import hashing

NEAR = 0.8  # Jaccard similarity from which two texts are nearly equal
RUN = 5  # bytes
BANDS, HASHES = 12, 4  # bands, and hashes in each
LEAST_BYTES = 24  # in shorter texts one other letter is much: only case and spaces may differ
MOST_BYTES = 4_000  # of a text that are looked at
BLOCK_BYTES = 1 << 20
WINDOW = 8  # neighbours in a bucket that are compared
EXACT_PAIRS = 200_000  # more pairs than these are judged by the estimate alone; its standard error is 0.06
NEVER = np.uint32(0xFFFFFFFF)


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """Pairs of row numbers, int64 (M, 2) each.

    close: rows whose texts are equal but for case and spaces, or nearly equal, and whose `rest` is equal.
    equal, near: rows whose long texts are, whatever the rest: all texts of a row together, or the longest of them.
    """

    close: np.ndarray
    equal: np.ndarray
    near: np.ndarray


def links(columns: Sequence[pa.ChunkedArray], rest: np.ndarray) -> Links:
    """Which rows say nearly the same. columns: the texts of every row, (N,) each. rest: uint64 (N,)."""
    plain = [_plain(texts) for texts in columns]
    signs = [_signs(texts, LEAST_BYTES if len(plain) == 1 else RUN) for texts in plain]
    whole = _Texts.of(_joined(plain), np.minimum.reduce(signs))
    pairs = whole.candidates(rest)
    alike = rest[pairs[:, 0]] == rest[pairs[:, 1]]
    close = whole.nearly(pairs[alike])
    equal, near = [whole.equal(long=True)], [close, whole.nearly(pairs[~alike])]
    if len(plain) > 1:
        longest = _Texts.of(*_longest(plain, signs))
        equal.append(longest.equal(long=True))
        near.append(longest.nearly(longest.candidates(rest)))
    return Links(
        close=np.concatenate([whole.equal(rest), close]), equal=np.concatenate(equal), near=np.concatenate(near)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Texts:
    """A text of every row. words: uint64 (N,), its hash; signs: (N, BANDS x HASHES); data, starts, ends: its bytes."""

    words: np.ndarray
    signs: np.ndarray
    data: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    @staticmethod
    def of(texts: pa.Array, signs: np.ndarray) -> _Texts:
        data, starts, ends = _bytes(texts)
        words = hashing.rows(pa.table({"text": texts}), ["text"])
        return _Texts(words=words, signs=signs, data=data, starts=starts, ends=ends)

    def equal(self, rest: np.ndarray | None = None, *, long: bool = False) -> np.ndarray:
        """Every row with the first that has the same text, and the same rest."""
        rows = np.flatnonzero(self.ends - self.starts >= LEAST_BYTES) if long else np.arange(len(self.words))
        same = self.words if rest is None else self.words ^ hashing.mix(rest)
        _, first, place = np.unique(same[rows], return_index=True, return_inverse=True)
        found: np.ndarray = np.stack([rows[first[place]], rows], axis=1)
        return np.asarray(found[found[:, 0] != found[:, 1]])

    def candidates(self, rest: np.ndarray) -> np.ndarray:
        """Pairs of different long texts that may be near: those of equal rest first, then whatever lies beside them."""
        first = np.unique(self.words ^ hashing.mix(rest), return_index=True)[1]
        rows = np.sort(first[(self.ends - self.starts)[first] >= LEAST_BYTES])
        rows = rows[np.argsort(rest[rows], kind="stable")]  # within a bucket rows of equal rest are neighbours
        signs = self.signs[rows]
        pairs = np.sort(rows[neighbours([_band(signs, band) for band in range(BANDS)], WINDOW)], axis=1)
        return np.asarray(pairs[self.words[pairs[:, 0]] != self.words[pairs[:, 1]]])

    def nearly(self, pairs: np.ndarray) -> np.ndarray:
        """The pairs that are near."""
        pairs = pairs[_agree(self.signs, pairs) >= (NEAR - 0.2 if len(pairs) <= EXACT_PAIRS else NEAR)]
        if len(pairs) <= EXACT_PAIRS:
            pairs = pairs[_similar(self.data, self.starts, self.ends, pairs) >= NEAR]
        return pairs


def signatures(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """uint32 (texts, BANDS x HASHES): for each hash function the least value among the text's runs of bytes."""
    drawn = np.random.default_rng(0)
    factors = drawn.integers(1 << 31, size=BANDS * HASHES, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    masks = drawn.integers(1 << 32, size=BANDS * HASHES, dtype=np.uint32)
    found = np.empty((len(starts), BANDS * HASHES), np.uint32)
    total = np.cumsum(ends - starts)
    block = total // BLOCK_BYTES
    cuts = np.flatnonzero(np.concatenate([[True], block[1:] != block[:-1], [True]]))
    for low, high in pairwise(cuts):
        runs, bounds = _runs(data, starts[low:high], ends[low:high])
        hashed = (hashing.mix(runs) >> np.uint64(32)).astype(np.uint32)
        for place, (factor, mask) in enumerate(zip(factors, masks, strict=True)):
            found[low:high, place] = np.minimum.reduceat((hashed ^ mask) * factor, bounds)
    return found


def neighbours(buckets: list[np.ndarray], window: int) -> np.ndarray:
    """Pairs of places (first < second), int64 (M, 2), that share a bucket in one of the lists of bucket numbers."""
    found = [np.zeros(0, np.int64)]
    count = len(buckets[0])
    for keys in buckets:
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        for step in range(1, min(window, len(order) - 1) + 1):
            same = ordered[step:] == ordered[:-step]
            if not same.any():
                break
            one, other = order[:-step][same], order[step:][same]
            found.append(np.minimum(one, other) * count + np.maximum(one, other))
    pairs = np.sort(np.concatenate(found))  # as single numbers they are sorted ten times faster than as pairs
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    return np.stack([pairs // max(count, 1), pairs % max(count, 1)], axis=1)


def _plain(texts: pa.ChunkedArray) -> pa.Array:
    """Without what people do not read: width, case, runs of spaces."""
    plain = pc.utf8_lower(pc.utf8_normalize(pc.fill_null(texts.cast(pa.string()), ""), "NFKC"))
    plain = pc.utf8_trim_whitespace(pc.replace_substring_regex(plain, r"\s+", " "))
    return plain.combine_chunks() if isinstance(plain, pa.ChunkedArray) else plain


def _joined(texts: Sequence[pa.Array]) -> pa.Array:
    """The texts of a row one after the other."""
    if len(texts) == 1:
        return texts[0]
    space = pa.scalar(" ", pa.large_string())
    return pc.utf8_trim_whitespace(pc.binary_join_element_wise(*[text.cast(space.type) for text in texts], space))


def _longest(texts: Sequence[pa.Array], signs: Sequence[np.ndarray]) -> tuple[pa.Array, np.ndarray]:
    """The longest text of every row, and its signature."""
    chosen = np.argmax([pc.binary_length(text).to_numpy() for text in texts], axis=0)
    rows = np.arange(len(chosen))
    stacked = pa.chunked_array([text.cast(pa.large_string()) for text in texts])
    found = np.empty_like(signs[0])
    for place, sign in enumerate(signs):
        found[chosen == place] = sign[chosen == place]
    return stacked.take(pa.array(chosen * len(rows) + rows)).combine_chunks(), found


def _signs(texts: pa.Array, least: int) -> np.ndarray:
    """uint32 (N, BANDS x HASHES): signatures, each different text's made once; NEVER for those of fewer bytes.

    The least values of several texts together are the signature of all their runs.
    """
    coded = texts.dictionary_encode()
    data, starts, ends = _bytes(coded.dictionary)
    some = np.flatnonzero(ends - starts >= least)
    found = np.full((len(starts), BANDS * HASHES), NEVER, np.uint32)
    found[some] = signatures(data, starts[some], ends[some])
    return found if len(found) == len(texts) else found[coded.indices.to_numpy()]  # all different: in their order


def _bytes(texts: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The texts' UTF-8 in one array, and where each starts and ends in it (cut at MOST_BYTES)."""
    large = texts.cast(pa.large_string())
    offsets = np.frombuffer(large.buffers()[1], np.int64)[large.offset : large.offset + len(large) + 1]
    content = large.buffers()[2]
    data = np.frombuffer(content, np.uint8) if content is not None else np.zeros(0, np.uint8)
    return data, offsets[:-1], np.minimum(offsets[1:], offsets[:-1] + MOST_BYTES)


def _runs(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every run of bytes of these texts, uint64 (M,), exact in 40 bits; and where each text's runs begin."""
    counts = ends - starts - RUN + 1
    bounds = np.concatenate([[0], np.cumsum(counts)])
    places = np.arange(bounds[-1]) + np.repeat(starts - bounds[:-1], counts)
    runs = np.zeros(len(places), np.uint64)
    for byte in range(RUN):
        runs |= data[places + byte].astype(np.uint64) << np.uint64(8 * byte)
    return runs, bounds[:-1]


def _band(signs: np.ndarray, band: int) -> np.ndarray:
    """uint64 (N,): equal where all hashes of the band are equal."""
    found = np.full(len(signs), band, np.uint64)
    for column in signs[:, band * HASHES : (band + 1) * HASHES].T:
        found = hashing.mix(found ^ column.astype(np.uint64))
    return found


def _agree(signs: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Share of equal hashes, an estimate of the Jaccard similarity; a block of pairs at a time."""
    parts = [pairs[start : start + 50_000] for start in range(0, len(pairs), 50_000)]
    counts = [np.count_nonzero(signs[part[:, 0]] == signs[part[:, 1]], axis=1) for part in parts]
    return np.concatenate([np.zeros(0), *counts]) / (BANDS * HASHES)


def _similar(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The Jaccard similarity itself: shared runs over all runs."""
    used = np.unique(pairs)
    sets = {row: np.unique(_runs(data, starts[row : row + 1], ends[row : row + 1])[0]) for row in used.tolist()}
    found = np.empty(len(pairs))
    for place, (one, other) in enumerate(pairs.tolist()):
        shared = len(np.intersect1d(sets[one], sets[other], assume_unique=True))
        found[place] = shared / (len(sets[one]) + len(sets[other]) - shared)
    return found
