"""Near-duplicates: rows whose texts or pictures nearly say the same, with everything else equal, become one group.

A group stands on one side of the split. Where the identity of a row is numbers and categories alone, only equality
counts. A group of more than a fair share of the rows is no duplicate but a template that many rows fill in: it is
taken apart again, and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from feilun.stages.data import hashing, near_pictures, near_texts

TEMPLATE_SHARE = 0.05  # of all rows: a group above is a template ...
TEMPLATE_ROWS = 20  # ... unless it is this small
FIRST_SEEN = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Near:
    """keys: uint64 (N,), equal for rows that belong together, equal rows among them.

    rows: how many rows nearly equal another row without being equal to it.  templates: sizes of the groups that were
    taken apart.  looked: which columns were compared.
    """

    keys: np.ndarray
    rows: int = 0
    templates: tuple[int, ...] = ()
    looked: tuple[str, ...] = ()


def find(table: pa.Table, identity: Sequence[str], kinds: Mapping[str, str], keys: np.ndarray) -> Near:
    """Groups of nearly equal rows. keys: uint64 (N,), the rows' identities as hashing.rows gives them.

    A group's key is that of its first row, so that rows that come later move nobody.
    """
    texts = [name for name in identity if kinds.get(name) == "text"]
    images = [name for name in identity if kinds.get(name) == "image" and _comparable(table.column(name))]
    if not texts and not images:
        return Near(keys=keys)
    first, place = _firsts(keys)
    different = table.select(list(identity)).take(pa.array(first)) if len(first) < len(keys) else table
    pairs = _links(different, identity, texts, images)
    merged = components(pairs, len(first))[place]
    grouped, templates = _without_templates(merged, keys)
    return Near(keys=grouped, rows=_changed(grouped, keys), templates=templates, looked=(*texts, *images))


def components(pairs: np.ndarray, count: int) -> np.ndarray:
    """int64 (count,): number of the group that each item belongs to when the pairs are joined."""
    from scipy.sparse import coo_array  # type: ignore[import-untyped]
    from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]

    links = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def first_keys(groups: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """uint64 (N,): of each row, the key of the first row of its group."""
    _, first, place = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(keys[first[place]])


def _comparable(column: pa.ChunkedArray) -> bool:
    return near_pictures.are_comparable(column.slice(0, FIRST_SEEN).to_pylist())


def _firsts(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of the first row of each identity, rising, and for each row the place in that list."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse]


def _links(table: pa.Table, identity: Sequence[str], texts: list[str], images: list[str]) -> np.ndarray:
    """Pairs of different rows that are nearly equal: in all their texts together, or in a picture."""
    found = [np.zeros((0, 2), np.int64)]
    if texts:
        rest = _rest(table, identity, texts)
        found.append(near_texts.links(_joined(table, texts), rest))
    for image in images:
        rest = _rest(table, identity, [image])
        pictures = (cell.as_py() for cell in table.column(image))
        found.append(near_pictures.links(pictures, rest))
    return np.concatenate(found)


def _rest(table: pa.Table, identity: Sequence[str], but: Sequence[str]) -> np.ndarray:
    """uint64 (N,): equal where all other columns are equal."""
    others = [name for name in identity if name not in but]
    return hashing.rows(table, others) if others else np.zeros(table.num_rows, np.uint64)


def _joined(table: pa.Table, texts: list[str]) -> pa.ChunkedArray:
    """The texts of a row one after the other."""
    import pyarrow.compute as pc

    columns = [pc.fill_null(table.column(name).cast(pa.large_string()), "") for name in texts]
    return (
        columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, pa.scalar("\n", pa.large_string()))
    )


def _without_templates(groups: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """Keys of the groups; groups with too many different rows are only rows again."""
    joined = first_keys(groups, keys)
    different = np.unique(np.stack([groups.astype(np.uint64), keys]), axis=1)[0].astype(np.int64)
    sizes = np.bincount(different)
    large = np.flatnonzero(sizes > max(TEMPLATE_ROWS, TEMPLATE_SHARE * len(different)))
    apart = np.isin(groups, large)
    rows = np.bincount(groups)[large]
    return np.where(apart, keys, joined), tuple(sorted(map(int, rows), reverse=True))


def _changed(grouped: np.ndarray, keys: np.ndarray) -> int:
    """Rows in groups with more than one identity."""
    pairs = np.unique(np.stack([grouped, keys]), axis=1)
    values, counts = np.unique(pairs[0], return_counts=True)
    return int(np.isin(grouped, values[counts > 1]).sum())
