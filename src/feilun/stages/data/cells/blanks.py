"""Text cells without space around them, null where they are listed as missing; quickly where nothing has to be cut.

In most columns no cell begins or ends with a space and few are empty. The first and the last byte of every cell, read
as arrays, show that without making a new text; then only the bits that say which cells are missing are written.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LONGEST = 31  # bytes; longer cells are told from missing values by Arrow


def stripped(column: pa.ChunkedArray, words: pa.Array) -> pa.ChunkedArray:
    """column: string.  words: what counts as missing."""
    suspects = _suspects(words)
    empty = pc.index(words, "").as_py() >= 0
    chunks = []
    for chunk in column.chunks:
        quick = _quick(chunk, suspects, empty)
        chunks.append(_slow(chunk, words) if quick is None else quick)
    return pa.chunked_array(chunks, pa.string())


def _suspects(words: pa.Array) -> np.ndarray:
    """bool (256, LONGEST + 1): by first byte and length, whether a cell may be missing or need cutting."""
    found = np.zeros((256, LONGEST + 1), bool)
    found[_odd()] = True
    for word in words.to_pylist():
        content = (word or "").encode()
        if content:
            found[content[0], min(len(content), LONGEST)] = True
    return found


def _odd() -> np.ndarray:
    """bool (256,): spaces and control characters, and bytes of characters outside ASCII, which may be spaces too."""
    place = np.arange(256)
    return np.asarray((place <= 0x20) | (place >= 0x7F))


def _quick(chunk: pa.Array, suspects: np.ndarray, empty: bool) -> pa.Array | None:
    """The chunk with its empty cells null; None where a cell has to be looked at as text."""
    _, where, content = chunk.buffers()
    if content is None or not content.size or not len(chunk):
        return None
    offsets = np.frombuffer(where, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    data = np.frombuffer(content, np.uint8)
    lengths = np.diff(offsets)
    there = lengths > 0
    first = data[np.minimum(offsets[:-1], len(data) - 1)]
    last = data[np.maximum(offsets[1:], 1) - 1]
    if ((suspects[first, np.minimum(lengths, LONGEST)] | _odd()[last]) & there).any():
        return None
    if not empty or there.all():
        return chunk
    valid = there if chunk.null_count == 0 else there & chunk.is_valid().to_numpy(zero_copy_only=False)
    bits = np.packbits(np.concatenate([np.zeros(chunk.offset, bool), valid]), bitorder="little")
    return pa.Array.from_buffers(chunk.type, len(chunk), [pa.py_buffer(bits), where, content], offset=chunk.offset)


def _slow(chunk: pa.Array, words: pa.Array) -> pa.Array:
    plain = pc.utf8_trim_whitespace(chunk)
    listed = pc.is_in(plain, value_set=words)
    return pc.if_else(listed, pa.scalar(None, pa.string()), plain) if pc.any(listed).as_py() else plain
