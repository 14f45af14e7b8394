"""Whole runs over times, sequences, windows, several texts, several pictures and lists of labels."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from feilun import lifecycle
from feilun.core.recipe import Recipe

TRAIN = {"epochs": 8, "batch_size": 16, "learning_rate": 0.01, "threads": 1}
COUNT = 240


def run(tmp_path: Path, frame: pa.Table, **recipe: Any) -> tuple[lifecycle.Run, dict[str, Any], Any]:
    whole = {"name": "mix", "train": TRAIN, "evaluate": {"bootstrap": 100}, **recipe}
    made = lifecycle.run_recipe(Recipe.model_validate(whole), home=tmp_path, base=tmp_path, frame=frame)
    scores = json.loads((made.stages["evaluation"] / "scores.json").read_text(encoding="utf-8"))
    return made, scores, lifecycle.call("deployment", "load", made.stages["deployment"] / "bundle")


def test_time_and_sequence_beside_a_number(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    hours = draw.integers(0, 24 * 60, COUNT)
    night = (hours % 24 < 6) | (hours % 24 > 20)
    rising = draw.random(COUNT) < 0.5
    starts = np.datetime64("2024-03-01T00:00") + hours.astype("m8[h]")
    paths = [
        (np.arange(3 + i % 5) * (1 if up else -1) + draw.normal(size=3 + i % 5) / 2) for i, up in enumerate(rising)
    ]
    frame = pa.table(
        {
            "when": [str(start).replace("T", " ").replace("-", "/") for start in starts],
            "path": pa.array([[[float(x), 1.0 if i % 9 else None] for x in path] for i, path in enumerate(paths)]),
            "size": draw.normal(size=COUNT),
            "y": [
                f"{'up' if up else 'down'} {'night' if dark else 'day'}" for up, dark in zip(rising, night, strict=True)
            ],
        }
    )
    made, scores, bundle = run(tmp_path, frame, target="y")
    assert {name: column.kind for name, column in made.recipe.inputs.items()} == {
        "when": "time",
        "path": "sequence",
        "size": "number",
    }
    assert scores["scores"]["accuracy"]["value"] > 0.7
    assert "logistic_regression" in scores["baselines"]
    rows = [
        {"when": "2024-03-20T23:00:00", "path": [[0, 1], [1, 1], [2, None], [3, 1]], "size": 0.1},
        {"when": "2024/3/20 12:00", "path": "[[0, 1], [-1, 1], [-2, 1], [-3, 1]]", "size": None},
    ]
    assert [answer["label"] for answer in bundle.predict(rows)] == ["up night", "down day"]
    variants = json.loads((made.stages["optimization"] / "variants.json").read_text(encoding="utf-8"))
    assert "int8" in json.dumps(variants)


def test_a_window_over_given_test_rows(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    level = np.zeros(800)
    for place, step in enumerate(draw.normal(size=799), 1):
        level[place] = 0.9 * level[place - 1] + step
    (tmp_path / "test.csv").write_text(_walk(level[600:], 600), "utf-8")
    (tmp_path / "train.csv").write_text(_walk(level[:600], 0), "utf-8")
    data = {"source": "train.csv", "test": "test.csv", "window": {"of": ["level"], "steps": 3, "by": "t"}}
    whole = {
        "name": "w",
        "data": data,
        "inputs": {"window": "sequence"},
        "target": "up",
        "model": "lstm",
        "train": TRAIN,
    }
    made = lifecycle.run_recipe(Recipe.model_validate(whole), home=tmp_path, base=tmp_path)
    assert made.recipe.data.split.by == "time"
    scores = json.loads((made.stages["evaluation"] / "scores.json").read_text(encoding="utf-8"))
    assert scores["n"] == 200
    # The last step alone does not tell whether the level rose; the window does.
    ours, last_step = (
        scores["scores"]["accuracy"]["value"],
        scores["baselines"]["logistic_regression"]["accuracy"]["value"],
    )
    assert ours > last_step + 0.15
    rows = lifecycle.call("deployment", "load", made.stages["deployment"] / "bundle")
    assert rows.predict([{"window": [[0.0], [3.0]]}])[0]["label"] == "yes"


def test_two_texts_two_pictures_and_lists_of_labels(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    good, nice, light, bright = (draw.random(COUNT) < 0.5 for _ in range(4))
    labels = [
        [name for name, flag in zip(("good", "nice", "light", "bright"), row, strict=True) if flag]
        for row in zip(good, nice, light, bright, strict=True)
    ]
    assert [] in labels
    frame = pa.table(
        {
            "title": [f"{'good' if one else 'bad'} title {i % 7}" for i, one in enumerate(good)],
            "body": [f"the day {i} was {'nice' if one else 'grey'}" for i, one in enumerate(nice)],
            "front": [_picture(draw, one) for one in light],
            "back": [_picture(draw, one) for one in bright],
            "labels": [json.dumps(row) for row in labels],
        }
    )
    inputs = {"title": "text", "body": "text", "front": "image", "back": "image"}
    made, scores, bundle = run(tmp_path, frame, inputs=inputs, target="labels", model="mlp")
    assert made.recipe.task == "classification"
    assert sum(made.made("data").facts["splits"].values()) == COUNT  # rows without a label are rows
    assert scores["scores"]["f1"]["value"] > 0.8
    dark = _picture(draw, False)
    row = {"title": "good title 3", "body": "the day 5 was grey", "front": _picture(draw, True), "back": dark}
    assert bundle.predict([row])[0]["labels"] == ["good", "light"]
    assert bundle.predict([{**row, "title": "bad title", "front": dark}])[0]["labels"] == []


def _walk(level: np.ndarray, start: int) -> str:
    ups = np.diff(level, prepend=level[0]) > 0
    rows = [f"{start + i},{x:.4f},{'yes' if up else 'no'}" for i, (x, up) in enumerate(zip(level, ups, strict=True))]
    return "\n".join(["t,level,up", *rows])


def _picture(draw: np.random.Generator, light: bool) -> bytes:
    file = io.BytesIO()
    Image.fromarray(draw.integers(0, 90, (8, 8), dtype=np.uint8) + np.uint8(150 * light)).save(file, "PNG")
    return file.getvalue()
