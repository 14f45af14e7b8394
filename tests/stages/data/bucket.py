"""An object store on this machine that speaks as much of S3 as reading takes: one bucket, HEAD, GET, lists, errors."""

from __future__ import annotations

import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

KEY = "AKIAFEILUNTEST000001"
STAMP = "Mon, 01 Jun 2026 08:00:00 GMT"


class Bucket(ThreadingHTTPServer):
    """What lies in `shop`, by its key; `locked` keys may not be read; `asked` are the requests in their order."""

    objects: dict[str, bytes]
    locked: set[str]
    asked: list[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def etag(self, key: str) -> str:
        return f'"{hash(self.objects[key]) & 0xFFFFFFFF:032x}"'


class Answering(BaseHTTPRequestHandler):
    """Answers whoever signs with KEY; anybody else, and locked keys, are denied."""

    server: Bucket

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        address = urlsplit(self.path)
        bucket, _, key = unquote(address.path).removeprefix("/").partition("/")
        self.server.asked.append(f"{self.command} {key or address.query}")
        if f"Credential={KEY}/" not in self.headers.get("Authorization", "") or key in self.server.locked:
            self._fail(403, "AccessDenied")
        elif bucket != "shop":
            self._fail(404, "NoSuchBucket")
        elif not key:
            self._list(parse_qs(address.query))
        elif key not in self.server.objects:
            self._fail(404, "NoSuchKey")
        else:
            self._object(key)

    def _object(self, key: str) -> None:
        content, status, more = self.server.objects[key], 200, {}
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if part:
            start, end = int(part[1]), min(int(part[2] or len(content)), len(content) - 1)
            more = {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
            content, status = content[start : end + 1], 206
        heads = {"ETag": self.server.etag(key), "Last-Modified": STAMP, "Content-Type": "binary/octet-stream", **more}
        self._send(status, content, heads)

    def _list(self, query: dict[str, list[str]]) -> None:
        prefix = query.get("prefix", [""])[0]
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-06-01T08:00:00.000Z</LastModified>"
            f"<ETag>{escape(self.server.etag(key))}</ETag><Size>{len(content)}</Size></Contents>"
            for key, content in sorted(self.server.objects.items())
            if key.startswith(prefix)
        )
        self._send(200, f"<ListBucketResult><Name>shop</Name>{found}</ListBucketResult>".encode(), {})

    def _fail(self, status: int, code: str) -> None:
        self._send(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode(), {})

    def _send(self, status: int, content: bytes, heads: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), "Content-Type": "application/xml", **heads}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""
