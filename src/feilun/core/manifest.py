"""What a stage made: inputs, recipe, code, versions, files with SHA-256, scores, cost. Written last, atomically."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from feilun.core.errors import IntegrityError

FILE = "manifest.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """The record of one finished stage. `key` is the hash of everything the result depends on."""

    kind: str
    key: str
    inputs: Mapping[str, str] = field(default_factory=dict)  # earlier stage -> its key
    recipe: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # path -> {sha256, size_bytes}
    parent: str = ""  # the bundle whose feedback this grew from
    scores: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)  # what later stages and people want to know
    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of all threads, and of processes that were started and have ended
    peak_memory_mb: float = 0.0
    machine: Mapping[str, str] = field(default_factory=dict)  # what it was made by and on; decides nothing


def read(folder: Path) -> Manifest | None:
    """The manifest of a stage's folder, or None if the stage did not finish."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise IntegrityError(f"{path} is damaged: {error}. Delete {folder} and run again.", where=str(path)) from error


def write(folder: Path, manifest: Manifest) -> None:
    """Last act of a stage: after this it is finished, before it is not."""
    write_json(folder / FILE, asdict(manifest))


def hash_files(folder: Path) -> dict[str, dict[str, Any]]:
    """{relative path: {sha256, size_bytes}} of every file in the folder but the manifest itself."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / FILE)
    return {
        path.relative_to(folder).as_posix(): {"sha256": hash_file(path), "size_bytes": path.stat().st_size}
        for path in paths
    }


def verify(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises IntegrityError if a listed file is missing or is not, byte for byte, what was written."""
    for name, facts in files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != facts["size_bytes"] or hash_file(path) != facts["sha256"]:
            raise IntegrityError(
                f"{path} is not what was written (SHA-256 or size differs). Restore it from a copy, or run again.",
                where=str(path),
                expected=str(facts["sha256"]),
                fix="restore the folder, or run again",
            )


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_json(value: Any) -> str:
    """SHA-256 of a JSON value in one fixed spelling. Half surrogate pairs, legal in JSON, are hashed as they are."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def read_json(path: Path) -> Any:
    """JSON from a file of ours. Raises IntegrityError if it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise IntegrityError(f"{path} is damaged: {error}. Delete it and run again.", where=str(path)) from error


def write_json(path: Path, value: Any) -> None:
    """JSON for people and machines, written atomically."""
    write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n").encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Atomic and durable: temporary file, fsync, rename, fsync of the folder. On a full disk the old file stays."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")  # not mkstemp: only its owner may read its files
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in this folder durable. Windows cannot open folders; there the rename itself is durable enough."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
