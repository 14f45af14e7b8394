"""Prove recipes on real data: the whole life cycle for three seeds, the median written to recipes/<name>/scores.json.

python benchmarks/prove.py NAME... | --all      FEILUN_DATA names the folder of data sets, ../shared/data by default

A record says what was reached on test rows that decided nothing, its interval, the baselines on the same rows, what
was asked (benchmarks/targets.py), and the hashes of data and recipe. The run whose main score is the median is the
one recorded. Other seeds are a trial: what they reach is printed, and nothing is written. Seeds that were run at the
same time, with `--home runs/{seed} --seeds 1`, are found there when all are asked for.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feilun import lifecycle
from feilun.core import reading
from feilun.core.errors import FeilunError
from feilun.core.recipe import Recipe
from targets import TARGETS, rules, strongest

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"
SEEDS = (0, 1, 2)
MARKS = ("<!-- score, written by make prove -->", "<!-- end of score -->")


def main(arguments: list[str]) -> int:
    """0 if every target was met, 3 if one was missed, 2 if a recipe does not exist or its data is not there."""
    there = sorted(path.parent.name for path in RECIPES.glob("*/recipe.yaml"))
    given = _parser(there).parse_args(arguments)
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
            records = prove(name, given.home, given.seeds)
        except FeilunError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return error.exit_code
        met &= all(record["met"] is not False for record in records)
        if tuple(given.seeds) == SEEDS:
            keep(name, records)
        else:
            print(f"{name}: nothing written, since the seeds are not {_listed(SEEDS)}")
    return 0 if met else 3


def prove(name: str, home: Path, seeds: Sequence[int] = SEEDS) -> list[dict[str, Any]]:
    """One record per score: the run with the median main score, of one run per seed."""
    path = RECIPES / name / "recipe.yaml"
    found = []
    for seed in seeds:
        started = time.monotonic()
        recipe = reading.read_recipe(path, [f"seed={seed}"])
        own = Path(str(home).replace("{seed}", str(seed)))
        run = lifecycle.run_recipe(recipe, home=own, base=path.parent)
        scores = json.loads((run.stages["evaluation"] / "scores.json").read_text(encoding="utf-8"))
        found.append({**scores, **_model(run)})
        main_score = scores["scores"][scores["main"]]
        taken = time.monotonic() - started
        print(f"{name} seed {seed}: {scores['main']} {_interval(main_score)}  {taken:.0f} s", flush=True)
    median = sorted(found, key=lambda scores: float(scores["scores"][scores["main"]]["value"]))[len(found) // 2]
    facts = {**_facts(path, recipe), "seeds": list(seeds), "model": median["model"], "auto": median["auto"]}
    records = [record(name, score, median, facts) for score in _in_order(median)]
    first = records[0]
    words = {True: "met", False: "MISSED", None: "reported"}[first["met"]]
    print(f"{name}: {first['score']} {_interval(first)}; {first['baseline']} {first['baseline_value']:.4f}; {words}")
    return records


def record(name: str, score: str, run: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """The record of one score of the median run. target and met are null where nothing was asked of it."""
    ours = run["scores"][score]
    theirs = {baseline: scores[score] for baseline, scores in run["baselines"].items() if score in scores}
    best = strongest(theirs, lower=ours["better"] == "lower")
    asked = rules(TARGETS.get(name), score, ours, theirs)
    return {
        "score": score,
        "value": ours["value"],
        "low": ours["low"],
        "high": ours["high"],
        "n": run["n"],
        "baseline": best,
        "baseline_value": theirs[best]["value"],
        "target": asked[0]["limit"] if asked else None,
        "met": all(rule["met"] for rule in asked) if asked else None,
        **facts,
        "better": ours["better"],
        "rules": asked,
        "baselines": {
            baseline: {key: made[key] for key in ("value", "low", "high")} for baseline, made in theirs.items()
        },
    }


def keep(name: str, records: list[dict[str, Any]]) -> None:
    """Write the record, and the score into the recipe's page, between its two marks."""
    path = RECIPES / name / "scores.json"
    path.write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page = RECIPES / name / "README.md"
    before, mark, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    if mark:
        after = rest.partition(MARKS[1])[2]
        page.write_text(f"{before}{MARKS[0]}\n{told(records[0])}\n{MARKS[1]}{after}", encoding="utf-8")


def told(record: dict[str, Any]) -> str:
    """The record in a line or two of Markdown."""
    first = (
        f"{record['score'].replace('_', ' ')} **{_shown(record['value'])}** [{_shown(record['low'])}, "
        f"{_shown(record['high'])}] on {record['n']:,} test rows, median of {len(record['seeds'])} seeds; "
        f"{record['baseline'].replace('_', ' ')} {_shown(record['baseline_value'])}."
    )
    chosen = f" `auto` chose {record['model']}." if record["auto"] else ""
    return first + chosen + "".join(f" {_asked(rule)}" for rule in record["rules"])


def _asked(rule: dict[str, Any]) -> str:
    verdict = "met" if rule["met"] else "**missed**"
    if not rule["baseline"]:
        return f"Asked for: {rule['rule']} {_shown(rule['limit'])}, {verdict}."
    name = rule["baseline"].replace("_", " ")
    return f"Asked for: not worse than {name} by more than half the interval ({_shown(rule['limit'])}), {verdict}."


def _parser(there: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(there)}")
    parser.add_argument("--all", action="store_true", help="every recipe")
    parser.add_argument(
        "--home", type=Path, default=ROOT / "runs" / "prove", help="where the runs go; {seed} in it: a home for each"
    )
    parser.add_argument(
        "--seeds",
        type=lambda text: [int(seed) for seed in text.split(",")],
        default=list(SEEDS),
        metavar="N,N,...",
        help=f"seeds to run; default {_listed(SEEDS)}. Others are a trial, and nothing is written",
    )
    return parser


def _listed(seeds: Sequence[int]) -> str:
    return ",".join(map(str, seeds))


def _in_order(scores: dict[str, Any]) -> list[str]:
    """The main score first, and only those that are numbers here and of a baseline."""
    theirs = scores["baselines"].values()
    shared = [
        name
        for name, ours in scores["scores"].items()
        if _known(ours)
        and any(name in made for made in theirs)
        and all(_known(made[name]) for made in theirs if name in made)
    ]
    return sorted(shared, key=lambda name: name != scores["main"])


def _known(score: dict[str, Any]) -> bool:
    return all(isinstance(score[key], int | float) and math.isfinite(score[key]) for key in ("value", "low", "high"))


def _model(run: lifecycle.Run) -> dict[str, Any]:
    """Which network it was, and where `auto` chose it, that it did."""
    path = run.folder / "auto.json"
    chosen = str(run.recipe.model.name)
    if path.is_file():
        tried = json.loads(path.read_text(encoding="utf-8"))["models"]
        chosen = next((row["model"] for row in tried if row["chosen"]), chosen)
    return {"model": chosen, "auto": path.is_file()}


def _facts(path: Path, recipe: Recipe) -> dict[str, Any]:
    resolved = lifecycle.call("data", "resolve", recipe, base=path.parent)
    return {
        "data_sha256": lifecycle.call("data", "depends", resolved, path.parent, None, None),
        "recipe_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "commit": _commit(),
    }


def _shown(value: Any) -> str:
    number = float(value)
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.4f}"


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
