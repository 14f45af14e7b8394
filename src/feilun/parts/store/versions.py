"""Versions and their champion: registering, promoting and rolling back, each in one transaction with its reason."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from feilun.core.errors import InputError
from feilun.parts.store import audit
from feilun.parts.store.schema import CHAMPIONS, VERSIONS


def register(connection: Connection, version: Mapping[str, Any], actor: str) -> None:
    """Add {name, number, bundle, sha256, lap}; the first version of a name becomes its champion.

    The same version again is nothing new. Another bundle under a known number replaces it, and the audit says so:
    it happens when somebody emptied the folder of runs and numbers start over.
    """
    name, number = version["name"], version["number"]
    key = (VERSIONS.c.name == name) & (VERSIONS.c.number == number)
    known = connection.execute(select(VERSIONS).where(key)).mappings().first()
    entry = {"name": name, "number": number, "actor": actor, "evidence": {"sha256": version["sha256"]}}
    if known is None:
        connection.execute(insert(VERSIONS).values(**version, created=round(time.time(), 3)))
        audit.record(connection, {**entry, "action": "register", "reason": "made by a run"})
    elif known["sha256"] != version["sha256"] or known["bundle"] != version["bundle"]:
        connection.execute(update(VERSIONS).where(key).values(**version, created=round(time.time(), 3)))
        reason = f"made again; the bundle was {known['sha256']}"
        audit.record(connection, {**entry, "action": "register", "reason": reason})
    if champion(connection, name) is None:
        connection.execute(insert(CHAMPIONS).values(name=name, number=number))
        audit.record(connection, {**entry, "action": "first", "reason": "the first version serves"})


def champion(connection: Connection, name: str) -> int | None:
    """The version that serves."""
    return connection.execute(select(CHAMPIONS.c.number).where(CHAMPIONS.c.name == name)).scalar()


def listed(connection: Connection, name: str | None) -> list[dict[str, Any]]:
    """Versions, oldest first, of one name or of all, each with `champion`: true for the one that serves."""
    serving = {row.name: row.number for row in connection.execute(select(CHAMPIONS))}
    query = select(VERSIONS).order_by(VERSIONS.c.name, VERSIONS.c.number)
    if name is not None:
        query = query.where(VERSIONS.c.name == name)
    rows = connection.execute(query).mappings()
    return [{**row, "champion": serving.get(row["name"]) == row["number"]} for row in rows]


def make_champion(connection: Connection, entry: Mapping[str, Any]) -> None:
    """Champion and audit entry {action, name, number, reason, evidence, actor} together, or neither."""
    name, number = entry["name"], entry["number"]
    key = (VERSIONS.c.name == name) & (VERSIONS.c.number == number)
    if connection.execute(select(VERSIONS.c.number).where(key)).first() is None:
        known = [row["number"] for row in listed(connection, name)]
        raise InputError(
            f"There is no version {name}@{number}. There are: {', '.join(f'{name}@{n}' for n in known) or 'none'}.",
            where=f"{name}@{number}",
            expected=", ".join(map(str, known)),
            got=str(number),
            fix="name a version from this list" if known else "make one with: feilun run",
        )
    connection.execute(update(CHAMPIONS).where(CHAMPIONS.c.name == name).values(number=number))
    audit.record(connection, entry)


def before_champion(connection: Connection, name: str) -> int:
    """The version that served before the present champion. Raises InputError if there was none."""
    line = audit.champions_line(audit.entries(connection, name))
    if len(line) < 2:
        raise InputError(
            f"{name} has no earlier champion to go back to. See: feilun show {name}", where=name, fix="name a version"
        )
    return line[-2]
