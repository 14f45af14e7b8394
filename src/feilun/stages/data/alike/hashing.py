"""A 64-bit hash of every row's content, equal on every machine and in every year: identities, ids and splits.

In blocks of rows, several at a time: numbers are mixed as arrays (SplitMix64's finaliser: Steele, Lea, Flood 2014);
texts and bytes go through BLAKE2b, once per different value of a block. No Python per cell but for values that are all
different. The values are forever: a change would move rows between splits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feilun.core.manifest import hash_file, hash_json
from feilun.parts.ops.threads import in_order

BLOCK_ROWS = 1 << 15  # three arrays of a block fit into a core's cache
REPEATS = 4  # cells per different text from which a column's texts are remembered
MISSING = np.uint64(0x9E3779B97F4A7C15)
WORD_BYTES = 64  # of the longest text that is mixed eight bytes at a time; longer ones go through BLAKE2b


def rows(table: pa.Table, columns: Sequence[str]) -> np.ndarray:
    """uint64 (N,): equal for rows that are equal in these columns, whatever the order of the columns."""
    if not columns:  # a slice of a table without columns has lost count of its rows
        return np.zeros(table.num_rows, np.uint64)
    wanted, known = table.select(sorted(columns)), dict[str, np.uint64]()
    starts = range(0, table.num_rows, BLOCK_ROWS)
    blocks = in_order(lambda start: _of_block(wanted.slice(start, BLOCK_ROWS), known), starts)
    return np.concatenate([np.zeros(0, np.uint64), *blocks])


def contents(table: pa.Table) -> np.ndarray:
    """uint64 (N,): equal for rows that are equal in all columns; objects count as their keys.

    A missing cell and an empty text count nothing, so that a column which comes later renames no row that lacks it.
    """
    while any(pa.types.is_struct(kind) for kind in table.schema.types):
        table = table.flatten()
    starts = range(0, table.num_rows, BLOCK_ROWS)
    known: dict[str, np.uint64] = {}
    blocks = in_order(lambda start: _content(table.slice(start, BLOCK_ROWS), known), starts)
    return np.concatenate([np.zeros(0, np.uint64), *blocks])


def mix(values: np.ndarray) -> np.ndarray:
    """Every bit of the result depends on every bit of the value; uint64 arrays."""
    return _mix(values.copy(), np.empty_like(values))


def unit(values: np.ndarray) -> np.ndarray:
    """float64 in [0, 1) from hashes."""
    return np.asarray((values >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def ids(hashes: np.ndarray) -> pa.Array:
    """A name of 16 hex digits per row: its content and how many equal rows came before. Adding rows renames none."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, bool)
    place = np.arange(len(ordered))
    occurrence = np.empty(len(ordered), np.uint64)
    occurrence[order] = (place - np.maximum.accumulate(np.where(first, place, 0))).astype(np.uint64)
    named = mix(hashes ^ mix(occurrence))
    pairs = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint16)
    digits = pairs[named.astype(">u8").view(np.uint8)]
    offsets = np.arange(0, 16 * len(named) + 1, 16, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(named), [None, pa.py_buffer(offsets), pa.py_buffer(digits)])


def of_table(table: pa.Table) -> str:
    """SHA-256 of a table's content, names and types."""
    hashes = rows(table, table.column_names)
    schema = [[field.name, str(field.type)] for field in table.schema]
    return hash_json([schema, hashlib.sha256(hashes.tobytes()).hexdigest()])


def of_path(path: Path) -> str:
    """SHA-256 of a file, or of every name and file in a folder."""
    if path.is_file():
        return hash_file(path)
    files = sorted(entry for entry in path.rglob("*") if entry.is_file() and not entry.name.startswith("."))
    return hash_json([[entry.relative_to(path).as_posix(), hash_file(entry)] for entry in files])


def _of_block(block: pa.Table, known: dict[str, np.uint64]) -> np.ndarray:
    total = np.zeros(block.num_rows, np.uint64)
    spare = np.empty_like(total)
    for name, column in zip(block.column_names, block.columns, strict=True):
        cells = _cells(column.combine_chunks(), spare, known)
        cells ^= _of_bytes(name.encode())
        total ^= _mix(cells, spare)
        _mix(total, spare)
    return total


def _content(block: pa.Table, words: dict[str, np.uint64]) -> np.ndarray:
    total = np.zeros(block.num_rows, np.uint64)
    spare = np.empty_like(total)
    for name, column in zip(block.column_names, block.columns, strict=True):
        cells, known = _read(column.combine_chunks(), spare, words)
        cells ^= _of_bytes(name.encode())
        total += np.where(known, _mix(cells, spare), np.uint64(0))
    return total


