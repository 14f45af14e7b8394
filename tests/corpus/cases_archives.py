"""Archives: those that escape, explode, lie about themselves, or hold nothing."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from broken import QUICK, Case, all_of, columns, data, table, text

TABLE = table(120).encode()


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return out.getvalue()


def tarred(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    """A tar of these members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """A tar member of any kind."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def rows(told: dict[str, Any], folder: Path) -> None:
    """All rows were read."""
    assert columns(told)["y"]["rows"] == 120


def case(name: str, file: str, content: bytes, *says: str, fine: bool = False) -> Case:
    """A recipe over an archive."""
    recipe = text("r.yaml", f"data: {{source: {file}}}\ntarget: y\n")
    made = all_of(data(file, content), recipe)
    if fine:
        return Case(name=name, make=made, words=("check", "r.yaml"), code=0, right=rows)
    return Case(name=name, make=made, words=("run", "r.yaml", *QUICK), says=says or (file,))


CASES = [
    case("zip: a table", "a.zip", zipped({"t.csv": TABLE}), fine=True),
    case("zip: a table in a folder with a Chinese name", "a.zip", zipped({"数据/表.csv": TABLE}), fine=True),
    case("tar.gz: a table", "a.tar.gz", tarred((member("t.csv"), TABLE)), fine=True),
    case("tar: a table", "a.tar", tarred((member("d/t.csv"), TABLE), mode="w"), fine=True),
    case("gz: a table", "t.csv.gz", gzip.compress(TABLE), fine=True),
    case("zip: escapes upwards", "a.zip", zipped({"../../out.csv": TABLE}), "../../out.csv"),
    case("zip: escapes by an absolute path", "a.zip", zipped({"/tmp/feilun-out.csv": TABLE}), "/tmp/feilun-out.csv"),
    case("zip: escapes by backslashes", "a.zip", zipped({"..\\..\\out.csv": TABLE}), "out.csv"),
    case("zip: a bomb", "a.zip", zipped({"t.csv": b"0" * 300_000_000}), "a.zip"),
    case("zip: nothing in it", "a.zip", zipped({}), "a.zip"),
    case("zip: cut off", "a.zip", zipped({"t.csv": TABLE})[:200], "a.zip"),
    case("zip: only a note", "a.zip", zipped({"readme.md": b"hello"}), "a.zip"),
    case("zip: two tables", "a.zip", zipped({"one.csv": TABLE, "two.csv": TABLE}), "one.csv"),
    case("zip: a zip in a zip", "a.zip", zipped({"b.zip": zipped({"t.csv": TABLE})}), "b.zip"),
    case("zip: a hundred thousand members", "a.zip", zipped({f"{i}.txt": b"" for i in range(100_001)}, 0), "a.zip"),
    case("tar: a link out", "a.tar", tarred((member("l", tarfile.SYMTYPE, "/etc/passwd"), b""), mode="w"), "link"),
    case("tar: a hard link", "a.tar", tarred((member("l", tarfile.LNKTYPE, "../x"), b""), mode="w"), "link"),
    case("tar: a device", "a.tar", tarred((member("d", tarfile.CHRTYPE), b""), mode="w"), "d"),
    case("tar: escapes upwards", "a.tar", tarred((member("../out.csv"), TABLE), mode="w"), "../out.csv"),
    case("gz: cut off", "t.csv.gz", gzip.compress(TABLE)[:60], "t.csv.gz"),
    case("gz: a bomb", "t.csv.gz", gzip.compress(b"0" * 300_000_000), "t.csv.gz"),
]
