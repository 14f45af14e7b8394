"""Pascal VOC: an XML file of boxes a picture, in Annotations/, the pictures in JPEGImages/ (Everingham et al. 2010)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.stages.data.reading import boxed, raw

MARKS, PICTURES, SETS = "Annotations", ("JPEGImages", "images", "."), "ImageSets/Main"
GIVEN = {"train": ("train", "trainval"), "validation": ("val",), "test": ("test",)}
EDGES = ("xmin", "ymin", "xmax", "ymax")
FIRST = 1.0  # VOC counts pixels from 1


def is_voc(folder: Path) -> bool:
    """Whether a folder is of this form."""
    return (folder / MARKS).is_dir() and any((folder / MARKS).glob("*.xml"))


def splits(folder: Path) -> dict[str, list[str]]:
    """{split: names of its pictures} where lists say so; {} where all are to be dealt."""
    found = {}
    for split, words in GIVEN.items():
        path = next(
            (folder / SETS / f"{word}.txt" for word in words if (folder / SETS / f"{word}.txt").is_file()), None
        )
        if path is not None:
            found[split] = [line.split()[0] for line in path.read_text("utf-8", "replace").splitlines() if line.strip()]
    return found if "train" in found else {}


def read(folder: Path, data: Data, most: raw.Most, names: list[str] | None = None) -> raw.Raw:
    """A row a picture, of all of them or of these names. Raises DataError for a file of another form."""
    files = sorted((folder / MARKS).glob("*.xml"))
    wanted = files if names is None else [folder / MARKS / f"{name}.xml" for name in names]
    looked = [folder / place for place in PICTURES]
    there = boxed.beside([place for place in looked if place.is_dir()])
    found, absent = [], []
    for path in wanted:
        with raw.opened(path):
            named, boxes = _of(path)
        picture = there.get(Path(named).name) or there.get(path.stem)
        if picture is None:
            absent.append(named or path.stem)
        else:
            found.append((picture, boxes))
    if absent:
        raise boxed.missing(folder, absent, looked)
    return boxed.table(folder, found, most, ())


def _of(path: Path) -> tuple[str, list[dict[str, Any]]]:
    content = path.read_bytes()
    try:
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise ValueError("it declares entities, which are not read")
        root = ElementTree.fromstring(content)
        boxes = []
        for one in root.iter("object"):
            edges = [float(one.findtext(f"bndbox/{edge}") or "nan") for edge in EDGES]
            first = [edge - FIRST for edge in edges[:2]]
            boxes.append({"label": (one.findtext("name") or "").strip(), "box": [*first, *edges[2:]]})
    except (ValueError, ElementTree.ParseError) as error:
        raise DataError(
            f"{path} is not in VOC's form: {str(error)[:100]}. Expected an <annotation> of <object>s, each with its "
            "<name> and <bndbox>.",
            where=str(path),
            expected="an annotation of Pascal VOC",
            got=str(error)[:80],
            fix="export it again as Pascal VOC",
        ) from error
    return root.findtext("filename") or "", boxes
