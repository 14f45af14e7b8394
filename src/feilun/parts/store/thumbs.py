"""Thumbs of users: up for an answer that is to be preferred, down for one that is not."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from feilun.parts.store.schema import THUMBS

JSON_FIELDS = ("row", "answer")


def add(connection: Connection, entry: Mapping[str, Any]) -> str:
    """new, changed or already."""
    mine = THUMBS.c.id == entry["id"]
    known = connection.execute(select(THUMBS.c.thumb).where(mine)).scalar()
    if known == entry["thumb"]:
        return "already"
    now = round(time.time(), 3)
    if known is not None:
        connection.execute(update(THUMBS).where(mine).values(thumb=entry["thumb"], created=now, lap=None))
        return "changed"
    texts = {field: json.dumps(entry[field]) for field in JSON_FIELDS}  # escaped, see feedback
    connection.execute(insert(THUMBS).values(**{**entry, **texts}, created=now))
    return "new"


def listed(connection: Connection, name: str) -> list[dict[str, Any]]:
    """In order of arrival."""
    query = select(THUMBS).where(THUMBS.c.name == name).order_by(THUMBS.c.created, THUMBS.c.id)
    rows = connection.execute(query).mappings()
    return [{**row, **{field: json.loads(row[field]) for field in JSON_FIELDS}} for row in rows]


def mark(connection: Connection, ids: Collection[str], lap: int) -> None:
    """Used in this lap. What an earlier lap used keeps that lap's number."""
    for id in ids:
        connection.execute(update(THUMBS).where(THUMBS.c.id == id, THUMBS.c.lap.is_(None)).values(lap=lap))
