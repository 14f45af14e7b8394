"""Near-duplicates: rows whose texts or pictures nearly say the same become one group.

Two things are asked. Which rows are copies: all else is equal too; these may be dropped. Which rows share a long text
or a picture, whatever else they say: a model that learnt one would know the other, so they stand on one side of the
split. Where the identity of a row is numbers and categories alone, only equality counts. A group of more than a fair
share of the rows is no duplicate but a template that many rows fill in: it is taken apart again, and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from feilun.stages.data import disk
from feilun.stages.data.alike import hashing, near_pictures, near_texts

TEMPLATE_SHARE = 0.05  # of all rows: a group above is a template ...
TEMPLATE_ROWS = 20  # ... unless it is this small
LEAST_GROUPS = 10  # fewer sharing groups than this cannot be dealt: then only copies are joined
FIRST_SEEN = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Near:
    """keys: uint64 (N,), equal for rows that are copies, equal rows among them.

    shared: uint64 (N,), equal also for rows that only share a long text or a picture.  rows: how many rows nearly equal
    another row without being equal to it.  templates: sizes of the groups that were taken apart.  looked: which columns
    were compared.
    """

    keys: np.ndarray
    shared: np.ndarray
    rows: int = 0
    templates: tuple[int, ...] = ()
    looked: tuple[str, ...] = ()

    @property
    def sharing(self) -> int:
        """How many rows share a long text or a picture with a row that is no copy."""
        return _changed(self.shared, self.keys)

    def only(self, stays: np.ndarray) -> Near:
        """Of these rows, whose copies have been dropped. stays: bool (N,)."""
        return replace(self, keys=self.keys[stays], shared=self.shared[stays], rows=0)


def not_looked_for(keys: np.ndarray) -> Near:
    """Every row is near to its equals alone."""
    return Near(keys=keys, shared=keys)


def find(table: pa.Table, identity: Sequence[str], kinds: Mapping[str, str], keys: np.ndarray) -> Near:
    """Groups of nearly equal rows. keys: uint64 (N,), the rows' identities as hashing.rows gives them.

    A group's key is that of its first row, so that rows that come later move nobody.
    """
    texts = [name for name in identity if kinds.get(name) == "text"]
    images = [name for name in identity if kinds.get(name) == "image"]
    alike = [name for name in images if _comparable(table.column(name))]
    if not texts and not images:
        return not_looked_for(keys)
    first, place = _firsts(keys)
    different = disk.filtered(table.select(list(identity)), np.isin(np.arange(len(keys)), first))
    close, *wider = _links(different, identity, texts, images, alike)
    groups = _Groups(keys=keys[first], rows=np.bincount(place)).joined(close)
    copies = groups.keys[place]
    for pairs in wider:
        groups = groups.joined(pairs)
    shared = groups.keys[place] if len(np.unique(groups.keys)) >= LEAST_GROUPS else copies
    templates = tuple(sorted(groups.templates, reverse=True))
    return Near(keys=copies, shared=shared, rows=_changed(copies, keys), templates=templates, looked=(*texts, *alike))


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


def _links(
    table: pa.Table, identity: Sequence[str], texts: list[str], images: list[str], alike: list[str]
) -> list[np.ndarray]:
    """Pairs of different rows: first of copies, then of rows that share what is equal, at last what is nearly equal."""
    close, same, near = [np.zeros((0, 2), np.int64)], [], []
    if texts:
        found = near_texts.links([table.column(name) for name in texts], _rest(table, identity, texts))
        close, same, near = [found.close], [found.equal], [found.near]
    for name in images if len(identity) > 1 else ():  # else the rows themselves are different
        same.append(_equal(table, name))
    for name in alike:
        rest = _rest(table, identity, [name])
        pairs = near_pictures.links((cell.as_py() for cell in table.column(name)), rest)
        close.append(pairs[rest[pairs[:, 0]] == rest[pairs[:, 1]]])
        near.append(pairs)
    return [np.concatenate(close), *same, *near]


def _equal(table: pa.Table, image: str) -> np.ndarray:
    """Every row with the first that has the same picture."""
    rows = np.flatnonzero(table.column(image).is_valid().to_numpy())
    _, first, place = np.unique(hashing.rows(table, [image])[rows], return_index=True, return_inverse=True)
    pairs: np.ndarray = np.stack([rows[first[place]], rows], axis=1)
    return np.asarray(pairs[pairs[:, 0] != pairs[:, 1]])


def _rest(table: pa.Table, identity: Sequence[str], but: Sequence[str]) -> np.ndarray:
    """uint64 (N,): equal where all other columns are equal."""
    others = [name for name in identity if name not in but]
    return hashing.rows(table, others) if others else np.zeros(table.num_rows, np.uint64)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Groups:
    """Groups of different rows. keys: uint64 (N,), the key of the group's first row; rows: how often each row stands.

    templates: how many rows each group had that was taken apart; apart: bool (N,), which rows are in one.
    """

    keys: np.ndarray
    rows: np.ndarray
    templates: tuple[int, ...] = ()
    apart: np.ndarray | None = None

    def joined(self, pairs: np.ndarray) -> _Groups:
        """With the groups of these pairs joined; where that makes a template, they stay as they were."""
        if not len(pairs):
            return self
        different, group = np.unique(self.keys, return_inverse=True)
        merged = components(group[pairs], len(different))[group]
        large = np.bincount(merged) > max(TEMPLATE_ROWS, TEMPLATE_SHARE * len(merged))
        within = large[merged]
        before = np.zeros(len(within), bool) if self.apart is None else self.apart
        told = np.isin(np.arange(len(large)), merged[before])  # some of these rows were taken apart already
        return _Groups(
            keys=np.where(within, self.keys, first_keys(merged, self.keys)),
            rows=self.rows,
            templates=(*self.templates, *np.bincount(merged, self.rows)[large & ~told].astype(int).tolist()),
            apart=before | within,
        )


def _changed(grouped: np.ndarray, keys: np.ndarray) -> int:
    """Rows in groups with more than one key; a group is called by the key of its first row."""
    return int(np.isin(grouped, grouped[grouped != keys]).sum())
