"""Nearly equal texts: MinHash over runs of five bytes, banded so that only likely pairs are compared.

MinHash and its estimate of Jaccard similarity: Broder 1997. Bands of it: Leskovec, Rajaraman, Ullman, Mining of Massive
Datasets, 2014, section 3.4. With 12 bands of 4 hashes a pair of similarity 0.8 is compared with chance 1 - (1 - 0.8⁴)¹²
= 0.998. Bytes of UTF-8, not characters: five of them are five letters, or nearly two Chinese characters.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feilun.stages.data import hashing

NEAR = 0.8  # Jaccard similarity from which two texts are nearly equal
RUN = 5  # bytes
BANDS, HASHES = 12, 4  # bands, and hashes in each
LEAST_BYTES = 24  # in shorter texts one other letter is much: only case and spaces may differ
MOST_BYTES = 4_000  # of a text that are looked at
BLOCK_BYTES = 1 << 20
WINDOW = 8  # neighbours in a bucket that are compared
EXACT_PAIRS = 200_000  # more pairs than these are judged by the estimate alone; its standard error is 0.06
NEVER = np.uint32(0xFFFFFFFF)


def links(texts: pa.ChunkedArray, rest: np.ndarray) -> np.ndarray:
    """Pairs of row numbers, int64 (M, 2), of texts that are nearly equal and whose `rest` (uint64) is equal."""
    plain = _plain(texts)
    same = hashing.rows(pa.table({"text": plain}), ["text"]) ^ hashing.mix(rest)
    _, first, place = np.unique(same, return_index=True, return_inverse=True)
    equal: np.ndarray = np.stack([first[place], np.arange(len(same))], axis=1)
    equal = equal[equal[:, 0] != equal[:, 1]]
    kept = np.sort(first)
    data, starts, ends = _bytes(plain.take(pa.array(kept)))
    long = np.flatnonzero(ends - starts >= LEAST_BYTES)
    if len(long) < 2:
        return equal
    data, starts, ends, rows = data, starts[long], ends[long], kept[long]
    signs = signatures(data, starts, ends)
    pairs = neighbours([_band(signs, band) ^ hashing.mix(rest[rows]) for band in range(BANDS)], WINDOW)
    pairs = pairs[_agree(signs, pairs) >= (NEAR - 0.2 if len(pairs) <= EXACT_PAIRS else NEAR)]
    if len(pairs) <= EXACT_PAIRS:
        pairs = pairs[_similar(data, starts, ends, pairs) >= NEAR]
    return np.concatenate([equal, rows[pairs]])


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
    found = [np.zeros((0, 2), np.int64)]
    for keys in buckets:
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        for step in range(1, min(window, len(order) - 1) + 1):
            same = ordered[step:] == ordered[:-step]
            if not same.any():
                break
            found.append(np.stack([order[:-step][same], order[step:][same]], axis=1))
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def _plain(texts: pa.ChunkedArray) -> pa.Array:
    """Without what people do not read: width, case, runs of spaces."""
    plain = pc.utf8_lower(pc.utf8_normalize(pc.fill_null(texts.cast(pa.string()), ""), "NFKC"))
    plain = pc.utf8_trim_whitespace(pc.replace_substring_regex(plain, r"\s+", " "))
    return plain.combine_chunks() if isinstance(plain, pa.ChunkedArray) else plain


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
    shares = [(signs[part[:, 0]] == signs[part[:, 1]]).mean(axis=1) for part in parts]
    return np.concatenate([np.zeros(0), *shares])


def _similar(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The Jaccard similarity itself: shared runs over all runs."""
    used = np.unique(pairs)
    sets = {row: np.unique(_runs(data, starts[row : row + 1], ends[row : row + 1])[0]) for row in used.tolist()}
    found = np.empty(len(pairs))
    for place, (one, other) in enumerate(pairs.tolist()):
        shared = len(np.intersect1d(sets[one], sets[other], assume_unique=True))
        found[place] = shared / (len(sets[one]) + len(sets[other]) - shared)
    return found
