"""Pictures with boxes in the forms of COCO, Pascal VOC and YOLO: the same pictures, the same boxes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from feilun.core.errors import DataError
from feilun.core.recipe import Recipe
from feilun.stages.data.reading import raw, sources

PICTURES = {"one": [("猫", (2, 3, 12, 20)), ("dog", (5, 5, 9, 9))], "two": [], "three": [("dog", (0, 0, 30, 24))]}
SIZE = (30, 24)
Boxes = dict[str, list[tuple[str, tuple[float, ...]]]]


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def coco(folder: Path, split: str, where: str) -> None:
    images, marks = [], []
    for number, (name, boxes) in enumerate(PICTURES.items(), 1):
        picture(folder / where / f"{name}.png", number)
        images.append({"id": number, "file_name": f"{name}.png", "width": SIZE[0], "height": SIZE[1]})
        for label, (x0, y0, x1, y1) in boxes:
            box = [x0, y0, x1 - x0, y1 - y0]
            marks.append({"image_id": number, "category_id": 7 if label == "dog" else 9, "bbox": box, "iscrowd": 0})
    names = [{"id": 7, "name": "dog"}, {"id": 9, "name": "猫"}]
    whole = {"images": images, "annotations": marks, "categories": names}
    (folder / f"{split}.json").write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")


def voc(folder: Path) -> None:
    (folder / "Annotations").mkdir(parents=True)
    for number, (name, boxes) in enumerate(PICTURES.items(), 1):
        picture(folder / "JPEGImages" / f"{name}.png", number)
        told = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin><xmax>{x1}</xmax>"
            f"<ymax>{y1}</ymax></bndbox></object>"
            for label, (x0, y0, x1, y1) in boxes
        )
        text = f"<annotation><filename>{name}.png</filename>{told}</annotation>"
        (folder / "Annotations" / f"{name}.xml").write_text(text, encoding="utf-8")


def yolo(folder: Path) -> None:
    (folder / "labels").mkdir(parents=True)
    for number, (name, boxes) in enumerate(PICTURES.items(), 1):
        picture(folder / "images" / f"{name}.png", number)
        lines = [
            f"{0 if label == 'dog' else 1} {(x0 + x1) / 2 / SIZE[0]} {(y0 + y1) / 2 / SIZE[1]} "
            f"{(x1 - x0) / SIZE[0]} {(y1 - y0) / SIZE[1]}"
            for label, (x0, y0, x1, y1) in boxes
        ]
        if lines:
            (folder / "labels" / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    (folder / "data.yaml").write_text("names: {0: dog, 1: 猫}\n", encoding="utf-8")


def read(folder: Path, source: str, **data: Any) -> raw.Raw:
    return sources.read(Recipe.model_validate({"data": {"source": source, **data}}), folder)


def as_given(found: raw.Raw) -> Boxes:
    rows = found.table.to_pylist()
    return {row["file"]: [(box["label"], tuple(box["box"])) for box in row["boxes"]] for row in rows}


@pytest.mark.parametrize("form", ["coco", "voc", "yolo"])
def test_each_form_gives_the_same_boxes(tmp_path: Path, form: str) -> None:
    if form == "coco":
        coco(tmp_path / "set", "labels", "images")
    else:
        (voc if form == "voc" else yolo)(tmp_path / "set")
    found = read(tmp_path, "set")
    assert found.target == "boxes" and found.kinds == {"image": "image"} and found.rows == 3
    boxes = as_given(found)
    assert set(boxes) == set(PICTURES)
    for name, given in PICTURES.items():
        assert [label for label, _ in boxes[name]] == [label for label, _ in given]
        for (_, ours), (_, theirs) in zip(boxes[name], given, strict=True):
            assert np.allclose(ours, theirs, atol=1e-4)
    row = next(one for one in found.table.to_pylist() if one["file"] == "two")
    assert Image.open(io.BytesIO(row["image"])).size == SIZE


def test_coco_files_of_splits_stand_beside_their_folders(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        coco(tmp_path / "set", split, split)
    found = read(tmp_path, "set")
    assert found.table.num_rows == 9 and sorted(np.bincount(found.given + 1).tolist())[-3:] == [3, 3, 3]
    assert read(tmp_path, "set/train.json").table.num_rows == 3


def test_voc_lists_and_yolo_folders_say_which_split(tmp_path: Path) -> None:
    voc(tmp_path / "voc")
    (tmp_path / "voc" / "ImageSets" / "Main").mkdir(parents=True)
    for split, names in (("train", "one\ntwo 1\n"), ("test", "three\n")):
        (tmp_path / "voc" / "ImageSets" / "Main" / f"{split}.txt").write_text(names, encoding="utf-8")
    found = read(tmp_path, "voc")
    assert dict(zip(found.table.column("file").to_pylist(), (found.given < 0).tolist(), strict=True)).keys() == {
        "one",
        "two",
        "three",
    }
    for split in ("train", "valid"):
        yolo(tmp_path / "yolo" / split)
    assert read(tmp_path, "yolo").table.num_rows == 6


def planted(folder: Path, form: str) -> None:
    if form == "coco":
        (folder / "labels.json").write_text('{"images": [], "annotations": [{}], "categories": []}', encoding="utf-8")
    elif form == "coco picture":
        (folder / "images" / "one.png").unlink()
    elif form == "voc":
        (folder / "Annotations" / "one.xml").write_text("<annotation><object></annotation>", encoding="utf-8")
    elif form == "voc entity":
        (folder / "Annotations" / "one.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', encoding="utf-8")
    else:
        (folder / "labels" / "one.txt").write_text("0 0.5 half 1 1\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("coco", "is not in COCO's form"),
        ("coco picture", r"names pictures that are not there: one\.png"),
        ("voc", "is not in VOC's form"),
        ("voc entity", "declares entities"),
        ("yolo", r"one\.txt:1 is '0 0\.5 half 1 1'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, form: str, said: str) -> None:
    folder = tmp_path / "set"
    if form.startswith("coco"):
        coco(folder, "labels", "images")
    else:
        (voc if form.startswith("voc") else yolo)(folder)
    planted(folder, form)
    with pytest.raises(DataError, match=said):
        read(tmp_path, "set")


def test_groups_and_boxes_of_nothing_are_left_aside_and_told(tmp_path: Path) -> None:
    coco(tmp_path / "set", "labels", "images")
    path = tmp_path / "set" / "labels.json"
    whole = json.loads(path.read_text("utf-8"))
    whole["annotations"] += [
        {"image_id": 1, "category_id": 7, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        {"image_id": 1, "category_id": 7, "bbox": [0, 0, 0, 9]},
        {"image_id": 99, "category_id": 7, "bbox": [0, 0, 4, 9]},
    ]
    path.write_text(json.dumps(whole), encoding="utf-8")
    found = read(tmp_path, "set")
    assert sum(map(len, as_given(found).values())) == 3
    assert sorted(note.partition(": ")[2] for note in found.notes) == [
        "1 boxes of pictures that are not listed are left aside.",
        "1 boxes that stand for groups (iscrowd) are left aside.",
        "1 boxes without width or height are left aside.",
    ]
