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


def rows(table: pa.Table, columns: Sequence[str]) -> np.ndarray:
    """uint64 (N,): equal for rows that are equal in these columns, whatever the order of the columns."""
    return rows_of(table, [columns])[0]


def rows_of(table: pa.Table, sets: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """`rows` of several sets of columns, every cell looked at once."""
    asked = [frozenset(columns) for columns in sets]
    wanted = table.select(sorted(frozenset().union(*asked)))
    known: dict[str, np.uint64] = {}
    starts = range(0, table.num_rows, BLOCK_ROWS) if wanted.num_columns else ()  # a slice of no columns has no rows
    blocks = list(in_order(lambda start: _of_block(wanted.slice(start, BLOCK_ROWS), asked, known), starts))
    if not blocks:
        return [np.zeros(table.num_rows, np.uint64) for _ in asked]
    return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]


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


def _of_block(block: pa.Table, sets: Sequence[frozenset[str]], known: dict[str, np.uint64]) -> list[np.ndarray]:
    totals = [np.zeros(block.num_rows, np.uint64) for _ in sets]
    spare = np.empty(block.num_rows, np.uint64)
    for name, column in zip(block.column_names, block.columns, strict=True):
        cells = _cells(column.combine_chunks(), spare, known)
        cells ^= _of_bytes(name.encode())
        _mix(cells, spare)
        for total, columns in zip(totals, sets, strict=True):
            if name in columns:
                total ^= cells
                _mix(total, spare)
    return totals


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
