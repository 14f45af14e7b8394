"""Zip, tar and packed files are read like what they hold; those that lead out, hide or grow are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feilun.core.errors import DataError
from feilun.core.recipe import Recipe
from feilun.parts.delimited import archive
from feilun.stages.data.reading import pictures, raw, sources

TABLE = b"a,y\n1,p\n2,q\n"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEILUN_CACHE", str(tmp_path / "cache"))


def read(folder: Path, source: str, **data: Any) -> raw.Raw:
    return sources.read(Recipe.model_validate({"data": {"source": source, **data}}), folder)


def zipped(path: Path, members: dict[str, bytes], **how: Any) -> Path:
    with zipfile.ZipFile(path, "w", **how) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def tarred(path: Path, members: dict[str, bytes | tarfile.TarInfo], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = 0 if isinstance(content, tarfile.TarInfo) else len(content)
            file.addfile(info, None if isinstance(content, tarfile.TarInfo) else io.BytesIO(content))
    return path


def left_over(folder: Path) -> list[Path]:
    """Files that reading left anywhere but in the archive's own folder of the cache."""
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("w.")]


@pytest.mark.parametrize(
    ("name", "pack"),
    [("t.csv.gz", gzip.compress), ("t.tsv.bz2", bz2.compress), ("t.csv.xz", lzma.compress), ("t.gz", gzip.compress)],
)
def test_one_packed_file(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / name).write_bytes(pack(TABLE))
    found = read(tmp_path, name)
    assert found.table.to_pydict() == {"a": ["1", "2"], "y": ["p", "q"]}
    assert found.name.endswith(name)
    (tmp_path / name).write_bytes(pack(TABLE + b"3,r,s\n"))
    with pytest.raises(DataError, match=rf"{name}:4: this row has 3 cells") as caught:
        read(tmp_path, name)
    assert "cache" not in str(caught.value)


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:xz"])
def test_tables_with_splits(tmp_path: Path, mode: str) -> None:
    members: dict[str, Any] = {"数据/train.csv": TABLE, "数据/test.csv": b"y,a\np,3\n", "数据/.DS_Store": b"x"}
    path = tmp_path / "both"
    zipped(path, members) if mode == "zip" else tarred(path, members, mode)
    found = read(tmp_path, "both")
    assert found.table.to_pydict() == {"a": ["1", "2", "3"], "y": ["p", "q", "p"]}
    assert (found.given >= 0).tolist() == [False, False, True]
    zipped(tmp_path / "bad.zip", {"train.csv": TABLE + b"1\n", "test.csv": TABLE})
    with pytest.raises(DataError, match=r"bad\.zip/train\.csv:4"):
        read(tmp_path, "bad.zip")


def test_pictures_by_class_and_by_name(tmp_path: Path) -> None:
    png = pictures.to_png(np.zeros((3, 3), np.uint8))
    zipped(tmp_path / "p.zip", {"pets/cats/1.png": png, "pets/dogs/1.png": png, "__MACOSX/pets/x": b"noise"})
    assert read(tmp_path, "p.zip").table.column("label").to_pylist() == ["cats", "dogs"]
    zipped(tmp_path / "t.zip", {"t.csv": b"f,y\nimg/1.png,p\nimg/2.png,q\n", "img/1.png": png, "img/2.png": png})
    found = read(tmp_path, "t.zip")
    assert found.folder is not None and (found.folder / "img" / "1.png").read_bytes() == png


def test_names_from_chinese_windows(tmp_path: Path) -> None:
    path = zipped(tmp_path / "c.zip", {"xx.csv": TABLE, "zz.txt": b"."})
    path.write_bytes(path.read_bytes().replace(b"xx.csv", "评".encode("gb18030") + b".csv"))
    with pytest.raises(DataError, match=r"zz\.txt, 评\.csv: it is not clear.*c\.zip/zz\.txt"):
        read(tmp_path, "c.zip")
    assert read(tmp_path, "c.zip/评.csv").table.num_rows == 2
    recipe = Recipe.model_validate({"data": {"source": "c.zip/评.csv"}})
    assert sources.paths(recipe, tmp_path)[0].name == "c.zip"
    with pytest.raises(
        DataError, match=r"no file or folder .*c\.zip/zy\.txt\. Did you mean .*c\.zip/zz\.txt"
    ) as caught:
        read(tmp_path, "c.zip/zy.txt")
    assert "cache" not in str(caught.value)
    zipped(tmp_path / "d.zip", {"outer/a.csv": TABLE, "outer/b.csv": TABLE})
    for name in ("d.zip/a.csv", "d.zip/outer/a.csv"):
        assert read(tmp_path, name).table.num_rows == 2


