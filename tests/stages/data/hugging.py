"""A hub on this machine that speaks as much of Hugging Face's as its clients ask for when they load a data set."""

from __future__ import annotations

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ADDRESS = r"/(api/)?datasets/([\w.-]+/[\w.-]+)(?:/(revision|tree|paths-info|resolve)/([^/]+)/?(.*))?"


class Hub(ThreadingHTTPServer):
    """`repositories` by their name, each a dict of files; `asked` are the requests in their order."""

    repositories: dict[str, dict[str, bytes]]
    gated: set[str]
    asked: list[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, name: str) -> str:
        return _oid(b"".join(self.repositories[name].values()))


class Answering(BaseHTTPRequestHandler):
    """Files with their ETag and commit; facts, trees and paths as JSON; errors by the header that the clients read."""

    server: Hub
    commit = ""

    def do_HEAD(self) -> None:
        self._answer({})

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        is_json = "json" in self.headers.get("Content-Type", "")
        self._answer(json.loads(body) if is_json else parse_qs(body))

    def _answer(self, sent: dict[str, Any]) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path}")
        found = re.fullmatch(ADDRESS, path)
        if not found or found[2] not in self.server.repositories:
            return self._fail("RepoNotFound", 404)
        if found[2] in self.server.gated:
            return self._fail("GatedRepo", 401)
        files, self.commit = self.server.repositories[found[2]], self.server.commit(found[2])
        if found[3] == "resolve":
            return self._file(files, found[5])
        if found[3] == "tree":
            return self._send(200, json.dumps(self._tree(files, f"{found[5]}/" if found[5] else "")).encode(), {})
        if found[3] == "paths-info":
            known = [self._facts(name, files[name]) for name in sent["paths"] if name in files]
            return self._send(200, json.dumps(known).encode(), {})
        siblings = [{"rfilename": name} for name in files]
        facts = {"id": found[2], "sha": self.commit, "private": False, "gated": False, "tags": [], "siblings": siblings}
        self._send(200, json.dumps(facts).encode(), {})

    def _tree(self, files: dict[str, bytes], under: str) -> list[dict[str, Any]]:
        inside = {name.removeprefix(under).split("/")[0] for name in files if name.startswith(under)}
        return [
            self._facts(under + name, files[under + name])
            if under + name in files
            else {"type": "directory", "path": under + name, "size": 0, "oid": _oid(name.encode())}
            for name in sorted(inside)
        ]

    def _file(self, files: dict[str, bytes], name: str) -> None:
        if name not in files:
            return self._fail("EntryNotFound", 404)
        content, status, more = files[name], 200, {}
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if part:
            start, end = int(part[1]), min(int(part[2] or len(content)), len(content) - 1)
            more = {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
            content, status = content[start : end + 1], 206
        self._send(status, content, {"ETag": f'"{_oid(files[name])}"', "Content-Type": "text/plain", **more})

    def _facts(self, name: str, content: bytes) -> dict[str, Any]:
        return {"type": "file", "path": name, "size": len(content), "oid": _oid(content)}

    def _fail(self, code: str, status: int) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

    def _send(self, status: int, content: bytes, heads: dict[str, str]) -> None:
        self.send_response(status)
        heads = {"Content-Type": "application/json", "X-Repo-Commit": self.commit, **heads}
        for name, value in {**heads, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