def _read(block: pa.Array, spare: np.ndarray, words: dict[str, np.uint64]) -> tuple[np.ndarray, np.ndarray]:
    """uint64 per cell, and which cells hold something; a cell's number rests on itself alone."""
    kind = block.type
    if pa.types.is_dictionary(kind):
        block, kind = block.dictionary_decode(), kind.value_type
    known = block.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        micros = pc.cast(pc.cast(block, pa.timestamp("us"), safe=False), pa.int64())
        return mix(pc.fill_null(micros, 0).to_numpy(zero_copy_only=False).view(np.uint64)), known
    if pa.types.is_decimal(kind):
        block, kind = block.cast(pa.string()), pa.string()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        cells, lengths = _of_texts(pc.fill_null(block, "") if block.null_count else block, words)
        return cells, lengths > 0
    return _cells(block, spare, words), known


def _of_texts(block: pa.Array, known: dict[str, np.uint64]) -> tuple[np.ndarray, np.ndarray]:
    """uint64 (N,) and the texts' lengths in bytes: eight bytes after the other are mixed in, of all texts at once."""
    wide = np.int64 if pa.types.is_large_string(block.type) else np.int32
    offsets = np.frombuffer(block.buffers()[1], wide)[block.offset : block.offset + len(block) + 1].astype(np.int64)
    content = block.buffers()[2]
    used = np.frombuffer(content, np.uint8)[offsets[0] : offsets[-1]] if content is not None else np.zeros(0, np.uint8)
    words = np.concatenate([used, np.zeros(16 + -len(used) % 8, np.uint8)]).view("<u8")
    starts, lengths = offsets[:-1] - offsets[0], np.diff(offsets)
    found = lengths.astype(np.uint64)
    rows = np.flatnonzero((lengths > 0) & (lengths <= WORD_BYTES))
    for done in range(0, WORD_BYTES, 8):
        rows = rows[lengths[rows] > done]
        if not len(rows):
            break
        eight = _eight(words, starts[rows] + done, np.minimum(lengths[rows] - done, 8))
        eight ^= found[rows]
        found[rows] = _mix(eight, np.empty_like(eight))
    long = lengths > WORD_BYTES
    if long.any():
        found[long] = _cells(block.filter(pa.array(long)), np.empty(0, np.uint64), known)
    return found, lengths


def _eight(words: np.ndarray, places: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """uint64: the bytes from each place on, 1 to 8 of them; words: the data as whole numbers of eight bytes."""
    first, shift = places >> 3, ((places & 7) << 3).astype(np.uint64)
    found = words[first] >> shift
    found |= words[first + 1] << (np.uint64(63) - shift) << np.uint64(1)  # a shift by 64 would be no shift
    found <<= ((8 - counts) << 3).astype(np.uint64)
    return np.asarray(found)


def _mix(values: np.ndarray, spare: np.ndarray) -> np.ndarray:
    """`mix` in place; spare: of the same shape, for what lies between."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values ^= np.right_shift(values, np.uint64(shift), out=spare)
        values *= np.uint64(factor)
    values ^= np.right_shift(values, np.uint64(31), out=spare)
    return values


def _cells(block: pa.Array, spare: np.ndarray, known: dict[str, np.uint64]) -> np.ndarray:
    """uint64 per cell; equal numbers are equal whatever their type. known: hashes of texts that come again."""
    kind = block.type
    if pa.types.is_dictionary(kind):
        block, kind = block.dictionary_decode(), kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        numbers = pc.cast(block, pa.float64(), safe=False)
        numbers = pc.fill_null(numbers, 0.0) if numbers.null_count else numbers
        cells = _mix((numbers.to_numpy(zero_copy_only=False) + 0.0).view(np.uint64), spare)  # -0.0 becomes 0.0
        if block.null_count:
            cells[block.is_null().to_numpy(zero_copy_only=False)] = MISSING
        return cells
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        coded = block.dictionary_encode()
        words = np.array([*_of_words(coded.dictionary.to_pylist(), len(block), known), MISSING], np.uint64)
        return np.asarray(words[pc.fill_null(coded.indices, len(words) - 1).to_numpy(zero_copy_only=False)])
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return np.array([MISSING if cell is None else _of_bytes(cell) for cell in block.to_pylist()], np.uint64)
    return np.array([_of_json(cell) for cell in block.to_pylist()], np.uint64)


def _of_words(words: list[str], count: int, known: dict[str, np.uint64]) -> list[np.uint64]:
    """Words of a block of so many cells; where they repeat in it they will come again in the next."""
    if len(words) * REPEATS > count:
        return [_of_bytes(word.encode()) for word in words]
    for word in words:
        if word not in known:
            known[word] = _of_bytes(word.encode())
    return [known[word] for word in words]


def _of_bytes(content: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big"))


def _of_json(cell: object) -> np.uint64:
    if cell is None:
        return MISSING
    return _of_bytes(json.dumps(cell, sort_keys=True, ensure_ascii=False, default=str).encode())
