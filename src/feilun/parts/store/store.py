"""The store of one home: versions and champions, feedback, audit and keys. Threads and processes may share it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from feilun.parts.store import audit, feedback, keys, thumbs, versions
from feilun.parts.store.database import Database, open_database


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """Open with `Store.open(home)`, close with `close()` or a `with` block. Every method is one transaction."""

    database: Database
    writer: feedback.Writer

    @staticmethod
    def open(home: Path | str) -> Store:
        """`<home>/store.db`, made if missing, or a database by URL (postgresql+psycopg://...)."""
        database = open_database(home)
        return Store(database=database, writer=feedback.Writer(database))

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish pending feedback and let go of the database."""
        self.writer.close()
        self.database.close()

    # Versions

    def register(self, name: str, number: int, *, bundle: str, sha256: str, lap: int | None = None) -> None:
        """Add a version (bundle: folder relative to the home); the first of a name becomes its champion."""
        values = {"name": name, "number": number, "bundle": bundle, "sha256": sha256, "lap": lap}
        with self.database.write() as connection:
            versions.register(connection, values, actor="run")

    def versions(self, name: str | None = None) -> list[dict[str, Any]]:
        """[{name, number, bundle, sha256, lap, created, champion}], oldest first; of all names without one."""
        with self.database.read() as connection:
            return versions.listed(connection, name)

    def champion(self, name: str) -> int | None:
        """The number of the version that serves, or None if nothing is registered."""
        with self.database.read() as connection:
            return versions.champion(connection, name)

    def promote(self, name: str, number: int, *, reason: str, evidence: Any = None, actor: str = "owner") -> None:
        """Make this version the champion. Raises InputError if there is no such version."""
        self._serve("promote", name, number, {"reason": reason, "evidence": evidence, "actor": actor})

    def rollback(
        self, name: str, number: int | None = None, *, reason: str, evidence: Any = None, actor: str = "owner"
    ) -> int:
        """Make an earlier version the champion again (None: the one before); returns its number."""
        return self._serve("rollback", name, number, {"reason": reason, "evidence": evidence, "actor": actor})

    def record(
        self, action: str, name: str, version: int | None, reason: str, evidence: Any = None, *, actor: str = "owner"
    ) -> None:
        """An audit entry that changes nothing else, such as "keep"."""
        entry = {"action": action, "name": name, "number": version, "reason": reason, "evidence": evidence}
        with self.database.write() as connection:
            audit.record(connection, {**entry, "actor": actor})

    def history(self, name: str | None = None) -> list[dict[str, Any]]:
        """The audit in order: [{sequence, at, actor, action, name, number, reason, evidence, prev_hash, hash}]."""
        with self.database.read() as connection:
            return audit.entries(connection, name)

    def verify_audit(self) -> int:
        """The number of audit entries. Raises IntegrityError if one was changed or removed."""
        with self.database.read() as connection:
            return audit.verify(connection, self.database.place)

    # Feedback

    def add_feedback(self, *, id: str, name: str, version: int, row: Any, answer: Any, correction: Any) -> bool:
        """Returns once it is safely on disk: True if new, False if the same correction was there before.

        id: of the prediction.  Raises DataError if this prediction was corrected differently before, StorageFull
        if there is no room, BusyError if the database stays locked; then nothing was saved.
        """
        entry = {"id": id, "name": name, "version": version, "row": row, "answer": answer, "correction": correction}
        return self.writer.add(entry)

    def feedback(self, name: str, lap: int | Literal["all"] | None = "all") -> list[dict[str, Any]]:
        """[{id, name, version, row, answer, correction, created, lap, held}] in order of arrival.

        lap: "all", a lap's number, or None for what no lap has used yet.
        """
        with self.database.read() as connection:
            return feedback.listed(connection, name, lap)

    def add_thumb(self, *, id: str, name: str, version: int, row: Any, answer: Any, thumb: str) -> str:
        """Returns once it is safely on disk: "new", "changed" if the other thumb was there before, else "already"."""
        entry = {"id": id, "name": name, "version": version, "row": row, "answer": answer, "thumb": thumb}
        with self.database.write() as connection:
            return thumbs.add(connection, entry)

    def thumbs(self, name: str) -> list[dict[str, Any]]:
        """[{id, name, version, row, answer, thumb, created, lap}] as they came."""
        with self.database.read() as connection:
            return thumbs.listed(connection, name)

    def count_feedback(self, name: str) -> dict[str, int]:
        """{total, waiting}."""
        with self.database.read() as connection:
            return feedback.count(connection, name)

    def mark_feedback(self, ids: Mapping[str, bool], *, lap: int) -> None:
        """Note which lap used these corrections and thumbs: {id: held for judging}."""
        with self.database.write() as connection:
            feedback.mark(connection, ids, lap)
            thumbs.mark(connection, ids, lap)

    # Keys

    def add_key(self, label: str, role: str = "user") -> str:
        """A new API key; it is not kept in readable form and cannot be shown again."""
        with self.database.write() as connection:
            token = keys.add(connection, label, role)
            audit.record(connection, {"action": "add key", "name": "", "reason": f"{label} ({role})"})
        return token

    def check_key(self, token: str) -> str | None:
        """The role of this key, or None if it opens nothing."""
        with self.database.read() as connection:
            return keys.check(connection, token)

    def keys(self) -> list[dict[str, Any]]:
        """[{id, label, role, created, revoked}]."""
        with self.database.read() as connection:
            return keys.listed(connection)

    def revoke_key(self, key_id: str) -> None:
        """From now on this key opens nothing."""
        with self.database.write() as connection:
            keys.revoke(connection, key_id)
            audit.record(connection, {"action": "revoke key", "name": "", "reason": key_id})

    def _serve(self, action: str, name: str, number: int | None, why: Mapping[str, Any]) -> int:
        with self.database.write() as connection:
            chosen = versions.before_champion(connection, name) if number is None else number
            versions.make_champion(connection, {**why, "action": action, "name": name, "number": chosen})
        return chosen
