"""Files from the web: fetched once, asked again, and what is said when they cannot be had. A server on this machine."""

from __future__ import annotations

import gzip
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fsspec.registry import _registry as fsspec_registry

from feilun.core.errors import DataError, MissingExtraError
from feilun.core.recipe import Recipe
from feilun.stages.data import verbs
from feilun.stages.data.reading import addresses, remote, sources

TABLE = b"a,y\n1,p\n2,q\n"
ROWS = b'{"a": 1, "y": "p"}\n{"a": 2, "y": "q"}\n'


class Site(ThreadingHTTPServer):
    """What lies where, and what was asked for."""

    files: dict[str, tuple[bytes, dict[str, str]]]
    asked: list[tuple[str, dict[str, str]]]
    over: threading.Event

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    """Answers from `Site.files`; a file may have an ETag, a status, a wrong length, or stall."""

    server: Site

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        content, heads = self.server.files.get(self.path, (b"", {"status": "404"}))
        heads = dict(heads)
        status, stalls = int(heads.pop("status", "200")), heads.pop("stalls", "")
        if heads.get("ETag") and self.headers.get("If-None-Match") == heads["ETag"]:
            status, content = 304, b""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), "Content-Type": "text/csv", **heads}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        if stalls:
            self.wfile.flush()
            self.server.over.wait()

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("FEILUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(sources, "RECENT_S", -1.0)
    server = Site(("127.0.0.1", 0), Answering)
    server.files, server.asked, server.over = {}, [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def recipe(source: str, **data: Any) -> Recipe:
    return Recipe.model_validate({"data": {"source": source, **data}})


def test_a_table_of_the_web(site: Site, tmp_path: Path) -> None:
    site.files["/数/t.csv?x=1".replace("数", "%E6%95%B0")] = (TABLE, {"ETag": '"1"'})
    given = recipe(f"{site.address}/数/t.csv?x=1")
    found = sources.read(given, tmp_path)
    assert found.table.num_rows == 2
    assert found.name == given.data.source
    before = verbs.depends(given, tmp_path, None, None)
    assert site.asked[-1][1]["If-None-Match"] == '"1"'
    site.files["/%E6%95%B0/t.csv?x=1"] = (TABLE + b"3,p\n", {"ETag": '"2"'})
    assert verbs.depends(given, tmp_path, None, None) != before
    assert sources.read(given, tmp_path).table.num_rows == 3
    assert sources.read(recipe(given.data.source or "", test=given.data.source), tmp_path).table.num_rows == 6


def test_asked_once_within_a_run(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "RECENT_S", 60.0)
    site.files["/t.csv"] = (TABLE, {})
    given = recipe(f"{site.address}/t.csv")
    for _ in range(3):
        verbs.depends(given, tmp_path, None, None)
        sources.read(given, tmp_path)
    assert len(site.asked) == 1


def test_when_the_server_is_gone_the_copy_is_used_and_that_is_said(site: Site, tmp_path: Path) -> None:
    site.files["/t.csv"] = (TABLE, {})
    given = recipe(f"{site.address}/t.csv")
    sources.read(given, tmp_path)
    site.files["/t.csv"] = (b"", {"status": "503"})
    found = sources.read(given, tmp_path)
    assert found.table.num_rows == 2
    assert "the copy fetched before is used" in found.notes[0]


@pytest.mark.parametrize(
    ("content", "heads", "words"),
    [
        (b"", {"status": "404"}, "there is nothing.*404"),
        (b"", {"status": "403"}, "it may not be read.*403"),
        (b"", {"status": "500"}, "the server says 500"),
        (TABLE, {"Content-Length": "999"}, "cannot be fetched"),
        (TABLE, {"Content-Length": str(1 << 50)}, "is larger than"),
        (b"<html>", {"Content-Type": "text/html; charset=utf-8"}, "is a web page"),
        (b"", {"status": "302", "Location": "file:///etc/passwd"}, "in a circle, or to a place that is not allowed"),
        (b"", {"status": "302", "Location": "ftp://host/x"}, "in a circle, or to a place that is not allowed"),
        (b"", {"status": "302", "Location": "/t.csv"}, "in a circle, or to a place that is not allowed"),
        (b"\n <!DOCTYPE HTML><p>Log in", {"Content-Type": "application/octet-stream"}, "is a web page"),
        (b"\xef\xbb\xbf<html lang='zh'>", {}, "is a web page"),
        (TABLE + b"3\n", {}, r"/t\.csv:4: this row has 1 cells"),
        (b"", {}, r"/t\.csv is empty"),
    ],
)
def test_what_is_wrong(site: Site, tmp_path: Path, content: bytes, heads: dict[str, str], words: str) -> None:
    site.files["/t.csv"] = (content, heads)
    with pytest.raises(DataError, match=words) as caught:
        sources.read(recipe(f"{site.address}/t.csv"), tmp_path)
    assert str(tmp_path) not in str(caught.value)
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.name.startswith((".making", ".old"))]
    assert kept == []


@pytest.mark.parametrize(
    ("path", "content", "heads"),
    [
        ("/download?id=5&name=%E8%AE%A2%E5%8D%95", TABLE, {}),
        ("/t.php", TABLE, {}),
        ("/t.csv", gzip.compress(TABLE, mtime=0), {"Content-Encoding": "gzip"}),
        ("/export", ROWS, {"Content-Type": "application/json"}),
        ("/export.php", ROWS, {"Content-Disposition": 'attachment; filename="my.jsonl"'}),
        ("/export", ROWS, {"Content-Disposition": "attachment; filename*=UTF-8''%E8%AE%A2%E5%8D%95.jsonl"}),
        ("/about.json", ROWS, {}),
        ("/moved", b"", {"status": "302", "Location": "/there/t.csv"}),
    ],
)
def test_what_the_name_hides(site: Site, tmp_path: Path, path: str, content: bytes, heads: dict[str, str]) -> None:
    site.files = {path: (content, heads), "/there/t.csv": (TABLE, {})}
    for _ in range(2):
        found = sources.read(recipe(site.address + urllib.parse.unquote(path)), tmp_path)
        assert found.table.column_names == ["a", "y"]
        assert [str(value) for value in found.table.column("a").to_pylist()] == ["1", "2"]
        assert found.notes == ()


def test_a_server_that_stops_sending_is_left(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.files["/t.csv"] = (TABLE, {})
    given = recipe(f"{site.address}/t.csv")
    sources.read(given, tmp_path)
    monkeypatch.setattr(remote, "WAIT_S", 0.1)
    site.files["/t.csv"] = (TABLE, {"Content-Length": "999", "stalls": "yes"})
    found = sources.read(given, tmp_path)
    assert (found.table.num_rows, "timed out): the copy fetched before is used" in found.notes[0]) == (2, True)


def test_secrets_go_to_the_server_and_nowhere_else(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "geheim-99")
    source = f"http://me:${{TOKEN}}@127.0.0.1:{site.server_port}/t.csv?key=${{TOKEN}}"
    site.files["/t.csv?key=geheim-99"] = (TABLE, {})
    found = sources.read(recipe(source), tmp_path)
    assert site.asked[0][1]["Authorization"].startswith("Basic ")
    site.files.clear()
    with pytest.raises(DataError) as caught:
        sources.read(recipe(source), tmp_path)
    said = f"{found.name} {found.notes} {caught.value} {caught.value.to_json()}"
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert "geheim" not in said + "".join(path.read_text() for path in kept) + " ".join(map(str, kept))


def test_secrets_are_taken_out_of_what_others_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "geheim-99")
    assert remote._said("s3://b/${TOKEN}/x", OSError("no b/geheim-99/x")) == "no b/***/x"
    assert addresses.shown("https://me:pw@h/x") == "https://me:***@h/x"


def test_nobody_there_and_other_addresses(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="cannot be fetched"):
        sources.read(recipe("http://127.0.0.1:9/t.csv"), tmp_path)
    with pytest.raises(DataError, match="ftp:// is not read"):
        sources.read(recipe("ftp://127.0.0.1/t.csv"), tmp_path)
    monkeypatch.setenv("LINK", "https://me:geheim-99@127.0.0.1:9/t.csv")
    with pytest.raises(DataError, match=r"\$\{LINK\} stands for an address\. Write it") as caught:
        sources.read(recipe("${LINK}"), tmp_path)
    assert "geheim" not in str(caught.value.to_json())


def test_a_package_that_is_missing_is_told_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEILUN_CACHE", str(tmp_path / "cache"))
    for scheme, package in (("s3", "s3fs"), ("gs", "gcsfs"), ("az", "adlfs")):
        monkeypatch.delitem(fsspec_registry, scheme, raising=False)
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingExtraError, match=f"Run: pip install {package}"):
            sources.read(recipe(f"{scheme}://bucket/t.csv"), tmp_path)


def test_names_of_files() -> None:
    assert remote._name("https://h/a/b%20c.csv.gz?x=1") == "b c.csv.gz"
    assert remote._name("https://h/..") == remote._name("https://h/") == "data"
    assert "/" not in remote._name("https://h/a%2f..%2fb")