@pytest.mark.parametrize("name", ["../out.csv", "/tmp/out.csv", "a/../../out.csv", "..\\out.csv", "C:\\out.csv"])
def test_names_that_lead_out(tmp_path: Path, name: str) -> None:
    for path in (zipped(tmp_path / "w.zip", {name: TABLE}), tarred(tmp_path / "w.tar", {name: TABLE})):
        with pytest.raises(DataError, match="leads out of its folder"):
            read(tmp_path, path.name)
    assert left_over(tmp_path) == []


def test_links_and_devices(tmp_path: Path) -> None:
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        info = tarfile.TarInfo("a.csv")
        info.type, info.linkname = kind, "/etc/passwd"
        tarred(tmp_path / "w.tar", {"a.csv": info})
        with pytest.raises(DataError, match="is a link or device"):
            read(tmp_path, "w.tar")
    link = zipfile.ZipInfo("a.csv")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="is a link or device"):
        read(tmp_path, "w.zip")
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("kind", ["zip", "gz", "tar.gz", "tar.xz"])
def test_bombs_are_refused_before_they_fill_the_disk(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "ANY_RATIO_BYTES", 1 << 20)
    zeros, path = bytes(20 << 20), tmp_path / f"w.{kind}"
    if kind == "zip":
        zipped(path, {"a.csv": zeros}, compression=zipfile.ZIP_DEFLATED)
    elif kind == "gz":
        path.write_bytes(gzip.compress(zeros))
    else:
        tarred(path, {"a.csv": zeros}, f"w:{kind[4:]}")
    with pytest.raises(DataError, match="it unpacks to more than"):
        read(tmp_path, path.name)
    assert left_over(tmp_path) == []


def test_a_zip_that_lies_about_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "ANY_RATIO_BYTES", 1 << 20)
    path = zipped(tmp_path / "w.zip", {"a.csv": bytes(20 << 20)}, compression=zipfile.ZIP_DEFLATED)
    path.write_bytes(path.read_bytes().replace((20 << 20).to_bytes(4, "little"), (99).to_bytes(4, "little")))
    with pytest.raises(DataError, match=r"damaged|it unpacks to more than"):
        read(tmp_path, "w.zip")
    assert left_over(tmp_path) == []


def test_too_many_files_nested_encrypted_and_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = zipped(tmp_path / "w.inner", {"a.csv": TABLE}).read_bytes()
    cases: list[tuple[str, bytes, str]] = [
        ("w.zip", zipped(tmp_path / "w.1", {"in.zip": inner}).read_bytes(), "archive in an archive"),
        ("w.csv.gz", gzip.compress(gzip.compress(TABLE)), "archive in an archive"),
        ("w.zip", zipped(tmp_path / "w.2", {"in.csv": inner}).read_bytes(), "is an archive, too"),
        ("w.zip", inner[:-30], "damaged"),
        ("w.zip", inner.replace(TABLE, b"A" + TABLE[1:]), "damaged"),
        ("w.csv.gz", gzip.compress(TABLE)[:-9], "damaged"),
        ("w.csv.xz", lzma.compress(TABLE)[:-9], "damaged"),
        ("w.tar", tarred(tmp_path / "w.3", {"a.csv": TABLE}).read_bytes()[:600], r"damaged|ends"),
        ("w.zip", zipped(tmp_path / "w.4", {}).read_bytes(), "holds no files"),
        ("w.zip", zipped(tmp_path / "w.5", {"a.csv": TABLE, "a.csv/b.csv": TABLE}).read_bytes(), "cannot be written"),
    ]
    flagged = bytearray(inner)
    flagged[6] |= 1
    flagged[inner.index(b"PK\x01\x02") + 8] |= 1
    cases.append(("w.zip", bytes(flagged), "is encrypted"))
    for name, content, words in cases:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=words):
            read(tmp_path, name)
    monkeypatch.setattr(archive, "MOST_FILES", 3)
    zipped(tmp_path / "w.zip", {f"{at}.csv": TABLE for at in range(9)})
    with pytest.raises(DataError, match="more than 3 files"):
        read(tmp_path, "w.zip")
