"""What lies in a bundle's folder, and the seal that makes every changed bit visible: manifest.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feilun.core import manifest as files
from feilun.core.errors import InputError, IntegrityError

SCHEMA = 1
MANIFEST = files.FILE
FEATURES = "features.json"
RECIPE = "recipe.yaml"
CARD = "card.md"
WEIGHTS = "weights.safetensors"
ADAPTER = "adapter"
PREDICT = "predict.py"
GRAPHS = "graphs"
CODE = "code"


def write(folder: Path, facts: Mapping[str, Any]) -> None:
    """Seal the folder: hash every file in it, then the manifest itself. Last act of packing."""
    sealed = {"schema": SCHEMA, **facts, "files": files.hash_files(folder)}
    sealed["sha256"] = files.hash_json(sealed)
    files.write_bytes(folder / MANIFEST, spelling(sealed))


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a bundle whose every file is, byte for byte, what was packed.

    Raises InputError if there is no bundle or a newer Feilun made it, IntegrityError if anything was changed,
    added or taken away. Reads files, runs nothing.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(
            f"There is no bundle in {folder}: {MANIFEST} is missing. Give the folder that `feilun run` packed.",
            where=str(folder),
            expected="a folder with manifest.json, graphs/ and features.json",
            fix="give the folder that `feilun run` packed, usually <home>/<name>/<number>/deployment/bundle",
        )
    found = _parsed(path)
    if found.get("schema") != SCHEMA:
        raise InputError(
            f"{folder} has bundle schema {found.get('schema')!r}; this version reads {SCHEMA}.",
            where=str(path),
            expected=str(SCHEMA),
            got=str(found.get("schema")),
            fix="install the version of feilun that made it, or run the recipe again",
        )
    _same_files(folder, found["files"])
    files.verify(folder, found["files"])
    return found


def read_features(folder: Path) -> dict[str, dict[str, Any]]:
    """{feature name: {kind, ...}} of a verified bundle."""
    return dict(files.read_json(folder / FEATURES))


def spelling(manifest: Mapping[str, Any]) -> bytes:
    """The one accepted spelling of a manifest, so that even a flipped letter case is seen."""
    return (json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _parsed(path: Path) -> dict[str, Any]:
    """The manifest if it carries its own hash. Only then is anything in it looked at."""
    raw = path.read_bytes()
    try:
        found = json.loads(raw)
        rest = {key: value for key, value in found.items() if key != "sha256"}
        intact = spelling(found) == raw and found.get("sha256") == files.hash_json(rest)
    except (ValueError, AttributeError, RecursionError):
        intact = False
    if not intact:
        raise IntegrityError(
            f"{path} is not what was written: its own hash does not fit. Restore the folder, or run again.",
            where=str(path),
            fix="restore the folder from a copy, or run the recipe again",
        )
    return dict(found)


def _same_files(folder: Path, listed: Mapping[str, Any]) -> None:
    """Exactly the listed files, none of them a link."""
    present = set()
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise _changed(path, "is a link")
        if not path.is_dir() and path != folder / MANIFEST:
            present.add(path.relative_to(folder).as_posix())
    for name in sorted(present - set(listed)):
        raise _changed(folder / name, "was added after packing")
    for name in sorted(set(listed) - present):
        raise _changed(folder / name, "is missing")


def _changed(path: Path, what: str) -> IntegrityError:
    return IntegrityError(
        f"{path} {what}. A bundle is opened only as it was packed: restore it from a copy, or run the recipe again.",
        where=str(path),
        fix="restore the folder from a copy, or run the recipe again",
    )
