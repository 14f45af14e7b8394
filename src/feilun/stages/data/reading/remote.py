"""Files from the web or from object stores, downloaded once into the cache and asked again whether they changed."""

from __future__ import annotations

import base64
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from feilun.core import manifest
from feilun.core.errors import DataError, MissingExtraError
from feilun.parts.delimited import cache
from feilun.stages.data.reading import addresses

WEB = ("http", "https")
STORES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
ADDRESS = re.compile(r"^(https?|s3|gs|gcs|abfs|az)://", re.I)
OTHER = re.compile(r"^[a-z][a-z0-9+.]+://", re.I)
MOST_BYTES = 32 << 30
KEPT_FREE = 1 << 30
WAIT_S = 30  # without a byte
CHUNK_BYTES = 1 << 20
FACTS = ".about.json"  # no file that is fetched has a name with a dot in front
TYPES = {"application/json": ".json", "application/x-ndjson": ".jsonl", "application/jsonl": ".jsonl"}
CHANGES = ("ETag", "etag", "LastModified", "last_modified", "updated", "mtime")  # what the stores call their stamps


def is_address(source: str) -> bool:
    """Whether a source lies on the web or in an object store."""
    return ADDRESS.match(source) is not None


def refuse_other(source: str) -> None:
    """Raises DataError for an address of a kind that is not read, such as ftp:// or file://, or that is not written."""
    if not OTHER.match(source) and OTHER.match(addresses.meant(source)):
        raise DataError(
            f"{source} stands for an address. Write it, with ${{NAME}} for its secrets: https://host/file?key=${{NAME}}.",
            where="data.source",
            expected="https://host/file?key=${NAME}",
            got=source,
            fix="write the address, and its secrets as ${NAME}",
        )
    if OTHER.match(source):
        kind = source.partition(":")[0]
        raise DataError(
            f"{addresses.shown(source)}: {kind}:// is not read. Give a path, https://, s3://, sqlite:/// or postgresql://.",
            where="data.source",
            expected="a path, https://, s3://, sqlite:/// or postgresql://",
            got=kind,
            fix="give the path" if kind.lower() == "file" else "download it and give the path",
        )


def fetched(source: str) -> tuple[Path, tuple[str, ...]]:
    """(file, notes): what lies at this address now; where it cannot be asked, what was fetched before.

    Raises DataError if it cannot be fetched, ends early or is too large.
    """
    place = cache.folder("downloads") / cache.key(source)
    before = manifest.read_json(place / FACTS) if (place / FACTS).is_file() else None
    old = place / before["file"] if before else None
    ask = _web if source.partition(":")[0].lower() in WEB else _store
    try:
        with cache.made(place) as fresh:
            now, name = ask(
                source, before["stamp"] if before and old and old.is_file() else None, fresh / _name(source)
            )
            manifest.write_json(fresh / FACTS, {"source": source, "stamp": now, "file": name})
    except _Unchanged:
        name = str(before and before["file"])
    except _Unreachable as error:
        if old is None or not old.is_file():
            raise _failed(source, str(error)) from None
        return old, (f"{addresses.shown(source)} cannot be reached ({error}): the copy fetched before is used.",)
    return place / name, ()


class _Unchanged(Exception):
    """The copy in the cache is what lies there."""


class _Unreachable(Exception):
    """Nobody answers, or the answer broke off."""


@dataclass(kw_only=True, slots=True)
class _Copy:
    """Bytes on their way to a file."""

    source: str
    target: Path

    def all_of(self, stream: IO[bytes], expected: int | None) -> None:
        """Copy it. Raises DataError when it is too large for what may be used, _Unreachable when it ends early."""
        most = min(MOST_BYTES, shutil.disk_usage(self.target.parent).free - KEPT_FREE)
        size = 0
        with self.target.open("wb") as file:
            while True:
                if max(size, expected or 0) > most:
                    raise DataError(
                        f"{addresses.shown(self.source)} is larger than {most / 1e6:,.0f} MB. Download what you need.",
                        where=addresses.shown(self.source),
                        expected=f"at most {most:,} bytes",
                        got=f"{max(size, expected or 0):,} bytes",
                        fix="download what you need",
                    )
                chunk = stream.read(CHUNK_BYTES)
                if not chunk:
                    break
                file.write(chunk)
                size += len(chunk)
        if expected is not None and size != expected:
            raise _Unreachable(f"it ended after {size:,} of {expected:,} bytes")


