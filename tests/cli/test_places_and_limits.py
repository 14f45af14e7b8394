"""Mistakes that only show when a run is under way: a full disk, a folder that is not there, names that are ours."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

RUN = [sys.executable, "-m", "feilun.cli.main"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with shop.csv and its recipe."""
    dice = random.Random(0)
    rows = [f"{dice.random()},{dice.choice('uvw')},{dice.choice('pq')}" for _ in range(120)]
    (tmp_path / "shop.csv").write_text("a,b,y\n" + "\n".join(rows), encoding="utf-8")
    assert feilun("init shop.csv --target y", tmp_path)[0] == 0
    return tmp_path


def feilun(words: str, folder: Path, file_kb: int | None = None) -> tuple[int, dict]:
    """Exit code and the JSON object; file_kb: no file may grow beyond it, as on a full disk."""
    limit = f"ulimit -f {file_kb}; " if file_kb else ""
    command = ["bash", "-c", f'{limit}exec "$@"', "-", *RUN, *words.split(), "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="needs ulimit")
@pytest.mark.parametrize("file_kb", [1, 4, 16])
def test_a_full_disk_is_told_and_the_run_goes_on_later(shop: Path, file_kb: int) -> None:
    code, said = feilun("run shop.yaml --set train.epochs=1", shop, file_kb)
    assert code == 2 and said["ok"] is False
    assert "bug" not in said["error"]["message"] and "space" in said["error"]["fix"]
    assert feilun("run shop.yaml --set train.epochs=1", shop)[0] == 0


def test_a_home_that_cannot_be_is_told(shop: Path) -> None:
    (shop / "taken").write_text("a file, no folder")
    code, said = feilun("run shop.yaml --home taken/inside", shop)
    assert code == 2 and "taken" in said["error"]["message"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [("evaluate.score=aucc", "auc"), ("seed=4294967296", "whole number"), ("model.depht=2", "depth")],
)
def test_check_finds_what_run_would_stumble_over(shop: Path, setting: str, words: str) -> None:
    code, said = feilun(f"check shop.yaml --set {setting}", shop)
    assert code == 2 and words in said["error"]["message"]


def test_our_column_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text("a,_id,y\n1,2,p\n")
    code, said = feilun("init ids.csv --target y", tmp_path)
    assert code == 2 and said["error"]["fix"] == "rename the column"
