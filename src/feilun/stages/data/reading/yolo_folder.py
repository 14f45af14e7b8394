"""YOLO: a text file of boxes a picture, in labels/, the pictures in images/, the labels' names in data.yaml."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from feilun.core import yaml12
from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.stages.data.reading import boxed, pictures, raw

PICTURES, MARKS, NAMES = "images", "labels", ("data.yaml", "dataset.yaml", "classes.txt", "obj.names")
GIVEN = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}


def is_yolo(folder: Path) -> bool:
    """Whether a folder is of this form: images/ and labels/, or train/images and train/labels."""
    return any((folder / outer / MARKS).is_dir() and (folder / outer / PICTURES).is_dir() for outer in (".", "train"))


def splits(folder: Path) -> dict[str, tuple[Path, Path]]:
    """{split: (its pictures, its labels)}, images/train or train/images; {"train": all} where there are none."""
    found = dict[str, tuple[Path, Path]]()
    for split, words in GIVEN.items():
        for word in words:
            for one, two in ((f"{PICTURES}/{word}", f"{MARKS}/{word}"), (f"{word}/{PICTURES}", f"{word}/{MARKS}")):
                if (folder / one).is_dir() and (folder / two).is_dir():
                    found.setdefault(split, (folder / one, folder / two))
    return found or {"train": (folder / PICTURES, folder / MARKS)}


def read(folder: Path, data: Data, most: raw.Most, places: tuple[Path, Path]) -> raw.Raw:
    """A row a picture; one without a file of labels has no box. Raises DataError for a line of another form."""
    names, found = _names(folder), []
    files = sorted(path for path in places[0].rglob("*") if path.suffix.lower() in pictures.SUFFIXES)
    for path in files if most.pictures is None else files[: most.pictures]:
        marks = places[1] / path.relative_to(places[0]).with_suffix(".txt")
        found.append((path, _boxes(marks, path, names) if marks.is_file() else []))
    return replace(boxed.table(places[0], found, most, ()), rows=len(files))


def _boxes(marks: Path, picture: Path, names: dict[int, str]) -> list[dict[str, Any]]:
    lines = [line for line in marks.read_text("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return []
    try:
        with Image.open(picture) as opened:
            turned = opened.getexif().get(0x0112, 1) >= 5  # EXIF: it lies on its side
            width, height = opened.size[::-1] if turned else opened.size
    except Exception:  # what Pillow's readers raise; that it does not open is told with the others
        return []
    found = []
    for number, line in enumerate(lines, 1):
        try:
            label, x, y, wide, high = (float(part) for part in line.split()[:5])
        except ValueError as error:
            raise DataError(
                f"{marks}:{number} is {line[:60]!r}; expected `label x y width height`, shares of the picture.",
                where=f"{marks}:{number}",
                expected="0 0.5 0.5 0.2 0.1",
                got=line[:60],
                fix="correct the line",
            ) from error
        box = [(x - wide / 2) * width, (y - high / 2) * height, (x + wide / 2) * width, (y + high / 2) * height]
        found.append({"label": names.get(int(label), str(int(label))), "box": box})
    return found


def _names(folder: Path) -> dict[int, str]:
    """{number: label} where a file beside the pictures says so."""
    for place in (folder, folder.parent):
        for name in NAMES:
            path = place / name
            if not path.is_file():
                continue
            text = path.read_text("utf-8", "replace")
            told: Any = yaml12.load(text, name).value.get("names") if name.endswith("yaml") else text.splitlines()
            pairs = told.items() if isinstance(told, dict) else enumerate(told or ())
            return {int(number): str(label).strip() for number, label in pairs}
    return {}
