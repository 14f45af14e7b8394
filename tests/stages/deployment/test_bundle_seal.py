"""A bundle opens as it was packed and in no other form."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from tiny_bundle import ROW

from feilun.core.errors import DataError, InputError, IntegrityError
from feilun.parts.bundle import layout, loading


def test_a_bundle_answers_also_after_it_was_moved(bundle: Path, tmp_path: Path) -> None:
    before = loading.load(bundle).predict([ROW, {"width": -3, "height": "-1"}])
    assert [answer["label"] for answer in before] == ["plus", "minus"]
    moved = tmp_path / "另一个 place"
    shutil.move(bundle, moved)
    opened = loading.load(moved)
    assert opened.predict([ROW, {"width": -3, "height": "-1"}]) == before
    assert opened.called == "my@1" and opened.state["words"] == "状态" and opened.recipe.target.column == "sign"
    assert opened.example() == {"width": 0.0, "height": 0.0}
    assert opened.predict([]) == []


def test_what_lies_in_it(bundle: Path) -> None:
    found = {path.relative_to(bundle).parts[0] for path in bundle.rglob("*") if path.is_file()}
    assert found == {
        "card.md",
        "code",
        "features.json",
        "graphs",
        "manifest.json",
        "predict.py",
        "recipe.yaml",
        "state.json",
        "state.safetensors",
        "weights.safetensors",
    }
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["signature"] == {
        "width": {"kind": "number", "example": 0.0},
        "height": {"kind": "number", "example": 0.0},
    }
    assert set(manifest["files"]) | {"manifest.json"} == {
        path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()
    }


def test_200_flipped_bits_are_refused_200_times(bundle: Path) -> None:
    files = sorted(path for path in bundle.rglob("*") if path.is_file() and path.stat().st_size)
    draw, refused = random.Random(0), 0
    for turn in range(200):
        path = files[turn % len(files)]  # every file, also the small ones
        content = bytearray(path.read_bytes())
        bit = draw.randrange(len(content) * 8)
        content[bit // 8] ^= 1 << bit % 8
        original = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(IntegrityError):
            loading.load(bundle)
        refused += 1
        path.write_bytes(original)
    assert refused == 200
    loading.load(bundle)


def test_no_bit_of_the_manifest_is_spare(bundle: Path) -> None:
    path = bundle / "manifest.json"
    original = path.read_bytes()
    draw = random.Random(0)
    for place in draw.sample(range(len(original)), 50):
        for bit in range(8):
            path.write_bytes(original[:place] + bytes([original[place] ^ 1 << bit]) + original[place + 1 :])
            with pytest.raises(IntegrityError):
                layout._parsed(path)


def test_the_manifest_has_one_spelling(bundle: Path) -> None:
    path = bundle / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=2) + "\n")  # the same content
    with pytest.raises(IntegrityError, match="its own hash"):
        loading.load(bundle)


def test_added_removed_and_linked_files_are_refused(bundle: Path) -> None:
    stray = bundle / "code" / "stray.pyc"
    stray.write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"stray\.pyc was added"):
        loading.load(bundle)
    stray.unlink()
    (bundle / "card.md").rename(bundle.parent / "card.md")
    with pytest.raises(IntegrityError, match=r"card\.md is missing"):
        loading.load(bundle)
    (bundle / "card.md").symlink_to(bundle.parent / "card.md")
    with pytest.raises(IntegrityError, match="is a link"):
        loading.load(bundle)


def test_a_manifest_rewritten_without_its_hash_is_refused(bundle: Path) -> None:
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["card.md"]["sha256"] = "0" * 64
    path.write_bytes(layout.spelling(manifest))
    with pytest.raises(IntegrityError, match="its own hash"):
        loading.load(bundle)


def test_another_schema_and_no_bundle_say_what_to_do(bundle: Path, tmp_path: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    facts = {key: value for key, value in manifest.items() if key not in ("files", "sha256", "schema")}
    layout.write(bundle, {**facts, "schema": 2})
    with pytest.raises(InputError, match="schema 2"):
        loading.load(bundle)
    with pytest.raises(InputError, match="no bundle"):
        loading.load(tmp_path)


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([{"widht": 1, "height": 2}], {}, r"rows\[0\] has a column 'widht'.*Did you mean 'width'"),
        ([ROW, {"width": 1}], {}, r"rows\[1\] has no column 'height'"),
        ([ROW, [1, 2]], {}, r"rows\[1\] is a list"),
        ([{"width": "wide", "height": 2}], {}, "wide"),
        ([ROW], {"wait": 1}, "Did you mean 'wait_s'"),
        ([ROW], {"wait_s": "long"}, "Option wait_s is text"),
        ([ROW], {"wait_s": True}, "Option wait_s is true or false"),
    ],
)
def test_wrong_questions_name_what_is_wrong(bundle: Path, rows: list, options: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        loading.load(bundle).predict(rows, **options)
