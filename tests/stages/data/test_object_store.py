"""Files of an object store, read by s3fs itself from a small store on this machine."""

from __future__ import annotations

import io
import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bucket
import pytest

from feilun.core.errors import DataError
from feilun.core.recipe import Recipe
from feilun.stages.data import verbs
from feilun.stages.data.reading import remote, sources

s3fs = pytest.importorskip("s3fs", reason="needs s3fs: pip install 'feilun[s3]'")
TABLE = b"a,y\n1,p\n2,q\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bucket.Bucket]:
    """An empty store; its address and the credentials stand in the environment, and nowhere else."""
    server = bucket.Bucket(("127.0.0.1", 0), bucket.Answering)
    server.objects, server.locked, server.asked = {}, set(), []
    variables = {
        "FEILUN_CACHE": str(tmp_path / "cache"),
        "AWS_ENDPOINT_URL_S3": server.address,
        "AWS_ACCESS_KEY_ID": bucket.KEY,
        "AWS_SECRET_ACCESS_KEY": "geheim-99",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "NO_PROXY": "*",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "FSSPEC_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setattr(sources, "RECENT_S", -1.0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def rows(source: str, base: Path, **data: Any) -> int:
    return sources.read(recipe(source, **data), base).table.num_rows


def recipe(source: str, **data: Any) -> Recipe:
    return Recipe.model_validate({"data": {"source": source, **data}})


def fetches(shop: bucket.Bucket) -> int:
    return sum(line.startswith("GET") for line in shop.asked)


def test_fetched_again_only_when_it_changed(shop: bucket.Bucket, tmp_path: Path) -> None:
    shop.objects["数 据/t.csv"] = TABLE
    given = recipe("s3://shop/数 据/t.csv")
    found = sources.read(given, tmp_path)
    assert (found.table.num_rows, found.name, found.notes) == (2, "s3://shop/数 据/t.csv", ())
    before = verbs.depends(given, tmp_path, None, None)
    assert (rows("s3://shop/数 据/t.csv", tmp_path), fetches(shop)) == (2, 1)
    shop.objects["数 据/t.csv"] = TABLE + b"3,p\n"
    assert verbs.depends(given, tmp_path, None, None) != before
    assert (rows("s3://shop/数 据/t.csv", tmp_path), fetches(shop)) == (3, 2)


def test_what_is_larger_than_one_read(shop: bucket.Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3fs.S3FileSystem, "default_block_size", 50_000)
    monkeypatch.setattr(remote, "CHUNK_BYTES", 9_000)
    shop.objects["long.csv"] = b"a,y\n" + b"".join(b"%d,%s\n" % (at, b"pq"[at % 2 :][:1]) for at in range(20_000))
    assert rows("s3://shop/long.csv", tmp_path) == 20_000
    assert fetches(shop) > 1


def test_a_zip_and_its_member(shop: bucket.Bucket, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("train.csv", TABLE)
        archive.writestr("test.csv", b"a,y\n7,p\n")
    shop.objects["both.zip"] = packed.getvalue()
    found = sources.read(recipe("s3://shop/both.zip"), tmp_path)
    assert found.given.tolist().count(-1) == 2
    assert found.table.num_rows == 3


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("s3://shop/none.csv", "there is nothing"),
        ("s3://none/t.csv", "there is nothing"),
        ("s3://shop/locked.csv", "access denied"),
        ("s3://shop/folder", "it is a folder; name a file"),
        ("s3://shop", "it is a folder; name a file"),
        ("s3://shop/empty.csv", r"empty\.csv is empty"),
    ],
)
def test_what_is_wrong(shop: bucket.Bucket, tmp_path: Path, source: str, words: str) -> None:
    shop.objects.update({"folder/t.csv": TABLE, "locked.csv": TABLE, "empty.csv": b""})
    shop.locked.add("locked.csv")
    with pytest.raises(DataError, match=words) as caught:
        rows(source, tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_credentials_are_read_each_time_and_never_told(
    shop: bucket.Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.objects["t.csv"] = TABLE
    for key, words in (("AKIANOBODY", "access denied"), ("", "locate credentials")):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        if not key:
            monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        with pytest.raises(DataError, match=words) as caught:
            rows("s3://shop/t.csv", tmp_path)
        assert "geheim" not in str(caught.value) + str(caught.value.to_json())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.KEY)
    assert rows("s3://shop/t.csv", tmp_path) == 2
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert kept and not any(b"geheim" in path.read_bytes() for path in kept)


def test_when_nobody_answers_the_copy_is_used_and_that_is_said(
    shop: bucket.Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.objects["t.csv"] = TABLE
    rows("s3://shop/t.csv", tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    found = sources.read(recipe("s3://shop/t.csv"), tmp_path)
    assert found.table.num_rows == 2
    assert re.search(r"cannot be reached .*the copy fetched before is used", found.notes[0])
    with pytest.raises(DataError, match="cannot be fetched: Could not connect"):
        rows("s3://shop/other.csv", tmp_path)
    del shop.objects["t.csv"]
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", shop.address)
    with pytest.raises(DataError, match="there is nothing"):  # it is gone: no old copy stands in for it
        rows("s3://shop/t.csv", tmp_path)
