"""Whole runs over mixed columns: several labels, several numbers, Chinese names, numbers beside text and pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from feilun import lifecycle
from feilun.core.recipe import Recipe

DRAW = np.random.default_rng(4)
COUNT = 300
TRAIN = {"epochs": 8, "batch_size": 16, "learning_rate": 0.01, "threads": 1}


def _picture(light: bool) -> bytes:
    file = io.BytesIO()
    Image.fromarray(DRAW.integers(0, 100, (8, 8), dtype=np.uint8) + np.uint8(120 * light)).save(file, "PNG")
    return file.getvalue()


def _table() -> pa.Table:
    x = DRAW.normal(size=COUNT)
    warm = x + 0.3 * DRAW.normal(size=COUNT) > 0
    near = DRAW.random(COUNT) < 0.5
    return pa.table(
        {
            "温度 (°C)": np.where(DRAW.random(COUNT) < 0.1, np.nan, x),
            "城市": ["near" if one else "far" for one in near],
            "note": [f"{'good' if one else 'bad'} day {n}" for n, one in enumerate(near)],
            "picture.png": [_picture(bool(one)) for one in warm],
            "tags": [
                "|".join(["warm"] * bool(w) + ["near"] * bool(n)) or "none" for w, n in zip(warm, near, strict=True)
            ],
            "warm": warm.astype(int),
            "near": near.astype(int),
            "price": 100 + 10 * x + 5 * near,
            "weight": 3 - x,
        }
    )


def _run(tmp_path: Path, **recipe: Any) -> tuple[lifecycle.Run, dict[str, Any]]:
    whole = Recipe.model_validate({"name": "mix", "train": TRAIN, "evaluate": {"bootstrap": 100}, **recipe})
    run = lifecycle.run_recipe(whole, home=tmp_path, base=tmp_path, frame=_table())
    return run, json.loads((run.stages["evaluation"] / "scores.json").read_text(encoding="utf-8"))


INPUTS = {"温度 (°C)": "number", "城市": "category", "note": "text", "picture.png": "image"}


@pytest.mark.parametrize("target", [{"column": "tags", "separator": "|"}, ["warm", "near"]])
def test_several_labels_from_every_kind_of_column(tmp_path: Path, target: Any) -> None:
    run, scores = _run(tmp_path, task="classification", inputs=INPUTS, target=target, model="mlp")
    assert scores["scores"]["accuracy"]["value"] > scores["baselines"]["most_frequent"]["accuracy"]["value"] + 0.3
    bundle = lifecycle.call("deployment", "load", run.stages["deployment"] / "bundle")
    row = {"温度 (°C)": None, "城市": "far", "note": "bad day", "picture.png": _picture(True)}
    (answer,) = bundle.predict([row])
    assert "warm" in answer["labels"] and "near" not in answer["labels"]


def test_several_numbers(tmp_path: Path) -> None:
    inputs = {"温度 (°C)": {"kind": "number", "transform": "standard"}, "城市": "category"}
    run, scores = _run(tmp_path, task="regression", inputs=inputs, target=["price", "weight"], model="mlp")
    assert scores["scores"]["rmse"]["value"] < 0.8 * scores["baselines"]["mean"]["rmse"]["value"]
    bundle = lifecycle.call("deployment", "load", run.stages["deployment"] / "bundle")
    cold, warm = bundle.predict([{"温度 (°C)": -1.5, "城市": "far"}, {"温度 (°C)": 1.5, "城市": "far"}])
    assert cold["values"]["price"] < warm["values"]["price"] and cold["values"]["weight"] > warm["values"]["weight"]


def test_texts_that_join_are_one_input_and_each_column_is_explained(tmp_path: Path) -> None:
    both = {"kind": "text", "tokens": "words", "join": True}
    table = _table().append_column("more", _table()["tags"])
    recipe = {
        "name": "joined",
        "inputs": {"note": both, "more": both},
        "target": "near",
        "model": "bag",
        "train": TRAIN,
    }
    run = lifecycle.run_recipe(Recipe.model_validate(recipe), home=tmp_path, base=tmp_path, frame=table)
    features = json.loads((run.stages["data"] / "features.json").read_text(encoding="utf-8"))
    assert features["note"]["columns"] == ["note", "more"] and set(features) == {"note", "target"}
    why = json.loads((run.stages["evaluation"] / "why.json").read_text(encoding="utf-8"))
    assert {row["input"] for row in why["importance"]} == {"note", "more"}
    assert lifecycle.load("joined", home=tmp_path).predict([{"note": "good day 3", "more": None}])[0]["label"] == "1"
