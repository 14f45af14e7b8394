"""The tables of the store, with a version number. Plain types only, so that SQLite and PostgreSQL read them alike."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    select,
)

from feilun.core.errors import IntegrityError

VERSION = 1
ADVISORY_LOCK = 0xFE11  # any number that nobody else locks

METADATA = MetaData()

META = Table("meta", METADATA, Column("word", String(32), primary_key=True), Column("value", Text, nullable=False))

VERSIONS = Table(
    "versions",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("bundle", Text, nullable=False),  # folder, relative to the home
    Column("sha256", String(64), nullable=False),  # of the bundle's manifest
    Column("lap", Integer),  # the lap it came from; null: a run of its own
    Column("created", Float, nullable=False),  # seconds since 1970, UTC, here and below
)

# One row per name: "exactly one champion" is the primary key's work.
CHAMPIONS = Table(
    "champions",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    ForeignKeyConstraint(["name", "number"], ["versions.name", "versions.number"]),
)

FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("id", Text, primary_key=True),  # the prediction's id: one prediction, one correction
    Column("sequence", Integer, nullable=False, unique=True),  # order of arrival
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("row", Text, nullable=False),  # JSON, as are answer and correction
    Column("answer", Text, nullable=False),
    Column("correction", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("lap", Integer),  # the lap that used it first; null: waiting
    Column("held", Boolean),  # kept for judging; null: waiting
    Index("feedback_by_lap", "name", "lap"),
)

THUMBS = Table(
    "thumbs",
    METADATA,
    Column("id", Text, primary_key=True),  # the prediction's id: one prediction, one thumb, the last one
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("row", Text, nullable=False),  # JSON, as is answer
    Column("answer", Text, nullable=False),
    Column("thumb", Text, nullable=False),  # up or down
    Column("lap", Integer),  # that used it first; none yet
    Column("created", Float, nullable=False),
    Index("thumbs_by_name", "name"),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("number", Integer),
    Column("reason", Text, nullable=False),
    Column("evidence", Text, nullable=False),  # JSON
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

KEYS = Table(
    "keys",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("salt", String(32), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("label", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("revoked", Float),
)


def prepare(connection: Connection, place: str) -> None:
    """Create what is missing, inside the caller's write transaction. Raises IntegrityError on another version."""
    if connection.dialect.name == "postgresql":  # two processes may open a new database at once
        connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
    METADATA.create_all(connection, checkfirst=True)
    found = connection.execute(select(META.c.value).where(META.c.word == "schema")).scalar()
    if found is None:
        connection.execute(insert(META).values(word="schema", value=str(VERSION)))
    elif found != str(VERSION):
        raise IntegrityError(
            f"{place} has schema {found}, and this Feilun reads schema {VERSION}. Use the Feilun that wrote it.",
            where=place,
            expected=str(VERSION),
            got=str(found),
            fix="use the Feilun version that wrote it",
        )
