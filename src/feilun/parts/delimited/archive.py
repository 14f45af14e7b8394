"""Archives (zip, tar, and gz, bz2 or xz of one file) unpacked into the cache: nothing leaves its folder, no bomb.

Refused: names that lead out, links, devices, encrypted and nested archives, and more files, bytes or bytes per packed
byte than a data set has. What is counted are the bytes that come out, not those that the archive says it holds.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from feilun.core.errors import DataError
from feilun.core.manifest import hash_file
from feilun.parts.delimited import cache

MOST_FILES = 500_000
MOST_BYTES = 32 << 30
MOST_RATIO = 200  # bytes out of a packed byte; tables of mostly zeros reach 100
ANY_RATIO_BYTES = 256 << 20  # below this a high ratio harms nobody
KEPT_FREE = 1 << 30  # bytes of the disk that stay free
CHUNK_BYTES = 1 << 20
LONGEST_READ = 64 << 20  # tar's own headers are read in one piece
NESTED = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".7z", ".rar", ".tar.gz", ".tar.bz2", ".tar.xz")
PACKED: dict[bytes, tuple[str, Callable[..., Any]]] = {
    b"\x1f\x8b": (".gz", gzip.open),
    b"BZh": (".bz2", bz2.open),
    b"\xfd7zXZ\x00": (".xz", lzma.open),
}
BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
)


def is_archive(path: Path) -> bool:
    """Whether this file is an archive that `unpacked` opens, by its first bytes. NPZ and Office files are none."""
    if path.suffix.lower() in (".npz", ".xlsx", ".xlsm", ".docx", ".pptx", ".ods", ".jar", ".whl", ".pt", ".pth"):
        return False
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)
    return head.startswith(tuple(PACKED)) or head[257:262] == b"ustar"


def unpacked(path: Path) -> Path:
    """What the archive holds: a folder, or its only file. It is unpacked once for each content.

    Raises DataError naming the member that is refused, or what is damaged.
    """
    return _inside(_whole(path))


def member(path: Path, name: Path) -> tuple[Path, Path]:
    """(place of a member, place of the archive's content), both in the cache; outer folders may be left out."""
    whole = _whole(path)
    inside = _inside(whole)
    root = inside.parent if inside.is_file() else inside
    for place in (root, whole):
        if (place / name).exists():
            return place / name, place
    return root / name, root


def renamed(error: DataError, inner: Path, name: str) -> DataError:
    """The error about something in the cache, told with the name that the user gave."""
    told = {key: getattr(error, key).replace(str(inner), name) for key in ("where", "expected", "got", "fix")}
    return DataError(str(error).replace(str(inner), name), **told)


@dataclass(kw_only=True, slots=True)
class _Filling:
    """A folder that is filled from one archive, and how much went in."""

    path: Path
    folder: Path
    packed: int
    files: int = 0
    size: int = 0
    most: int = field(init=False)

    def __post_init__(self) -> None:
        free = shutil.disk_usage(self.folder).free - KEPT_FREE
        self.most = max(0, min(MOST_BYTES, free, max(ANY_RATIO_BYTES, MOST_RATIO * self.packed)))

    def add(self, name: str, source: IO[bytes]) -> None:
        """Write one member. Raises DataError where its name leads out or the archive grows too large."""
        if name.lower().endswith(NESTED):
            raise self.refusal(f"{name} is an archive in an archive", "unpack it and pack its content")
        target = self.folder.joinpath(*self.parts(name))
        self.files += 1
        if self.files > MOST_FILES:
            raise self.refusal(f"it holds more than {MOST_FILES:,} files", "pack fewer files")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("xb") as file:
                while chunk := source.read(CHUNK_BYTES):
                    self.grow(len(chunk))
                    file.write(chunk)
        except FileExistsError as error:
            raise self.refusal(f"{name} is in it twice", "pack it again") from error

    def grow(self, size: int) -> None:
        """Count bytes before they are written."""
        self.size += size
        if self.size > self.most:
            raise self.refusal(
                f"it unpacks to more than {self.most / 1e6:,.0f} MB out of {self.packed / 1e6:,.1f} MB",
                "if that is right, unpack it yourself and name the folder",
            )

    def parts(self, name: str) -> list[str]:
        """The steps of a member's path. Raises DataError if it leads out of the folder."""
        steps = name.replace("\\", "/").split("/")
        if name.startswith(("/", "\\")) or ".." in steps or ":" in steps[0] or "\x00" in name:
            raise self.refusal(f"{name[:80]!r} leads out of its folder", "do not use this archive; ask who made it")
        steps = [step for step in steps if step not in ("", ".")]
        if not steps or max(len(step.encode("utf-8", "replace")) for step in steps) > 255 or len(steps) > 50:
            raise self.refusal(f"{name[:80]!r} is no name for a file", "pack it again")
        return steps

    def refusal(self, what: str, fix: str) -> DataError:
        """The error for an archive that is not unpacked."""
        return DataError(
            f"{self.path} is not unpacked: {what}. Please {fix}.", where=str(self.path), got=what[:200], fix=fix
        )


@dataclass(kw_only=True, slots=True)
class _Counted:
    """A stream whose bytes count while tar reads them, its own headers and skipped members too."""

    source: IO[bytes]
    filling: _Filling
    size: int = 0

    def read(self, size: int = -1) -> bytes:
        if size > LONGEST_READ:
            raise self.filling.refusal("one of its headers is larger than any is", "pack it again")
        content = self.source.read(size)
        self.size += len(content)
        if self.size > 2 * self.filling.most + ANY_RATIO_BYTES:
            raise self.filling.refusal("it never ends", "pack it again")
        return content


def _whole(path: Path) -> Path:
    """The folder in the cache that holds everything, filled where it is not there yet."""
    place = cache.folder("archives") / hash_file(path)[:24]
    if not place.is_dir():
        with cache.made(place) as fresh:
            _unpack(path, _Filling(path=path, folder=fresh, packed=path.stat().st_size))
    return place


def _unpack(path: Path, filling: _Filling) -> None:
    with path.open("rb") as file:
        head = file.read(512)
    try:
        packed = next((of for start, of in PACKED.items() if head.startswith(start)), None)
        if head.startswith(b"PK"):
            _zip(path, filling)
        elif packed is None:
            with path.open("rb") as file:
                _tar(file, filling)
        else:
            with packed[1](path, "rb") as file:
                inner = file.read(512)
            with packed[1](path, "rb") as file:
                _tar(file, filling) if inner[257:262] == b"ustar" else _single(path, packed[0], inner, file, filling)
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, gzip.BadGzipFile):
            said = error.strerror or str(error)
            raise filling.refusal(f"it cannot be written ({said})", "see that the cache folder has room") from error
        raise DataError(
            f"{path} is damaged: {' '.join(str(error).split())[:200] or type(error).__name__}. Get it again.",
            where=str(path),
            fix="get it again",
        ) from error
    if not filling.files:
        raise DataError(f"{path} holds no files. Pack it again.", where=str(path), got="no files", fix="pack it again")


