"""Rows of SQL queries: read only, in blocks, hashed and read once, and no secret in what is said."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from feilun.core.errors import DataError, FeilunError, MissingExtraError, RecipeError
from feilun.core.recipe import Recipe
from feilun.parts.dataset import SPLITS
from feilun.stages.data import verbs
from feilun.stages.data.reading import addresses, database, raw, sources


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("create table sold (price real, what text, day text, note blob)")
    connection.executemany(
        "insert into sold values (?, ?, ?, ?)",
        [(None if at % 7 == 0 else at / 4, f"w:{at % 3}", "2024" if at % 5 else "2025", None) for at in range(70)],
    )
    connection.execute("create view dear as select * from sold where price > 10")
    connection.commit()
    connection.close()
    return tmp_path


def recipe(source: str = "sqlite:///shop.db", query: str | None = "select * from sold", **data: Any) -> Recipe:
    return Recipe.model_validate({"data": {"source": source, "query": query, **data}})


def test_rows_and_types(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BLOCK_ROWS", 9)
    found = sources.read(recipe(query="select price, what, 1 + 1 as two from sold where what <> 'w:2'"), shop)
    assert found.table.num_rows == 47
    assert found.table.column("price").to_pylist()[:2] == [None, 0.25]
    assert found.table.column("two")[0].as_py() == 2
    assert (found.name, found.rows) == ("sqlite:///shop.db", 47)
    assert sources.read(recipe(limit=11), shop).table.num_rows == 11
    assert sources.read(recipe(f"sqlite:///{shop}/shop.db", "with d as (select * from dear) select * from d"), shop)


def test_test_rows_by_a_query(shop: Path) -> None:
    given = recipe(
        query="select price, what from sold where day = '2024'",
        test="select what, price from sold where day = '2025'",
    )
    found = sources.read(given, shop)
    assert (found.given == SPLITS.index("test")).sum() == 14
    assert found.table.column_names == ["price", "what"]


@pytest.mark.parametrize(
    ("source", "query", "error", "words"),
    [
        ("sqlite:///shop.db", None, RecipeError, r"data\.query is missing.*dear, sold.*SELECT \* FROM dear"),
        ("sqlite:///shop.db", "select * from sol", DataError, r"no such table: sol\..*tables dear, sold"),
        ("sqlite:///shop.db", "select prize from sold", DataError, "no such column"),
        ("sqlite:///shop.db", "selec", RecipeError, "should read rows and starts with 'selec'"),
        ("sqlite:///shop.db", "delete from sold", RecipeError, "should read rows"),
        ("sqlite:///shop.db", "with x as (select 1) delete from sold", DataError, "does not work"),
        ("sqlite:///shop.db", "select 1; drop table sold", DataError, "one statement"),
        ("sqlite:///shop.db", "select load_extension('x')", DataError, "not authorized"),
        ("sqlite:///shop.db", "select * from sold where price > 1e9", DataError, "gives no rows"),
        ("sqlite:///shop.db", "select price as a, what as a from sold", DataError, "two columns called 'a'"),
        ("sqlite:///shp.db", "select 1", DataError, r"Did you mean .*shop\.db"),
        ("sqlite:///words.db", "select 1", DataError, "no SQLite database"),
        ("sqlite://", "select 1", RecipeError, "sqlite:///shop.db"),
        ("mysql://me@host/x", "select 1", RecipeError, "mysql is not read"),
        ("postgresql://me:secret@host/x", "select 1", RecipeError, r"Write postgresql://me:\$\{PASSWORD\}@host/x"),
        ("https://me:a:secret@host/x.csv", None, RecipeError, r"Write https://me:\$\{PASSWORD\}@host/x\.csv"),
        ("postgresql://[", "select 1", FeilunError, "postgresql|pip install"),
    ],
)
def test_what_is_wrong(shop: Path, source: str, query: str | None, error: type[Exception], words: str) -> None:
    (shop / "words.db").write_text("words")
    with pytest.raises(error, match=words) as caught:
        sources.read(recipe(source, query), shop)
    assert "secret" not in str(caught.value)
    connection = sqlite3.connect(shop / "shop.db")
    assert connection.execute("select count(*) from sold").fetchone() == (70,)
    connection.close()


def test_secrets_stay_where_they_are(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "geheim-99")
    with pytest.raises((DataError, MissingExtraError)) as caught:
        sources.read(recipe("postgresql://me:${DB_PASSWORD}@127.0.0.1:9/x"), shop)
    assert "geheim" not in str(caught.value) + str(caught.value.to_json())
    monkeypatch.setenv("FILE", str(shop / "shop.db"))
    assert sources.read(recipe("sqlite:///${FILE}"), shop).name == "sqlite:///${FILE}"
    monkeypatch.delenv("DB_PASSWORD")
    with pytest.raises(RecipeError, match="DB_PASSWORD is not set"):
        sources.read(recipe("postgresql://me:${DB_PASSWORD}@127.0.0.1:9/x"), shop)


def test_what_was_hashed_is_what_is_read_and_only_once(shop: Path) -> None:
    before = verbs.depends(recipe(), shop, None, None)
    assert verbs.depends(recipe(), shop, None, None) == before
    connection = sqlite3.connect(shop / "shop.db")
    connection.execute("delete from sold where price > 5")
    connection.commit()
    assert sources.read(recipe(), shop).table.num_rows == 70  # the rows of the hash
    fewer = sources.read(recipe(), shop).table.num_rows
    assert fewer < 70
    assert verbs.depends(recipe(), shop, None, None) != before
    assert sources.read(recipe(), shop, sample=True).table.num_rows == fewer
    connection.close()


def test_a_query_reaches_no_other_file(shop: Path) -> None:
    connection = database._sqlite(shop / "shop.db")
    with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
        connection.execute("attach 'new.db' as n")
    connection.close()


def test_addresses() -> None:
    assert database.is_address("postgresql+psycopg://h/x") and not database.is_address("https://h/x")
    assert addresses.shown("postgresql://me:pw@h/x") == "postgresql://me:***@h/x"
    assert database.is_query("-- what was sold\n(SELECT 1)") and not database.is_query("shop/select.csv")
    assert raw.SAMPLE.rows


def test_a_password_may_hold_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "p@s:/%#?")
    monkeypatch.setenv("PLACE", "host:5/na me")
    source = "postgresql://me:${PW}@${PLACE}"
    assert addresses.meant(source) == "postgresql://me:p%40s%3A%2F%25%23%3F@host:5/na me"
    said = addresses.without_secrets("no p@s:/%#? nor p%40s%3A%2F%25%23%3F\nhere", source)
    assert said == "no *** nor *** here"
    monkeypatch.setenv("URL", "postgresql://me:geheim-99@h/x")
    assert database.is_address("${URL}") and addresses.meant("${URL}").endswith("@h/x")
    assert addresses.without_secrets("no geheim-99", "${URL}") == "no ***"
