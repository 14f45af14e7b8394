"""COCO: pictures, boxes and labels in one JSON file, the pictures beside it (Lin et al. 2014)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.parts.delimited import encoding
from feilun.stages.data.reading import boxed, raw

KEYS = ("images", "annotations", "categories")
FORM = '{"images": [{"id", "file_name"}], "annotations": [{"image_id", "category_id", "bbox": [x, y, width, height]}], '
FORM += '"categories": [{"id", "name"}]}'
START = 4096  # letters at both ends of a file in which its form shows


def is_coco(path: Path) -> bool:
    """Whether a JSON file is of this form: an object whose first keys are COCO's."""
    with raw.opened(path), path.open("rb") as file:
        head = file.read(START)
    return head.lstrip()[:1] == b"{" and any(f'"{key}"'.encode() in head for key in (*KEYS[:2], "info")) and _has(path)


def read(path: Path, data: Data, most: raw.Most) -> raw.Raw:
    """A row a picture. Groups (`iscrowd`) are no boxes.

    Raises DataError for another form, or a picture that is missing.
    """
    with raw.opened(path):
        content = encoding.text_of(path, data.encoding)
    try:
        whole = json.loads(content)
        names = {one["id"]: str(one["name"]) for one in whole["categories"]}
        pictures = {one["id"]: str(one["file_name"]) for one in whole["images"]}
        boxes, notes = _boxes(path, whole["annotations"], names, pictures)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path} is not in COCO's form ({type(error).__name__}: {str(error)[:80]}). Expected {FORM}.",
            where=str(path),
            expected=FORM,
            got=str(error)[:80],
            fix="export it again as COCO",
        ) from error
    looked = [path.parent / path.stem, path.parent / "images", path.parent.parent / "images", path.parent]
    there = boxed.beside([folder for folder in looked if folder.is_dir()])
    found = {key: there.get(Path(name).name) for key, name in pictures.items()}
    absent = [pictures[key] for key, place in found.items() if place is None]
    if absent:
        raise boxed.missing(path, absent, looked)
    rows = [(place, boxes.get(key, [])) for key, place in found.items() if place is not None]
    return boxed.table(path, rows, most, notes)


def _boxes(
    path: Path, marks: Sequence[Mapping[str, Any]], names: Mapping[Any, str], pictures: Mapping[Any, str]
) -> tuple[dict[Any, list[dict[str, Any]]], list[str]]:
    """{picture: its boxes}, and what was left aside."""
    found: dict[Any, list[dict[str, Any]]] = {}
    left: Counter[str] = Counter()
    for mark in marks:
        x, y, width, height = map(float, mark["bbox"])
        if mark.get("iscrowd"):
            left["that stand for groups (iscrowd)"] += 1
        elif width <= 0 or height <= 0:
            left["without width or height"] += 1
        elif mark["image_id"] not in pictures:
            left["of pictures that are not listed"] += 1
        else:
            box = {"label": names[mark["category_id"]], "box": [x, y, x + width, y + height]}
            found.setdefault(mark["image_id"], []).append(box)
    return found, [f"{path.name}: {count} boxes {why} are left aside." for why, count in left.items()]


def _has(path: Path) -> bool:
    with path.open("rb") as file:
        content = file.read()
    return all(f'"{key}"'.encode() in content for key in KEYS)
