"""`feilun check`: what it prints and what `--json` gives, for one small table with something of everything."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from feilun.cli.main import main


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """300 rows with gaps and copies, test rows whose prices are ten times as high, and a recipe."""
    dice = random.Random(0)

    def lines(count: int, times: float) -> list[str]:
        made = []
        for _ in range(count):
            price = dice.gauss(20, 5) * times
            gap = "" if dice.random() < 0.1 else dice.choice("uvw")
            made.append(f"{price:.6f},{gap},{'p' if price / times + dice.gauss(0, 5) > 20 else 'q'}")
        return made

    rows = lines(300, 1)
    (tmp_path / "shop.csv").write_text("\n".join(["price,size,y", *rows, *rows[:7]]), encoding="utf-8")
    (tmp_path / "test.csv").write_text("\n".join(["price,size,y", *lines(60, 10)]), encoding="utf-8")
    recipe = "data: {source: shop.csv, test: test.csv}\ntarget: y\nmodel: linear\ntrain: {epochs: 2}\n"
    (tmp_path / "shop.yaml").write_text(recipe, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "C.UTF-8")
    return tmp_path


def test_check_shows_columns_cleaning_drift_splits_and_the_forecast(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "shop.yaml"]) == 0
    said = capsys.readouterr().out
    places = [
        said.index(words)
        for words in ("rows, 3 columns", "\nprice ", "\ncleaning ", "\ndrift ", "\nsplits ", "\nforecast ")
    ]
    assert places == sorted(places)
    assert "test 60" in said and "on this computer, at most" in said
    copies = next(line for line in said.splitlines() if line.startswith("duplicates"))
    assert " 7 " in copies and "data.duplicates: drop" in copies
    assert "nothing was trained.  Next: feilun run shop.yaml" in said
    assert not (shop / "runs").exists()


def test_check_gives_all_of_it_as_json(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "shop.yaml", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    value = told["result"]
    assert {"recipe", "columns", "cleaning", "drift", "splits", "notes", "forecast"} <= set(value)
    assert [one["column"] for one in value["drift"]] == ["price"]
    assert value["splits"]["test"] == 60
    missing = next(one for one in value["cleaning"] if one["what"] == "missing values")
    assert missing["column"] == "size" and missing["key"]
    assert value["forecast"]["steps"] >= 2 and value["forecast"]["words"]


@pytest.mark.parametrize("weights", ["shop@9", "nope", "nope.safetensors"])
def test_weights_that_are_nowhere_are_told_before_a_run(
    shop: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "shop.yaml", "--set", f"model.weights={weights}"]) == 2
    said = capsys.readouterr().err
    assert f"model.weights: '{weights}' is no folder of weights, version, or hub name" in said


def test_weights_of_another_network_are_told_before_a_run(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mlp = ("--set", "model.name=mlp")
    assert main(["run", "shop.yaml", *mlp]) == 0
    assert main(["check", "shop.yaml", "--set", "model.weights=shop@1", *mlp]) == 0
    capsys.readouterr()
    assert main(["check", "shop.yaml", "--set", "model.weights=shop@1"]) == 2
    assert "No layer of model.weights shop@1 fits this network" in capsys.readouterr().err


def test_test_rows_about_passages_that_no_document_holds_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "C.UTF-8")
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "a.txt").write_text("Refunds take seven days.", encoding="utf-8")
    recipe = "data: {source: 'builtin:question_answering', documents: books}\nmodel: lstm\ntrain: {epochs: 1}\n"
    (tmp_path / "desk.yaml").write_text(recipe, encoding="utf-8")
    assert main(["check", "desk.yaml"]) == 0
    assert "100% of the test rows ask about a passage that none of the documents holds" in capsys.readouterr().out
