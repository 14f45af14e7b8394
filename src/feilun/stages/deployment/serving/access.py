"""Who may do what. Default deny: a path without a rule is not served, and a route without a rule stops the start."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from feilun.core.errors import FeilunError, InputError
from feilun.stages.deployment.serving import places
from feilun.stages.deployment.serving.replies import Refused

if TYPE_CHECKING:
    from feilun.parts.store import Store

OPEN, USER, ADMIN = "open", "user", "admin"
RULES: Mapping[tuple[str, str], str] = {
    ("GET", "/health/live"): OPEN,
    ("GET", "/health/ready"): OPEN,
    ("GET", "/openapi.json"): OPEN,
    ("POST", "/v1/predict"): USER,
    ("POST", "/v1/feedback"): USER,
    ("POST", "/v1/chat/completions"): USER,
    ("POST", "/v1/completions"): USER,
    ("POST", "/v1/embeddings"): USER,
    ("GET", places.MODELS): USER,
    ("GET", places.MODEL): USER,
    ("GET", "/v1/schema"): USER,
    ("GET", "/metrics"): ADMIN,
}
REMEMBER_S = 1.0  # a revoked key may work so much longer
MOST_REMEMBERED = 10_000


@dataclass(kw_only=True, slots=True)
class Door:
    """Checks each request against the rules.

    needs_key: False only while bound to loopback with no key in the store; the watcher sets it to True when one comes.
    """

    store: Store
    rules: Mapping[tuple[str, str], str]
    needs_key: bool
    _salt: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    _known: dict[bytes, tuple[float, str | None]] = field(default_factory=dict)

    async def enter(self, method: str, path: str, headers: Mapping[bytes, bytes]) -> str:
        """Whose request it is: the same for all of a key, nothing without one. Raises Refused 404, 405, 401 or 403."""
        role = self.rules.get((method, places.of(path)))
        if role is None:
            raise _no_route(self.rules, method, path)
        if role == OPEN:
            return ""
        if not self.needs_key:
            _same_machine(headers)
            return ""
        digest = self._digest(headers.get(b"authorization", b""))
        held = None if digest is None else await self._role(headers[b"authorization"], digest)
        if held is None:
            raise Refused(
                401,
                "This needs an API key.",
                where="Authorization",
                expected="Authorization: Bearer fl_…",
                got="no valid key",
                fix="make one with: feilun keys add LABEL",
            )
        if held != ADMIN and held != role:
            raise Refused(403, f"A key with role {held} may not do this.", where=path, expected=role, got=held)
        return "" if digest is None else digest.hex()

    def _digest(self, header: bytes) -> bytes | None:
        """Of the key in the header. Salted per process: how long the lookup takes tells nothing about the token."""
        kind, _, token = header.partition(b" ")
        return hashlib.sha256(self._salt + token).digest() if kind.lower() == b"bearer" and token else None

    async def _role(self, header: bytes, digest: bytes) -> str | None:
        """The role of the key in the header, looked up in the store at most once a second per key."""
        now = time.monotonic()
        expires, role = self._known.get(digest, (0.0, None))
        if expires <= now:
            text = header.partition(b" ")[2].strip().decode("ascii", "replace")
            role = await asyncio.to_thread(self.store.check_key, text)  # compares in constant time
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[digest] = (now + REMEMBER_S, role)
        return role


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def may_start(host: str, keys: Iterable[object]) -> bool:
    """Whether requests need a key. Raises InputError if others could reach the server and no key was made.

    A revoked key counts: who once used keys does not want an open door.
    """
    has_keys = any(True for _ in keys)
    if not has_keys and not is_loopback(host):
        raise InputError(
            f"serve.host is {host}, which other machines can reach, and there is no API key. "
            "Make one with: feilun keys add LABEL",
            where="serve.host",
            expected="127.0.0.1, or a key",
            got=host,
            fix="make a key with: feilun keys add LABEL",
        )
    return has_keys


def complete(routes: Iterable[tuple[str, str]], rules: Mapping[tuple[str, str], str]) -> None:
    """Raises FeilunError unless every route has a rule and every rule a route."""
    served = set(routes)
    wrong = sorted(served ^ set(rules))
    if wrong:
        method, path = wrong[0]
        what = "no access rule" if wrong[0] in served else "a rule but no route"
        raise FeilunError(f"{method} {path} has {what}. The server does not start.", where=path)


def _same_machine(headers: Mapping[bytes, bytes]) -> None:
    """Without keys, a page of another site that is open in the same browser must not use this server."""
    host = headers.get(b"host", b"").decode("latin-1")
    origin = headers.get(b"origin", b"").decode("latin-1")
    name = urlsplit(f"//{host}").hostname or ""
    foreign = bool(origin) and urlsplit(origin).netloc != host
    if not is_loopback(name) or foreign or headers.get(b"sec-fetch-site") == b"cross-site":
        raise Refused(
            403,
            f"Without an API key only this machine may ask, under its own name; this came for {host!r}"
            + (f" from {origin!r}." if foreign else "."),
            where="Origin" if foreign else "Host",
            expected="localhost or 127.0.0.1",
            got=origin if foreign else host,
            fix="make a key with: feilun keys add LABEL",
        )


def _no_route(rules: Mapping[tuple[str, str], str], method: str, path: str) -> Refused:
    methods = sorted(known for known, place in rules if place == places.of(path))
    if methods:
        return Refused(
            405, f"{path} does not take {method[:20]}.", where=path, expected=", ".join(methods), got=method[:20]
        )
    there = ", ".join(sorted({place for _, place in rules}))
    return Refused(404, "There is nothing at this address.", where=path, expected=there, got=path)
