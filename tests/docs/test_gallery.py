"""The gallery is drawn from the records: every recipe is there, and a picture shows what its record says."""

from __future__ import annotations

import hashlib
import json
import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPACE = "{http://www.w3.org/2000/svg}"
RECIPE = "target: y\n"


@pytest.fixture
def gallery() -> dict[str, Any]:
    """docs/gallery.py."""
    return runpy.run_path(str(ROOT / "docs" / "gallery.py"))


def a_record(**changes: Any) -> dict[str, Any]:
    theirs = {
        "mean": {"value": 80.0, "low": 75.0, "high": 85.0},
        "ridge_regression": {"value": 52.0, "low": 50.0, "high": 54.0},
    }
    return {
        "score": "rmse",
        "value": 50.0,
        "low": 48.0,
        "high": 53.0,
        "n": 1200,
        "better": "lower",
        "commit": "abc",
        "baseline": "ridge_regression",
        "baseline_value": 52.0,
        "baselines": theirs,
        "target": 49.0,
        "met": False,
        "rules": [{"rule": "at most", "baseline": "", "limit": 49.0, "met": False}],
        "model": "tabm",
        "auto": True,
        "data_sha256": "d" * 64,
        "recipe_sha256": hashlib.sha256(RECIPE.encode()).hexdigest(),
        "seeds": [0, 1, 2],
        **changes,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe with one record."""
    made = tmp_path / "my-recipe"
    made.mkdir()
    (made / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (made / "README.md").write_text("# Mine & yours\n\n## Problem\n\nSee [it](../x.md) go.\n", encoding="utf-8")
    (made / "scores.json").write_text(json.dumps([a_record()]), encoding="utf-8")
    return made


def test_every_recipe_is_in_the_gallery(gallery: dict[str, Any]) -> None:
    page = gallery["page"]()
    for folder in gallery["folders"]():
        title = (folder / "README.md").read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        entry = page.partition(f"### {title}\n")[2].partition("\n### ")[0]
        proved = (folder / "scores.json").is_file()
        assert (f"images/gallery/{folder.name}.svg" in entry) == proved
        assert ("Not proved yet" in entry) != proved


def test_a_picture_puts_dots_where_the_record_says(gallery: dict[str, Any], folder: Path) -> None:
    tree = ElementTree.fromstring(gallery["picture"](folder))
    [dot] = tree.findall(f"{SPACE}circle")
    best, worst = (float(one.get("x", "")) + 4 for one in tree.findall(f"{SPACE}rect"))
    ours = float(dot.get("cx", ""))
    assert ours < best < worst  # less is better: 50, 52, 80, the best baseline first
    assert (worst - ours) / (best - ours) == pytest.approx(30 / 2, rel=0.05)  # drawn to a tenth of a pixel
    words = " ".join(tree.itertext())
    assert "50.000 [48.000, 53.000]" in words and "rmse, 1,200 test rows, less is better" in words
    [asked] = [one for one in tree.findall(f"{SPACE}path") if one.get("class", "").startswith("t")]
    assert asked.get("class") == "t m"  # missed
    assert float(asked.get("d", "")[1:].split()[0]) < ours


def test_an_entry_says_what_was_missed_and_what_has_changed_since(gallery: dict[str, Any], folder: Path) -> None:
    entry = gallery["_entry"](folder)
    assert "### Mine & yours\n" in entry and "See it go." in entry
    assert "**What was asked is missed.** `auto` chose tabm." in entry and "changed since" not in entry
    (folder / "recipe.yaml").write_text("target: z\n", encoding="utf-8")
    assert "The recipe below has changed since." in gallery["_entry"](folder)
    (folder / "scores.json").write_text(json.dumps([a_record(commit="abc+")]), encoding="utf-8")
    assert "with changes that were not committed" in gallery["_entry"](folder)


def test_a_stale_picture_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = runpy.run_path(str(ROOT / "docs" / "generate.py"), run_name="generate")
    kept = names["main"].__globals__
    kept["DOCS"] = tmp_path
    kept["PAGES"] = {name: make for name, make in kept["PAGES"].items() if "gallery" in name}
    assert names["main"]([]) == 0 and names["main"](["--check"]) == 0
    picture = next((tmp_path / "images" / "gallery").glob("*.svg"))
    picture.write_text(picture.read_text(encoding="utf-8").replace("circle", "ellipse"), encoding="utf-8")
    assert names["main"](["--check"]) == 1
    assert picture.name in capsys.readouterr().err


def test_the_table_of_first_programs(gallery: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"title": "CSV", "score": "rmse", "ours": 30.0, "peer": 10.0}
    row |= {"lines": {"plain": 25, "recipe": 5}, "scores": {"plain": 51556.2, "recipe": 47000.0}}
    path = tmp_path / "starter_programs.json"
    monkeypatch.setitem(gallery["page"].__globals__, "PROGRAMS", path)
    assert "not measured yet" in gallery["page"]()
    path.write_text(json.dumps([row]), encoding="utf-8")
    assert "| CSV, plain PyTorch | 25 | 10 | rmse 51,556 |\n| CSV, recipe | 5 | 30 | rmse 47,000 |" in gallery["page"]()