def _web(source: str, stamp: str | None, target: Path) -> tuple[str, str]:
    """(stamp, name) of what was fetched. Raises _Unchanged where the stamp is still right."""
    handlers: list[Callable[[], Any]] = [
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        _SaferRedirects,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
    ]
    opener = urllib.request.OpenerDirector()
    for handler in handlers:
        opener.add_handler(handler())
    try:
        with opener.open(_request(source, stamp), timeout=WAIT_S) as answer:
            heads = answer.headers
            length, kind = heads.get("Content-Length"), heads.get_content_type()
            target = target.with_name(_name_by(heads.get_filename(), kind, target.name))
            _Copy(source=source, target=target).all_of(answer, int(length) if length and length.isdigit() else None)
            _refuse_page(source, kind, target)
            return str(heads.get("ETag") or heads.get("Last-Modified") or ""), target.name
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 304:
            raise _Unchanged from None
        if 300 <= error.code < 400:
            raise _failed(source, f"it leads in a circle, or to a place that is not allowed ({error.code})") from None
        if error.code >= 500:
            raise _Unreachable(f"the server says {error.code} {error.reason}") from None
        hint = {401: "it needs a password", 403: "it may not be read", 404: "there is nothing", 410: "it is gone"}
        raise _failed(source, f"{hint.get(error.code, 'the server says')} ({error.code} {error.reason})") from None
    except (OSError, HTTPException, ValueError) as error:
        raise _Unreachable(_said(source, getattr(error, "reason", error))) from None


def _request(source: str, stamp: str | None) -> urllib.request.Request:
    address = urllib.parse.urlsplit(addresses.meant(source))
    host = address.netloc.rpartition("@")[2]
    path = urllib.parse.quote(address.path, safe="/%:@!$&'()*+,;=~-._")
    query = urllib.parse.quote(address.query, safe="/%:@!$&'()*+,;=~-._?")
    request = urllib.request.Request(urllib.parse.urlunsplit((address.scheme, host, path, query, "")))
    request.add_header("User-Agent", "feilun")
    if address.username:
        who = f"{urllib.parse.unquote(address.username)}:{urllib.parse.unquote(address.password or '')}"
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(who.encode()).decode())
    if stamp:
        request.add_header("If-Modified-Since" if "," in stamp else "If-None-Match", stamp)
    return request


class _SaferRedirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https only; the library would follow to ftp as well."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urllib.parse.urlsplit(newurl).scheme not in WEB:
            raise urllib.error.HTTPError(newurl, code, "leads to another kind of address", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _store(source: str, stamp: str | None, target: Path) -> tuple[str, str]:
    """The same from an object store; who may read is found out as its own tools do, from the environment."""
    import fsspec  # type: ignore[import-untyped]

    kind = source.partition(":")[0].lower()
    try:
        # A new one each time: kept ones remember the credentials and the address of the first time.
        system, path = fsspec.core.url_to_fs(addresses.meant(source), skip_instance_cache=True)
    except (ImportError, ModuleNotFoundError) as error:
        package = STORES[kind]
        raise MissingExtraError(
            f"{kind}:// needs the package {package}. Run: pip install {package}", fix=f"pip install {package}"
        ) from error
    try:
        about = system.info(path)
        if about.get("type") == "directory":
            raise _failed(source, "it is a folder; name a file or an archive in it")
        now = next((str(about[word]) for word in CHANGES if about.get(word)), "")
        if stamp and now == stamp:
            raise _Unchanged
        with system.open(path, "rb") as stream:
            _Copy(source=source, target=target).all_of(stream, about.get("size"))
    except (FileNotFoundError, PermissionError) as error:
        raise _failed(source, "there is nothing" if isinstance(error, FileNotFoundError) else "access denied") from None
    except (DataError, _Unchanged, _Unreachable):
        raise
    except Exception as error:  # each store's library has errors of its own
        raise _Unreachable(_said(source, error)) from None
    return now, target.name


def _refuse_page(source: str, kind: str, file: Path) -> None:
    with file.open("rb") as content:
        head = content.read(512).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if kind == "text/html" or head.startswith((b"<!doctype html", b"<html")):  # a login, whatever it calls itself
        raise DataError(
            f"{addresses.shown(source)} is a web page and no data. Use the link behind its download button.",
            where=addresses.shown(source),
            expected="a file of data",
            got="a web page",
            fix="use the link of the file itself",
        )


def _failed(source: str, why: str) -> DataError:
    return DataError(
        f"{addresses.shown(source)} cannot be fetched: {why}. Check the address, or download it and give the path.",
        where=addresses.shown(source),
        got=why,
        fix="check the address",
    )


def _said(source: str, error: object) -> str:
    """The error in one line, without the secrets of the address."""
    return addresses.without_secrets(str(error), source)[:200] or type(error).__name__


def _name(source: str) -> str:
    """The name of the file, whose ending tells what it is."""
    with_secrets = urllib.parse.urlsplit(re.sub(r"\$\{[^}]*\}", "", source))
    return _safe(urllib.parse.unquote(with_secrets.path.rstrip("/").rpartition("/")[2])) or "data"


def _name_by(said: str | None, kind: str, address: str) -> str:
    """What the server calls the file, where it says so; else the address's name, with an ending where it has none."""
    if said and _safe(said):
        return _safe(said)
    return address if Path(address).suffix else address + TYPES.get(kind, "")


def _safe(name: str) -> str:
    return re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", name)[-100:].strip(". ")
