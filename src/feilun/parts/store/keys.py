"""API keys: shown once, kept only as salted hashes."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from typing import Any

from sqlalchemy import Connection, insert, select, update

from feilun.core.errors import InputError
from feilun.parts.store.schema import KEYS

ROLES = ("user", "admin")  # user: ask and correct; admin: also metrics and everything that changes what serves
_FORM = re.compile(r"fl_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


def add(connection: Connection, label: str, role: str) -> str:
    """A new key `fl_<id>_<secret>`; the only moment at which it can be read."""
    if role not in ROLES:
        raise InputError(
            f"A key's role is one of {', '.join(ROLES)}, not {role!r}.",
            where="role",
            expected=", ".join(ROLES),
            got=role,
            fix=f"use {ROLES[0]}",
        )
    key_id, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(32), secrets.token_hex(16)
    values = {"id": key_id, "salt": salt, "hash": _hash(salt, secret), "label": label, "role": role}
    connection.execute(insert(KEYS).values(**values, created=round(time.time(), 3)))
    return f"fl_{key_id}_{secret}"


def check(connection: Connection, token: str) -> str | None:
    """The role of a valid key, else None."""
    form = _FORM.fullmatch(token)
    if form is None:
        return None
    found = connection.execute(select(KEYS).where(KEYS.c.id == form[1])).mappings().first()
    if found is None or found["revoked"] is not None:
        return None
    is_right = hmac.compare_digest(found["hash"], _hash(found["salt"], form[2]))
    return str(found["role"]) if is_right else None


def listed(connection: Connection) -> list[dict[str, Any]]:
    """id, label, role, created, revoked of every key; never anything secret."""
    columns = (KEYS.c.id, KEYS.c.label, KEYS.c.role, KEYS.c.created, KEYS.c.revoked)
    return [dict(row) for row in connection.execute(select(*columns).order_by(KEYS.c.created)).mappings()]


def revoke(connection: Connection, key_id: str) -> None:
    """From now on this key opens nothing. Raises InputError if there is no such key."""
    known = connection.execute(select(KEYS.c.revoked).where(KEYS.c.id == key_id)).first()
    if known is None:
        raise InputError(
            f"There is no key {key_id!r}. List them with: feilun keys", where="key", got=key_id, fix="feilun keys"
        )
    if known.revoked is None:
        connection.execute(update(KEYS).where(KEYS.c.id == key_id).values(revoked=round(time.time(), 3)))


def _hash(salt: str, secret: str) -> str:
    # The secret is 256 random bits: nobody can guess through one round of SHA-256, so a slow hash, which protects
    # what people choose, would only slow every request down.
    return hashlib.sha256(f"{salt}:{secret}".encode()).hexdigest()
