"""One SQL layer: opens SQLite or PostgreSQL, gives short read and write transactions, and words their failures."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy
from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from feilun.core.errors import BusyError, FeilunError, InputError, IntegrityError, MissingExtraError
from feilun.parts.store import schema

BUSY_TIMEOUT_S = 30.0
# Older releases are reported to lose a commit when a write-ahead log is reset while another connection reads.
WAL_SINCE = (3, 51, 3)


class StorageFull(InputError):
    """The disk or the database is full: nothing of this call was written or acknowledged. HTTP: 507."""

    code: ClassVar[str] = "storage_full"


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """An open database; `place` is what errors call it. Safe from several threads and processes."""

    engine: Engine
    place: str

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction. Keep it short: under the rollback journal a reader makes writers wait."""
        with self._worded(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction, one at a time over all processes; on disk when the block is left without an error."""
        with self._worded(), self.engine.connect().execution_options(write=True) as connection, connection.begin():
            # SQLite has locked already (BEGIN IMMEDIATE); PostgreSQL takes its turn at this row.
            connection.execute(select(schema.META.c.value).where(schema.META.c.word == "schema").with_for_update())
            yield connection

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except FeilunError:
            raise
        except SQLAlchemyError as error:
            raise worded(error, self.place) from error


def open_database(where: Path | str) -> Database:
    """Open `<folder>/store.db`, made if missing, or a database URL such as postgresql+psycopg://user@host/feilun.

    The environment variable FEILUN_STORE, a URL, takes the place of every folder's own file.
    """
    where = os.environ.get("FEILUN_STORE") or where
    is_url = isinstance(where, str) and "://" in where
    engine = _server(str(where)) if is_url else _sqlite(Path(where))
    place = engine.url.render_as_string(hide_password=True) if is_url else str(engine.url.database)
    database = Database(engine=engine, place=place)
    with database._worded():
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            schema.prepare(connection, place)
        return database


def worded(error: SQLAlchemyError, place: str) -> FeilunError:
    """The same failure in words a user understands."""
    text = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    if "full" in text or "No space left" in text or "disk I/O error" in text:
        return StorageFull(
            f"{place}: there is no room left ({text}). Nothing of this was saved. Free some space and send it again.",
            where=place,
            expected="free space on the disk",
            got=text,
            fix="free some space and try again",
        )
    if "locked" in text or "busy" in text:
        return BusyError(
            f"{place} was busy for {BUSY_TIMEOUT_S:g} s. Nothing was saved. Try again.", where=place, fix="try again"
        )
    if "malformed" in text or "not a database" in text:
        return IntegrityError(
            f"{place} is damaged ({text}). Restore it from a copy.", where=place, got=text, fix="restore it from a copy"
        )
    return InputError(
        f"{place} cannot be used: {text}. Check that it exists and may be written.",
        where=place,
        got=text,
        fix="check the path or URL and its permissions",
    )


def _sqlite(home: Path) -> Engine:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{home} cannot be made: {error.strerror}. Choose another folder with --home.", where=str(home)
        ) from error
    url = sqlalchemy.URL.create("sqlite", database=str(home / "store.db"))
    engine = sqlalchemy.create_engine(
        url, pool_size=8, max_overflow=64, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    )
    journal = "WAL" if sqlite3.sqlite_version_info >= WAL_SINCE else "TRUNCATE"

    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not guessed by the driver
        # TRUNCATE with FULL also syncs the emptied journal: a committed transaction survives a power cut.
        for pragma in (f"journal_mode = {journal}", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    def begun(connection: Connection) -> None:
        # IMMEDIATE takes the write lock at once: two writers queue here, instead of failing in the middle.
        is_write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def _server(url: str) -> Engine:
    try:
        return sqlalchemy.create_engine(url, pool_size=8, max_overflow=64, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"This store needs the package {error.name}. Run: pip install 'psycopg[binary]', and write the URL as "
            "postgresql+psycopg://user@host/database.",
            where="store",
            fix="pip install 'psycopg[binary]'",
        ) from error
    except SQLAlchemyError as error:
        raise InputError(f"The store's URL cannot be used: {error}", where="store") from error
