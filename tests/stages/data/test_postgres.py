"""Rows of a PostgreSQL that runs: its types, what it refuses, and that its password is nowhere afterwards."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from feilun.cli.main import main
from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Recipe
from feilun.stages.data.reading import database, sources

PASSWORD = "geheim-99"
TABLE = """
create type mood as enum ('froh', 'traurig');
create table "订单" (
  "价格" numeric(10, 2), large numeric(60, 0), day date, at timestamp, seen timestamptz, paid boolean, what jsonb,
  picture bytea, code uuid, feels mood, counts int[], note text
);
insert into "订单" select
  case when i % 5 > 0 then i / 4.0 end, 123456789012345678901234567890123456789012345, '2024-01-31',
  '2024-01-31 10:30:00.5', '2024-01-31 10:30:00+08', i % 2 = 0, '{"城市": "北京", "in": {"row": 3}}',
  decode('PICTURE', 'hex'), '00000000-0000-0000-0000-000000000001', 'froh', '{1,2}',
  case when i % 2 = 0 then '退款 100%' else '好' end
from generate_series(1, 200) as i;
insert into "订单" (note) values ('空');
create view cheap as select * from "订单" where "价格" < 2;
"""


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), (200, 0, 0)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def shop(postgres: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a filled database as a recipe writes it."""
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(TABLE.replace("PICTURE", picture().hex()))
    monkeypatch.setenv("PASSWORD", PASSWORD)
    return postgres.replace(PASSWORD, "${PASSWORD}")


def count(postgres: str) -> int:
    import psycopg

    with psycopg.connect(postgres) as connection:
        row = connection.execute('select count(*) from "订单"').fetchone()
    return int(row[0]) if row else -1


def recipe(source: str, query: str | None = 'select * from "订单"', **data: Any) -> Recipe:
    return Recipe.model_validate({"data": {"source": source, "query": query, **data}})


def test_every_type(shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BLOCK_ROWS", 64)
    found = sources.read(recipe(shop), tmp_path)
    assert {name: str(found.table.schema.field(name).type) for name in found.table.column_names} == {
        "价格": "double",
        "large": "double",
        "day": "date32[day]",
        "at": "timestamp[us]",
        "seen": "timestamp[us, tz=Etc/UTC]",
        "paid": "bool",
        "what": "struct<in: struct<row: int64>, 城市: string>",
        "picture": "binary",
        "code": "string",
        "feels": "string",
        "counts": "list<item: int64>",
        "note": "string",
    }
    first, last = found.table.slice(0, 1).to_pylist()[0], found.table.slice(200).to_pylist()[0]
    assert (first["价格"], first["large"], first["what"]["城市"]) == (0.25, 1.2345678901234567e44, "北京")
    assert (first["picture"], first["code"][-2:]) == (picture(), "01")
    assert {name for name, value in last.items() if value is not None} == {"note"}
    assert (found.kinds, found.rows, found.name) == ({"picture": "image"}, 201, shop.replace("${PASSWORD}", "***"))


def test_what_stands_in_a_query_arrives_as_written(shop: str, tmp_path: Path) -> None:
    query = """-- 退款, and % : as they are
    select "价格"::float8 as "价 格", '%s :x %(y)s' as a from "订单" where note like '%100\\%' and 5 % 2 = 1"""
    found = sources.read(recipe(shop, query), tmp_path)
    assert found.table.num_rows == 100
    assert found.table.column_names == ["价 格", "a"]
    assert found.table.column("a")[0].as_py() == "%s :x %(y)s"
    assert sources.read(recipe(shop, "select * from cheap", limit=3), tmp_path).table.num_rows == 3


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (None, r"data\.query is missing.*the tables cheap, 订单\..*SELECT \* FROM cheap"),
        ('delete from "订单"', "should read rows and starts with 'delete'"),
        ("select * from orders", r'relation "orders" does not exist\. .* has the tables cheap, 订单\.'),
        ('select prize from "订单"', r'column "prize" does not exist\. '),
        ("select 1 / 0", "division by zero"),
        ('with x as (delete from "订单" returning *) select * from x', "must not contain data-modifying"),
        ('select 1; commit; delete from "订单"', "cannot insert multiple commands"),
        ("select set_config('transaction_read_only', 'off', false)", "must be set before any query"),
        ("select wipe()", "cannot execute DELETE in a read-only transaction"),
        ('select * from "订单" where note is null', "gives no rows"),
    ],
)
def test_what_is_refused_and_nothing_is_written(
    shop: str, postgres: str, tmp_path: Path, query: str | None, words: str
) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(
            'create function wipe() returns int as $$ begin delete from "订单"; return 1; end $$ language plpgsql'
        )
    with pytest.raises((DataError, RecipeError), match=words) as caught:
        sources.read(recipe(shop, query), tmp_path)
    assert PASSWORD not in str(caught.value.to_json())
    assert count(postgres) == 201


def test_addresses_that_do_not_open(shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        shop.rpartition("/")[0] + "/nobody": 'database "nobody" does not exist',
        shop.replace("keeper", "nobody"): "password authentication failed",
        shop.replace("127.0.0.1:", "127.0.0.1:1"): "cannot be opened",
    }
    for source, words in wrong.items():
        with pytest.raises(DataError, match=words) as caught:
            sources.read(recipe(source), tmp_path)
        assert PASSWORD not in str(caught.value.to_json())
    monkeypatch.setenv("PASSWORD", "falsch-77")
    with pytest.raises(DataError, match='authentication failed for user "keeper"') as caught:
        sources.read(recipe(shop), tmp_path)
    assert "falsch" not in str(caught.value.to_json())


def test_a_password_of_any_characters_and_a_whole_address(
    shop: str, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create role guest login password 'p@s:/%#?'")
    monkeypatch.setenv("PASSWORD", "p@s:/%#?")
    assert sources.read(recipe(shop.replace("keeper", "guest"), "select 1 as x"), tmp_path).table.num_rows == 1
    monkeypatch.setenv("DATABASE_URL", postgres.replace("postgresql://", "postgres://"))
    assert sources.read(recipe("${DATABASE_URL}", "select 1 as x"), tmp_path).name == "${DATABASE_URL}"


def test_after_a_run_the_password_is_nowhere(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"source": shop, "query": 'select "价格", paid from "订单" where "价格" is not null'}
    written = {"data": given, "target": "paid", "model": {"name": "mlp", "width": 4}, "train": {"epochs": 1}}
    Path("my.yaml").write_text(json.dumps(written), "utf-8")
    assert main(["run", "my.yaml", "--home", "home"]) == 0
    said = capfd.readouterr()
    assert PASSWORD not in said.out + said.err
    kept = {path: path.read_bytes() for path in Path("home").rglob("*") if path.is_file()}
    assert any(b"${PASSWORD}" in content for content in kept.values())
    assert [path for path, content in kept.items() if PASSWORD.encode() in content] == []