def _zip(path: Path, filling: _Filling) -> None:
    with zipfile.ZipFile(path) as archive:
        if "[Content_Types].xml" in archive.namelist():
            raise filling.refusal("it is an Excel workbook or another Office file", "save it as CSV in UTF-8")
        for member in archive.infolist():
            name = _zip_name(member)
            if member.is_dir() or _is_noise(name):
                continue
            if member.flag_bits & 1:
                raise filling.refusal(f"{name} is encrypted", "pack it without a password")
            kind = (member.external_attr >> 16) & 0o170000
            if kind not in (0, 0o100000):
                raise filling.refusal(f"{name} is a link or device", "pack the file itself")
            filling.parts(name)
            with archive.open(member) as source:
                filling.add(name, source)


def _zip_name(member: zipfile.ZipInfo) -> str:
    """The name as it was meant: zips made on Chinese Windows hold GBK, which reads as code page 437."""
    if member.flag_bits & 0x800 or member.filename.isascii():
        return member.filename
    try:
        plain = member.filename.encode("cp437")
    except UnicodeEncodeError:
        return member.filename
    for code in ("utf-8", "gb18030"):
        try:
            return plain.decode(code)
        except UnicodeDecodeError:
            continue
    return member.filename


def _tar(file: IO[bytes], filling: _Filling) -> None:
    with tarfile.open(fileobj=_Counted(source=file, filling=filling), mode="r|") as archive:  # type: ignore[call-overload]
        for member in archive:
            if member.isdir() or _is_noise(member.name):
                continue
            if not member.isreg():
                raise filling.refusal(f"{member.name[:80]!r} is a link or device", "pack the file itself")
            filling.parts(member.name)
            source = archive.extractfile(member)
            if source is not None:
                filling.add(member.name, source)


def _single(path: Path, suffix: str, head: bytes, file: IO[bytes], filling: _Filling) -> None:
    """One packed file, such as my.csv.gz."""
    if head.startswith((b"PK\x03\x04", *PACKED)):
        raise filling.refusal("it is an archive in an archive", "unpack it once")
    name = path.name[: -len(suffix)] if path.name.lower().endswith(suffix) else path.name
    filling.add(name or "data", file)


def _is_noise(name: str) -> bool:
    """What systems leave behind in archives."""
    steps = name.replace("\\", "/").split("/")
    return "__MACOSX" in steps or steps[-1] in (".DS_Store", "Thumbs.db", "desktop.ini")


def _inside(place: Path) -> Path:
    """Below folders that hold one folder and nothing else; the file where there is only one."""
    while True:
        entries = list(_shown(place))
        if len(entries) != 1:
            return place
        if entries[0].is_file():
            return entries[0]
        place = entries[0]


def _shown(folder: Path) -> Iterator[Path]:
    return (entry for entry in folder.iterdir() if not entry.name.startswith("."))
