"""Prove recipes on real data: the whole life cycle for three seeds, the median written to recipes/<name>/scores.json.

python benchmarks/prove.py NAME... | --all      FEILUN_DATA names the folder of data sets, ../shared/data by default

A record says what was reached on test rows that decided nothing, its interval, the strongest baseline on the same
rows, the target, and the hashes of data and recipe. The run whose main score is the median is the one recorded.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from feilun import lifecycle
from feilun.core import reading
from feilun.core.errors import FeilunError
from feilun.core.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"
SEEDS = (0, 1, 2)
MARKS = ("<!-- score, written by make prove -->", "<!-- end of score -->")
TARGETS = {  # recipe -> score, and at least (or, for errors, at most) how much
    "digits": ("accuracy", 0.98),
    "mnist": ("accuracy", 0.99),
    "adult-income": ("auc", 0.912),
    "california-housing": ("rmse", 52_000.0),
    "chnsenticorp": ("accuracy", 0.88),
}


def main(arguments: list[str]) -> int:
    """0 if every target was met, 3 if one was missed, 2 if a recipe does not exist or its data is not there."""
    there = sorted(path.parent.name for path in RECIPES.glob("*/recipe.yaml"))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(there)}")
    parser.add_argument("--all", action="store_true", help="every recipe")
    parser.add_argument("--home", type=Path, default=ROOT / "runs" / "prove", help="where the runs go")
    given = parser.parse_args(arguments)
    names = there if given.all else given.names
    unknown = [name for name in names if name not in there]
    if unknown or not names:
        print(
            f"No recipe called {', '.join(unknown) or '(none given)'}. There are: {', '.join(there)}.", file=sys.stderr
        )
        return 2
    os.environ["FEILUN_DATA"] = str((ROOT / os.environ.get("FEILUN_DATA", "../shared/data")).resolve())
    met = True
    for name in names:
        try:
            records = prove(name, given.home)
        except FeilunError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return error.exit_code
        path = RECIPES / name / "scores.json"
        path.write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        _tell(RECIPES / name / "README.md", records[0])
        met &= all(record["met"] is not False for record in records)
    return 0 if met else 3


def prove(name: str, home: Path) -> list[dict[str, Any]]:
    """One record per score: the run with the median main score, of one run per seed."""
    path = RECIPES / name / "recipe.yaml"
    found = []
    for seed in SEEDS:
        started = time.monotonic()
        recipe = reading.read_recipe(path, [f"seed={seed}"])
        run = lifecycle.run_recipe(recipe, home=home, base=path.parent)
        scores = json.loads((run.stages["evaluation"] / "scores.json").read_text(encoding="utf-8"))
        found.append(scores)
        main_score = scores["scores"][scores["main"]]
        taken = time.monotonic() - started
        print(f"{name} seed {seed}: {scores['main']} {_interval(main_score)}  {taken:.0f} s", flush=True)
    median = sorted(found, key=lambda scores: float(scores["scores"][scores["main"]]["value"]))[len(found) // 2]
    facts = {**_facts(path, recipe), "seeds": list(SEEDS)}
    records = [_record(name, score, median, facts) for score in median["scores"]]
    first = records[0]
    words = {True: "met", False: "MISSED", None: "reported"}[first["met"]]
    print(f"{name}: {first['score']} {_interval(first)}; {first['baseline']} {first['baseline_value']:.4f}; {words}")
    return records


def _record(name: str, score: str, run: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """The record of one score of the median run. target and met are null where nothing was asked of it."""
    ours = run["scores"][score]
    lower = ours["better"] == "lower"
    theirs = {baseline: scores[score]["value"] for baseline, scores in run["baselines"].items()}
    strongest = (min if lower else max)(theirs, key=lambda baseline: float(theirs[baseline]))
    asked, wanted = TARGETS.get(name, ("", None))
    target = wanted if asked == score else None
    reached = None if target is None else (ours["value"] <= target if lower else ours["value"] >= target)
    return {
        "score": score,
        "value": ours["value"],
        "low": ours["low"],
        "high": ours["high"],
        "n": run["n"],
        "baseline": strongest,
        "baseline_value": theirs[strongest],
        "target": target,
        "met": reached,
        **facts,
    }


def _facts(path: Path, recipe: Recipe) -> dict[str, Any]:
    resolved = lifecycle.call("data", "resolve", recipe, base=path.parent)
    return {
        "data_sha256": lifecycle.call("data", "depends", resolved, path.parent, None, None),
        "recipe_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "commit": _commit(),
    }


def _tell(page: Path, record: dict[str, Any]) -> None:
    """Write the score into the recipe's page, between its two marks."""
    asked = "" if record["target"] is None else f" Asked for: {_shown(record, 'target')}."
    line = (
        f"{record['score'].replace('_', ' ')} **{_shown(record, 'value')}** [{_shown(record, 'low')}, "
        f"{_shown(record, 'high')}] on {record['n']:,} test rows, median of {len(record['seeds'])} seeds; "
        f"{record['baseline'].replace('_', ' ')} {_shown(record, 'baseline_value')}.{asked}"
    )
    before, mark, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    if mark:
        after = rest.partition(MARKS[1])[2]
        page.write_text(f"{before}{MARKS[0]}\n{line}\n{MARKS[1]}{after}", encoding="utf-8")


def _shown(record: dict[str, Any], key: str) -> str:
    number = float(record[key])
    return f"{number:,.0f}" if number >= 100 else f"{number:.4f}"


def _commit() -> str:
    """The commit of the code that ran; a + says that src or the recipe was changed since."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    return git("rev-parse", "HEAD") + (
        "+" if git("status", "--porcelain", "--", "src", "recipes/*/recipe.yaml") else ""
    )


def _interval(score: dict[str, Any]) -> str:
    return f"{score['value']:.4f} [{score['low']:.4f}, {score['high']:.4f}]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
