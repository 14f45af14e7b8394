"""Every recipe in recipes/ goes through the whole life cycle at tiny size, and its record is what prove writes."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from feilun import lifecycle
from feilun.core import reading
from feilun.core.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*/recipe.yaml"))
DATA = (ROOT / os.environ.get("FEILUN_DATA", "../shared/data")).resolve()
TINY = ["data.limit=400", "data.test=null", "train.epochs=1", "train.threads=1", "evaluate.bootstrap=100"]
SHARES = ["data.split.validation=0.1", "data.split.gate=0.1", "data.split.test=0.2"]
KEYS = ["score", "value", "low", "high", "n", "baseline", "baseline_value", "target", "met", "data_sha256"]
KEYS += ["recipe_sha256", "commit", "seeds"]
SINCE = ["model", "auto", "better", "rules", "baselines"]  # what records say since rules may name a baseline


def _writes(recipe: Recipe) -> bool:
    return recipe.task == "text_generation"


def _named(path: Path) -> str:
    return path.parent.name


@pytest.mark.parametrize("path", RECIPES, ids=_named)
def test_a_recipe_is_short_and_its_page_says_what_matters(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 12
    page = (path.parent / "README.md").read_text(encoding="utf-8")
    for part in ("Problem", "Data", "Command", "Score", "For your own data"):
        assert f"## {part}" in page, part
    assert f"feilun run recipes/{path.parent.name}/recipe.yaml" in page


@pytest.mark.data
@pytest.mark.parametrize("path", RECIPES, ids=_named)
def test_a_recipe_runs_whole_at_tiny_size(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEILUN_DATA", str(DATA))
    if "FEILUN_MODELS" in path.read_text(encoding="utf-8") and not os.environ.get("FEILUN_MODELS"):
        pytest.skip("FEILUN_MODELS names no folder of published weights; the recipe's page says how to get them")
    whole = reading.read_recipe(path)
    source = whole.data.source or ""
    if not source.startswith("builtin:") and not (path.parent / reading.expand(source)).exists():
        pytest.skip(f"{source} is not there; FEILUN_DATA names the folder of data sets")
    few = [f"data.limit={8 if whole.data.format == 'text' else 60}"] if whole.model.weights or _writes(whole) else []
    few += ["model.depth=1"] if _writes(whole) else []  # most of its time goes by in writing texts to measure that
    small = ["inputs.image.size=32"] if "size" in getattr(whole.inputs.get("image"), "options", {}) else []
    recipe = reading.read_recipe(path, [*TINY, *SHARES, *small, *few])
    run = lifecycle.run_recipe(recipe, home=tmp_path, base=path.parent)
    scores = json.loads((run.stages["evaluation"] / "scores.json").read_text(encoding="utf-8"))
    main = scores["scores"][scores["main"]]
    no_width = main["low"] is None and main["high"] is None  # where every resample of the few rows says the same
    assert no_width or main["low"] <= main["value"] <= main["high"]
    assert math.isfinite(main["value"]) and len(scores["baselines"]) >= 2
    assert (run.stages["deployment"] / "bundle" / "predict.py").is_file()


@pytest.mark.parametrize("path", [p for p in RECIPES if (p.parent / "scores.json").is_file()], ids=_named)
def test_a_record_is_whole_and_says_whether_the_target_was_met(path: Path) -> None:
    records = json.loads((path.parent / "scores.json").read_text(encoding="utf-8"))
    assert records and all(list(record) in (KEYS, [*KEYS, *SINCE]) for record in records)
    for record in records:
        assert record["low"] <= record["value"] <= record["high"] and math.isfinite(record["baseline_value"])
        assert (record["met"] is None) == (record["target"] is None) and len(record["seeds"]) == 3
        assert record["met"] in (None, all(rule["met"] for rule in record.get("rules", ()))) or "rules" not in record
    assert [record["met"] for record in records if record["target"] is not None] == [True]


@pytest.mark.data
@pytest.mark.parametrize(("dropped", "warned"), [("[]", ["duration"]), ("[duration]", [])])
def test_the_leak_of_bank_marketing_is_named(dropped: str, warned: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEILUN_DATA", str(DATA))
    path = ROOT / "recipes" / "bank-marketing" / "recipe.yaml"
    recipe = reading.read_recipe(path, [f"data.drop={dropped}"])
    if not Path(reading.expand(recipe.data.source or "")).exists():
        pytest.skip("bank_marketing is not there; FEILUN_DATA names the folder of data sets")
    columns = lifecycle.call("data", "profile", recipe, base=path.parent)
    assert [column["column"] for column in columns if "predicts the target" in column["warning"]] == warned
