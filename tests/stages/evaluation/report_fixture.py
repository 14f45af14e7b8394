"""A finished run made of its files alone: everything the report may find, as large and as hostile as asked."""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from feilun.core import manifest
from feilun.core.discover import feature
from feilun.core.manifest import Manifest, write_json
from feilun.core.recipe import Recipe
from feilun.parts import dataset

ROWS, TEST = 120, 40
EVIL = '<script>alert("x")</script>'


def interval(value: float, wide: float = 0.03, **more: Any) -> dict[str, Any]:
    return {"value": value, "low": value - wide, "high": value + wide, "better": "higher", "unit": "%", **more}


def png(side: int = 8, noise: bool = False) -> str:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8) if noise else np.zeros((side, side))
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def recipe(columns: int, name: str = "churn") -> Recipe:
    inputs: dict[str, Any] = {f"n{place}": "number" for place in range(columns)}
    return Recipe.model_validate(
        {
            "name": name,
            "task": "classification",
            "data": {"source": "https://me:secret@example.org/a.csv"},
            "inputs": {**inputs, "note": "text", "gender": "category"},
            "target": "label",
            "model": "mlp",
        }
    )


def scores(labels: list[str], groups: int) -> dict[str, Any]:
    gap = {"difference": -0.05, "low": -0.08, "high": -0.02, "words": "clearly worse"}
    return {
        "main": "accuracy",
        "n": TEST,
        "seed": 0,
        "resamples": 1000,
        "resampled": "groups of patient",
        "scores": {
            "accuracy": interval(0.9),
            "auc": interval(0.95, unit=""),
            "default_rate": interval(0.1, better="lower", of="business", expression='mean(actual == "bad")'),
        },
        "baselines": {"logistic_regression": {"accuracy": interval(0.8), "auc": interval(0.85, unit="")}},
        "against": {
            "logistic_regression": {
                "difference": 0.1,
                "low": 0.05,
                "high": 0.15,
                "words": "clearly better",
                "unit": "%",
                "better": "higher",
            }
        },
        "verdict": {
            "level": "good",
            "baseline": "logistic_regression",
            "words": "Better than every baseline; it beats the strongest, logistic regression, on accuracy by "
            "10.0 points, 95 % interval of the difference [+5.0, +15.0].",
        },
        "classes": [
            {
                "label": label,
                "n": 50,
                "said": 49,
                **{key: interval(0.9 - place / 1000) for key in ("precision", "recall", "f1")},
            }
            for place, label in enumerate(labels)
        ],
        "groups": [
            {
                "column": "gender",
                "value": f"g{place} {EVIL}{labels[0]}" if groups > 2 else f"g{place} {EVIL}",
                "n": 100 + place,
                "score": interval(0.85),
                "gap": gap,
            }
            for place in range(groups)
        ],
        "money": {
            "costs": {"false_positive": 1.0, "false_negative": 5.0},
            "positive": labels[0],
            "threshold": 0.31,
            "per_row": {"value": 0.42, "low": 0.3, "high": 0.5},
            "curve": [[step / 20, 0.42 - abs(step / 20 - 0.31)] for step in range(21)],
            "others": {"always yes": 0.1, "always no": -0.2, "threshold 0.5": 0.3},
            "baselines": {"logistic_regression": {"threshold": 0.17, "value": 0.35}},
        },
    }


WHY = {
    "score": "accuracy",
    "importance": [
        {"input": "n0", "value": 0.12, "low": 0.1, "high": 0.14},
        {"input": f"note {EVIL}", "value": 0.001, "low": -0.002, "high": 0.004},
    ],
    "words": "",
    "looks": [{"title": "Labels shuffled", "words": "the score falls to chance, as it should", "ok": True}],
}


def card_row(text: str, picture: str, place: int, labels: list[str]) -> dict[str, Any]:
    return {
        "id": f"r{place}",
        "answer": {"label": labels[0], "score": 0.83},
        "truth": labels[-1],
        "columns": [
            {"name": "note", "kind": "text", "text": text},
            {"name": "photo", "kind": "image", "png": picture, "size": [300, 300]},
            {"name": "gender", "kind": "category", "text": "(missing)"},
            {"name": "comment", "kind": "text", "text": text},
        ],
        "more": 3,
        "why": {"note": {"tokens": [["very", 0.5], [EVIL, -0.4], ["and", 0.0]]}, "photo": {"heat": picture}},
    }


