"""Rows of a SQL query, read only, in blocks: sqlite:///file.db from the recipe's folder, or postgresql://...

Secrets stand in the address as ${NAME}, or it is one: ${DATABASE_URL}. What is said and kept is the address as it
was written.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from feilun.core.errors import DataError, MissingExtraError, RecipeError
from feilun.stages.data.reading import addresses, frames, raw

if TYPE_CHECKING:
    from sqlalchemy import Connection

ADDRESS = re.compile(r"^(sqlite|postgresql|postgres|mysql|mariadb|mssql|oracle|duckdb|snowflake)(\+\w+)?://", re.I)
QUERY = re.compile(r"^(\s|\(|--[^\n]*\n|/\*.*?\*/)*(select|with)\b", re.I | re.S)
BLOCK_ROWS = 20_000
WAIT_S = 15
DRIVERS = {"psycopg2": "psycopg2-binary", "psycopg": "psycopg[binary]"}
# What a query may do in SQLite: read tables and call functions; SQLAlchemy asks by PRAGMA. Attaching is refused.
READING = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_PRAGMA,
}


def is_address(source: str) -> bool:
    """Whether a source is a database, also where a variable holds its whole address."""
    return ADDRESS.match(addresses.meant(source) if source.startswith("${") else source) is not None


def is_query(text: str) -> bool:
    """Whether given test or validation rows are named by a query of the same database."""
    return QUERY.match(text) is not None


def read(source: str, base: Path, query: str | None, most: raw.Most) -> raw.Raw:
    """The rows of the query, or the first `most.rows`. Raises DataError or RecipeError listing the tables there are."""
    with _connected(source, base) as (connection, inspect):
        if query is None or not query.strip():
            raise _no_query(source, inspect())
        if not is_query(query):
            raise RecipeError(
                f"data.query should read rows and starts with {query.split()[0]!r}. Write SELECT ... FROM ....",
                where="data.query",
                expected="SELECT ...",
                got=query[:60],
                fix="write a SELECT",
            )
        tables = list(_blocks(connection, query, most.rows, source, inspect))
    table = frames.stacked(tables)
    if table.num_rows == 0:
        raise DataError(
            f"The query gives no rows of {addresses.shown(source)}. Look at its WHERE.",
            where="data.query",
            expected="rows",
            got="none",
            fix="look at the WHERE",
        )
    whole = most.rows is None or table.num_rows < most.rows
    kinds = {field.name: "image" for field in table.schema if pa.types.is_binary(field.type)}
    return raw.of(table, addresses.shown(source), rows=table.num_rows if whole else None, kinds=kinds)


def _blocks(connection: Connection, query: str, limit: int | None, source: str, inspect: Any) -> Iterator[pa.Table]:
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    rows = 0
    statement = text(query.replace(":", r"\:"))
    try:
        with closing(connection.execution_options(stream_results=True).execute(statement)) as found:
            names = list(found.keys())
            raw.check_columns(names, "The query")
            while limit is None or rows < limit:
                block = found.fetchmany(BLOCK_ROWS if limit is None else min(BLOCK_ROWS, limit - rows))
                if not block:
                    break
                rows += len(block)
                yield pa.table({name: _column(name, [row[place] for row in block]) for place, name in enumerate(names)})
        if rows == 0:
            yield pa.table({name: pa.array([], pa.null()) for name in names})
    except (SQLAlchemyError, sqlite3.Error) as error:
        connection.rollback()  # PostgreSQL answers nothing more in a transaction that failed
        raise _wrong_query(source, query, error, inspect) from None


def _column(name: str, values: list[Any]) -> pa.Array:
    column = frames.column(name, values)
    return column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column


@contextmanager
def _connected(source: str, base: Path) -> Iterator[tuple[Connection, Any]]:
    """A connection that can only read, and a function that lists the tables."""
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    address = addresses.meant(source)
    kind = address.partition(":")[0].partition("+")[0].lower()
    try:
        if kind == "sqlite":
            path = _sqlite_file(source, address, base)
            engine = create_engine("sqlite://", creator=lambda: _sqlite(path))
        elif kind in ("postgresql", "postgres"):
            address = re.sub(r"(?i)^postgres(ql)?(?=:)", "postgresql+psycopg", address)
            options = {"connect_timeout": WAIT_S}
            engine = create_engine(address, connect_args=options, execution_options={"postgresql_readonly": True})
        else:
            raise RecipeError(
                f"data.source is {addresses.shown(source)}: {kind} is not read. Write the rows to a Parquet or CSV "
                "file, or copy them to SQLite.",
                where="data.source",
                expected="sqlite:///file.db or postgresql://...",
                got=kind,
                fix="write the rows to a Parquet file",
            )
    except ModuleNotFoundError as error:
        raise _no_driver(error) from error
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise RecipeError(
            f"data.source is {addresses.shown(source)}, which is no address of a database. Write sqlite:///file.db or "
            "postgresql://user:${PASSWORD}@host/name.",
            where="data.source",
            fix="postgresql://user:${PASSWORD}@host/name",
        ) from error
    try:
        with engine.connect() as connection:
            yield connection, lambda: _tables(inspect(connection))
    except ModuleNotFoundError as error:
        raise _no_driver(error) from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        where = addresses.shown(source)
        raise DataError(
            f"{where} cannot be opened: {_said(error, source)}. Check the address and that it is running.",
            where=where,
            fix="check the address",
        ) from None
    finally:
        engine.dispose()


def _sqlite_file(source: str, address: str, base: Path) -> Path:
    name = re.sub(r"(?i)^sqlite(\+\w+)?://", "", address).partition("?")[0]
    path = base / name.removeprefix("/") if name.startswith("/") else Path()
    if not name.startswith("/") or not name.strip("/") or ":memory:" in name:
        raise RecipeError(
            f"data.source is {addresses.shown(source)}: write sqlite:/// and the file, such as sqlite:///shop.db.",
            where="data.source",
            expected="sqlite:///file.db",
            got=addresses.shown(source),
            fix="sqlite:///file.db",
        )
    if not path.exists():
        raise raw.missing(path)
    with raw.opened(path), path.open("rb") as file:
        head = file.read(16)
    if head != b"SQLite format 3\x00":
        raise DataError(f"{path} is no SQLite database. Check the file.", where=str(path), fix="check the file")
    return path


def _sqlite(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_S)
    connection.text_factory = lambda content: content.decode("utf-8", "replace")
    connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in READING else sqlite3.SQLITE_DENY)
    return connection


def _tables(inspector: Any) -> list[str]:
    return sorted([*inspector.get_table_names(), *inspector.get_view_names()])


def _no_query(source: str, tables: list[str]) -> RecipeError:
    first = tables[0] if tables else "TABLE"
    return RecipeError(
        f"data.query is missing: which rows of {addresses.shown(source)}? It has the tables {_listed(tables)}. "
        f"Such as: data.query: SELECT * FROM {first}",
        where="data.query",
        expected="SELECT ... FROM one of: " + _listed(tables),
        fix=f"SELECT * FROM {first}",
    )


def _wrong_query(source: str, query: str, error: Exception, inspect: Any) -> DataError:
    return DataError(
        f"The query does not work: {_said(error, source)}. {addresses.shown(source)} has the tables "
        f"{_listed(inspect())}. The query is: {' '.join(query.split())[:200]}",
        where="data.query",
        got=query[:200],
        fix="correct data.query",
    )


def _said(error: Exception, source: str) -> str:
    """What the database says, without what the address holds."""
    cause = getattr(error, "orig", None) or error
    said = getattr(getattr(cause, "diag", None), "message_primary", None) or str(
        cause
    )  # without the cursor's own words
    return addresses.without_secrets(said, source)[:300].rstrip(".")


def _listed(tables: list[str]) -> str:
    return ", ".join(tables[:30]) + (", ..." if len(tables) > 30 else "") if tables else "(none)"


def _no_driver(error: ModuleNotFoundError) -> MissingExtraError:
    package = DRIVERS.get(str(error.name), str(error.name))
    return MissingExtraError(
        f"This database needs the package {package}. Run: pip install '{package}'", fix=f"pip install '{package}'"
    )
