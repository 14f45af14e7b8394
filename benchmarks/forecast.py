"""Claim: `feilun check` forecasts the time of a run within 30 % and its peak memory within 20 %.

For each recipe `check` and then `run`, each in a process of its own with an empty home. The forecast says what a run
takes if it is not stopped early, so early stopping is off on both sides (train.patience=null); with `model: auto` the
trial of every model and rate is in it. Real data of FEILUN_DATA; a recipe whose data are absent is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("FEILUN_DATA", ROOT.parent / "shared" / "data")).resolve()
SETTINGS = ("train.patience=null",)
RECIPES: dict[str, tuple[str, ...]] = {
    "digits": ("train.epochs=15",),
    "heart-disease": (),
    "student-grades": (),
    "sms-spam": ("train.epochs=4",),
    "occupancy": ("train.epochs=3",),
    "california-housing": ("train.epochs=10",),
    "cats-and-dogs": ("data.limit=600", "train.epochs=6"),
    "ag-news-auto": ("train.epochs=3",),
    "adult-income": ("train.epochs=4",),
    "mnist": ("train.epochs=1",),
}
PARTS = {"data_s": ("data",), "training_s": ("training",), "rest_s": ("evaluation", "optimization", "deployment")}


def main(asked: list[str]) -> int:
    """Print the table and write benchmarks/results/forecast.json."""
    found = [measured for name in asked or RECIPES if (measured := measure(name)) is not None]
    if len(found) < len(RECIPES):
        print(f"{len(found)} of {len(RECIPES)} recipes; nothing is written.")
        return 0
    lines = [
        _line(found, "seconds", "time of a run", "s", 1.3),
        _line(found, "memory_mb", "peak memory of a run", "MB", 1.2),
    ]
    path = Path(__file__).parent / "results" / "forecast.json"
    path.write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(line["met"] for line in lines) else 3


def measure(name: str) -> dict[str, Any] | None:
    """{recipe, check_s, forecast: {...}, actual: {...}} of one recipe; the parts are printed."""
    recipe = ROOT / "recipes" / name / "recipe.yaml"
    sets = [word for setting in (*SETTINGS, *RECIPES[name]) for word in ("--set", setting)]
    with tempfile.TemporaryDirectory() as home:
        started = time.monotonic()
        checked = _feilun(home, "check", str(recipe), *sets)
        check_s = time.monotonic() - started
        if checked is None:
            return None
        forecast = checked["forecast"]
        started = time.monotonic()
        if _feilun(home, "run", str(recipe), *sets) is None:
            return None
        actual = {"seconds": time.monotonic() - started, "memory_mb": 0.0}
        actual |= dict.fromkeys(PARTS, 0.0)
        for path in Path(home).glob("*/*/*/manifest.json"):
            made = json.loads(path.read_text(encoding="utf-8"))
            actual["memory_mb"] = max(actual["memory_mb"], made["peak_memory_mb"])
            part = next(part for part, stages in PARTS.items() if made["kind"] in stages)
            actual[part] += made["seconds"] + made["facts"].get("seconds_before", 0.0)
        for path in Path(home).glob("*/auto-*/training/halted.json"):
            if not (path.parent / "manifest.json").is_file():
                actual["training_s"] += json.loads(path.read_text(encoding="utf-8"))["seconds"]
    keys = ("seconds", *PARTS, "memory_mb")
    cells = [f"{key} {forecast[key]:.1f}/{actual[key]:.1f} = {forecast[key] / actual[key]:.2f}" for key in keys]
    print(f"{name:20} check {check_s:4.1f} s  {'  '.join(cells)}", flush=True)
    return {"recipe": name, "check_s": check_s, "forecast": forecast, "actual": actual}


def _feilun(home: str, *words: str) -> dict[str, Any] | None:
    """The JSON that a verb prints; None, and why, if it failed."""
    command = [sys.executable, "-m", "feilun.cli.main", *words, "--json", "--home", home]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "FEILUN_DATA": str(DATA)})
    if done.returncode:
        print(f"{words[0]} {words[1]}: {(done.stderr or done.stdout).strip()[:300]}", flush=True)
        return None
    return dict(json.loads(done.stdout)["result"])


def _line(found: list[dict[str, Any]], key: str, what: str, unit: str, within: float) -> dict[str, object]:
    ratios = sorted(one["forecast"][key] / one["actual"][key] for one in found)
    far = sum(not 1 / within <= ratio <= within for ratio in ratios)
    return {
        "claim": f"forecast of the {what}, {len(found)} recipes: within {100 * within - 100:.0f} %",
        "ours": round(sum(one["forecast"][key] for one in found), 1),
        "peer": round(sum(one["actual"][key] for one in found), 1),
        "unit": f"{unit}, all recipes together; the peer is the run itself",
        "ratio_median": round(ratios[len(ratios) // 2], 3),
        "ratio_min": round(ratios[0], 3),
        "ratio_max": round(ratios[-1], 3),
        "null_ratio": None,
        "runs": len(found),
        "target": f"every ratio within {1 / within:.2f} to {within:.2f}; {far} are not",
        "met": far == 0,
        "versions": {library: version(library) for library in ("torch", "numpy")},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
