"""Where downloads and unpacked archives are kept: the folder named by FEILUN_CACHE, or the user's cache folder."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feilun.core.errors import InputError
from feilun.parts.ops import cache_folder


def folder(kind: str) -> Path:
    """The folder for things of this kind, made if needed. Raises InputError where it cannot be."""
    place = cache_folder.place(kind)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{place} cannot be made: {error.strerror}. Set {cache_folder.VARIABLE} to a folder that may be written.",
            where=str(place),
            fix=f"export {cache_folder.VARIABLE}=FOLDER",
        ) from error
    return place


def key(text: str) -> str:
    """A short name for something that is kept."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


@contextmanager
def made(place: Path) -> Iterator[Path]:
    """A fresh folder that becomes `place` when all went well, at once; nothing is left of one that failed."""
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".making-", dir=place.parent))
    try:
        yield fresh
        if place.exists():  # somebody else was faster, or it is to be replaced
            old = Path(tempfile.mkdtemp(prefix=".old-", dir=place.parent)) / "was"
            place.rename(old)
            fresh.rename(place)
            shutil.rmtree(old.parent, ignore_errors=True)
        else:
            fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
