"""The audit: every decision with its reason, each entry carrying the hash of the one before it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select

from feilun.core.errors import IntegrityError
from feilun.core.manifest import hash_json
from feilun.parts.store.schema import AUDIT

FIRST = "0" * 64
SETS_CHAMPION = ("first", "promote", "rollback")


def record(connection: Connection, entry: Mapping[str, Any]) -> None:
    """Append {action, name, number, reason, evidence, actor}, inside the caller's write transaction."""
    newest = select(AUDIT.c.sequence, AUDIT.c.hash).order_by(AUDIT.c.sequence.desc()).limit(1)
    last = connection.execute(newest).first()
    fields = {
        "sequence": last.sequence + 1 if last else 1,
        "at": round(time.time(), 3),
        "actor": entry.get("actor") or "unknown",
        "action": entry["action"],
        "name": entry["name"],
        "number": entry.get("number"),
        "reason": entry.get("reason", ""),
        "evidence": json.dumps(entry.get("evidence") or {}, default=str),
        "prev_hash": last.hash if last else FIRST,
    }
    connection.execute(insert(AUDIT).values(**fields, hash=hash_json(fields)))


def entries(connection: Connection, name: str | None = None) -> list[dict[str, Any]]:
    """Every entry in order, of one name or of all, with its evidence as JSON."""
    query = select(AUDIT).order_by(AUDIT.c.sequence)
    if name is not None:
        query = query.where(AUDIT.c.name == name)
    rows = connection.execute(query).mappings()
    return [{**row, "evidence": json.loads(row["evidence"])} for row in rows]


def verify(connection: Connection, place: str) -> int:
    """The number of entries. Raises IntegrityError at the first one that was changed, removed or slipped in.

    A chain cannot show that its newest entries were cut off: keep the last hash somewhere else for that.
    """
    previous, count = FIRST, 0
    for row in connection.execute(select(AUDIT).order_by(AUDIT.c.sequence)).mappings():
        fields = {key: value for key, value in row.items() if key != "hash"}
        count += 1
        if row["prev_hash"] != previous or row["sequence"] != count or hash_json(fields) != row["hash"]:
            raise IntegrityError(
                f"{place}: audit entry {row['sequence']} was changed, or one before it is missing.",
                where=f"{place} audit {row['sequence']}",
                fix="restore the store from a copy",
            )
        previous = row["hash"]
    return count


def champions_line(history: list[dict[str, Any]]) -> list[int]:
    """The champions that a rollback can go back to, the present one last; a rollback forgets what it leaves."""
    line: list[int] = []
    for entry in history:
        if entry["action"] not in SETS_CHAMPION:
            continue
        if entry["action"] == "rollback" and entry["number"] in line:
            while line[-1] != entry["number"]:
                line.pop()
        if not line or line[-1] != entry["number"]:
            line.append(entry["number"])
    return line