def data_stage(folder: Path, columns: int, text: str) -> None:
    from datasets import Dataset

    names = [f"n{place}" for place in range(columns)]
    rows: dict[str, list[Any]] = {name: list(np.arange(ROWS, dtype=float)) for name in names}
    rows |= {"note": [text] * ROWS, "gender": ["f", "m"] * (ROWS // 2), "_id": [f"r{i}" for i in range(ROWS)]}
    splits = np.array([0] * 60 + [1] * 20 + [3] * TEST, np.int8)
    features = {"numbers": feature("number", columns=tuple(names), transform="standard")}
    profile = [
        {
            "column": name,
            "kind": "number" if name.startswith("n") and name != "note" else "text",
            "role": "input",
            "missing": 0,
            "distinct": ROWS,
            "why": "numbers, 120 different values",
            "warning": "predicts the target almost alone: is it known in time?" if name == "n0" else "",
            "override": f"inputs: {{{name}: category}}",
        }
        for name in (*names, "note", "gender")
    ]
    dataset.write(folder, Dataset.from_dict(rows), splits, np.zeros(ROWS, np.int16), features, profile)
    facts = {
        "rows": ROWS,
        "duplicates": 7,
        "notes": [f"7 rows without a target were left out. {EVIL}"],
        "cleaning": [
            {
                "what": "near-duplicates",
                "column": "note",
                "rows": 12,
                "done": "kept on one side",
                "why": "93 % of the words are the same",
                "key": "data.near: ignore",
            }
        ],
        "drift": [{"column": "n0", "distance": 0.31, "words": "middle 3 in training rows, 5 in test rows"}],
    }
    finish(folder, "data", facts, 3.0)


def finish(folder: Path, stage: str, facts: Mapping[str, Any], seconds: float) -> None:
    made = Manifest(kind=stage, key=stage[0] * 64, facts=dict(facts), files={}, seconds=seconds, peak_memory_mb=100.0)
    manifest.write(folder, made)


def weights(path: Path) -> None:
    """The head of a safetensors file is all that is read."""
    shapes = {
        "main/encoders.0.layers.0.weight": [16, 1, 3, 3],
        "main/encoders.0.layers.1.weight": [16],
        "main/encoders.0.layers.1.running_mean": [16],
        "main/head.weight": [2, 128],
        "main/head.bias": [2],
    }
    head = json.dumps(
        {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}
    )
    path.write_bytes(struct.pack("<Q", len(head)) + head.encode())


PROFILE = {  # as parts.engine.profiling says it
    "words": [
        "Of the training's time 48 % went into data, 20 % into forward, 22 % into backward, 5 % into the optimizer, "
        "4 % into waiting (validation, checkpoints, curves) and 1 % into the rest; a step took 12.3 ms.",
        "Costliest operators: resampling of pictures (40 %), convolution, backward (20 %), matrix product (9 %).",
        "Batches are the bottleneck: smaller pictures, shorter texts or less augmentation would save most.",
    ]
}


def make_run(
    folder: Path,
    *,
    labels: int = 3,
    columns: int = 3,
    groups: int = 2,
    text: str = "a note",
    picture: str = "",
    epochs: int = 5,
) -> tuple[Path, dict[str, Path], Recipe]:
    """(run folder, stages, recipe), as `evaluation.report` takes them."""
    run = folder / "churn" / "1"
    stages = {stage: run / stage for stage in ("data", "training", "evaluation", "optimization", "deployment")}
    for path in stages.values():
        path.mkdir(parents=True)
    names = [f"class {place} {EVIL}{text if labels > 3 else ''}" for place in range(labels)]
    data_stage(stages["data"], columns, text)
    write_json(
        stages["training"] / "curves.json",
        [{"epoch": e, "loss": 1 / e, "validation_loss": abs(e - 3) + 0.1} for e in range(1, epochs + 1)],
    )
    weights(stages["training"] / "weights.safetensors")
    finish(
        stages["training"],
        "training",
        {"parameters": 434, "epochs": 5, "best_epoch": 3, "rows_per_s": 1200.0, "threads": 1, "profile": PROFILE},
        60.0,
    )
    evaluation(stages["evaluation"], names, groups, text, picture or png())
    optimization(stages["optimization"])
    finish(stages["deployment"], "deployment", {}, 0.5)
    studies(run)
    return run, stages, recipe(columns)


def evaluation(folder: Path, names: list[str], groups: int, text: str, picture: str) -> None:
    write_json(folder / "scores.json", scores(names, groups))
    write_json(folder / "why.json", WHY)
    rows = [card_row(text, picture, place, names) for place in range(8)]
    write_json(folder / "examples.json", {"wrong": rows, "right": rows})
    looks = {"read": ["label", EVIL], "written": ["very"], "shares": [[0.9, 0.1]], "more": True, "truth": EVIL}
    write_json(folder / "attention.json", [{"group": "right", **looks}, {"group": "wrong", **looks}])
    svg = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><text x='1'>answer</text><script>x</script></svg>"
    drawn = {"title": "Confusion", "where": "mistakes", "svg": svg, "png": "", "caption": EVIL}
    write_json(folder / "pictures.json", [drawn, {**drawn, "svg": "", "png": picture}])
    lines = [
        {"id": i, "answer": {"label": names[0], "score": 0.5 + i / 100}, "truth": names[0 if i > 20 else -1]}
        for i in range(TEST)
    ]
    (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    finish(folder, "evaluation", {}, 5.0)


def optimization(folder: Path) -> None:
    one = {"size_bytes": 2_000_000, "row_ms": 0.31, "batch_row_ms": 0.02, "agreement": 1.0, "score": interval(0.9)}
    variants = {"torch": one, "fp32": one, "int8": {**one, "size_bytes": 600_000, "score": interval(0.889)}}
    why = "int8 is served: int8 is 0.5 points worse on validation rows, within optimize.tolerance 0.01."
    write_json(
        folder / "variants.json",
        {"chosen": "int8", "why": why, "score": "accuracy", "variants": variants, "graphs": {}},
    )
    finish(folder, "optimization", {}, 2.0)


def studies(run: Path) -> None:
    """What the run's own folder holds besides its stages."""
    model = {"options": {"depth": 2}, "parameters": 434, "seconds": 12.5, "error": ""}
    models = [
        {**model, "model": "mlp", **interval(0.9), "chosen": True, "words": "best on validation rows"},
        {**model, "model": "tabm", **interval(0.88), "chosen": False, "words": ""},
        {**model, "model": "gru", "value": None, "low": None, "high": None, "chosen": False, "words": "failed"}
        | {"error": f"out of {EVIL}"},
    ]
    write_json(run / "auto.json", {"score": "accuracy", "rows": 20, "models": models})
    folds = [{"fold": place, "n": 24, "value": 0.88 + place / 100} for place in range(5)]
    base = {"score": "accuracy", "better": "higher", "unit": "%"}
    baselines = {"logistic_regression": interval(0.8)}
    write_json(run / "folds.json", {**base, "n": 120, **interval(0.9), "folds": folds, "baselines": baselines})
    points = [{"rows": rows, **interval(0.7 + rows / 1000)} for rows in (15, 30, 60)]
    words = "500 more labels would move accuracy by about +2.0 points [1, 3]; higher is better."
    more = {"rows": 500, "value": 0.02, "low": 0.01, "high": 0.03, "words": words}
    write_json(run / "learning.json", {**base, "n": TEST, "points": points, "more": more})
    doubted = {"id": "r7", "given": "g0", "suggested": "g1", "chance": 0.93, "chance_of_given": 0.07}
    noise = {"n": 120, "share": 0.04, "suspects": 1, "classes": [], "rows": [{**doubted, "columns": {"a": EVIL}}]}
    write_json(run / "label-noise.json", noise)
    write_json(run / "run.json", {"lap": None, "stages": {}, "finished": True})
