"""The stage packs what the earlier stages made, and refuses a bundle that answers differently."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from feilun.core import discover, manifest
from feilun.core.errors import FeilunError
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.core.work import Work
from feilun.parts.bundle import loading
from feilun.parts.dataset import SPLITS, write
from feilun.stages.deployment import verbs

ROWS = {"width": [1.0, -3.0, 2.0, -2.0], "height": [2.0, -1.0, 1.0, None], "sign": ["plus", "minus", "plus", "minus"]}


@pytest.fixture
def work(bundle: Path, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Work:
    """What the earlier stages of the tiny task left behind; taken out of a bundle that was packed by hand."""
    from datasets import Dataset

    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])  # for predict.py in its own process
    made = bundle.parent / "made-1"
    folders = {stage: tmp_path / "run" / stage for stage in ("data", "training", "evaluation", "optimization")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    rows = Dataset.from_dict({**ROWS, "_id": ["a", "b", "c", "d"]})
    splits = np.full(4, SPLITS.index("test"), np.int8)
    fitted = manifest.read_json(made / "features.json")
    features = {name: discover.feature(**facts) for name, facts in fitted.items()}
    write(folders["data"], rows, splits, np.zeros(4, np.int16), features, [])
    shutil.copy(made / "weights.safetensors", folders["training"])
    for name in ("state.json", "state.safetensors", "card.md"):
        shutil.copy(made / name, folders["evaluation"])
    shutil.copytree(made / "graphs", folders["optimization"] / "graphs")
    manifest.write_json(folders["optimization"] / "variants.json", {"chosen": "fp32", "graphs": {"main": {}}})
    answers = loading.load(bundle).predict([{k: ROWS[k][at] for k in ("width", "height")} for at in range(4)])
    lines = [{"id": "abcd"[at], "answer": answers[at], "truth": ROWS["sign"][at]} for at in (3, 1, 0, 2)]
    (folders["evaluation"] / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder = tmp_path / "run" / "deployment"
    folder.mkdir()
    recipe = Recipe.model_validate({"name": "my", "task": "tiny", "target": "sign"})
    task = discover.task("tiny")
    return Work(recipe=recipe, task=task, folder=folder, before=folders, say=Quiet(), base=tmp_path, version=7)


def test_packs_and_checks_what_it_packed(work: Work) -> None:
    (work.folder / "bundle").mkdir()
    (work.folder / "bundle" / "half.tmp").write_text("left by an interrupted attempt")
    made = verbs.make(work)
    opened = verbs.load(work.folder)
    assert opened.called == "my@7" and opened.recipe == work.recipe
    assert made.facts["rows"] == 4 and made.facts["agreement"] == 1.0
    assert made.facts["sha256"] == opened.manifest["sha256"]
    assert (work.folder / "bundle" / "card.md").read_text() == "# tiny\n"


def test_other_answers_than_in_evaluation_stop_the_stage(work: Work) -> None:
    path = work.before["evaluation"] / "answers.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines[:2]:
        line["answer"]["label"] = "plus" if line["answer"]["label"] == "minus" else "minus"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(FeilunError, match="The bundle answers 50% of 4 test rows"):
        verbs.make(work)


def test_a_file_that_needs_training_code_is_not_packed(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    from feilun.parts.bundle import packing

    monkeypatch.setattr(packing, "ANSWERING", (*packing.ANSWERING, "loading"))  # it imports the recipe, so pydantic
    with pytest.raises(FeilunError, match=r"feilun\.core\.recipe is imported at the top"):
        verbs.make(work)


def test_serving_any_task_imports_nothing_of_training() -> None:
    code = """
import sys
from feilun.core import discover
from feilun.stages.deployment import verbs
from feilun.stages.deployment.serving import server
for name in discover.names("tasks"):
    discover.task(name)
for kind in discover.names("features"):
    discover.find("features", kind)
print([name for name in ("torch", "datasets", "pyarrow", "sklearn", "onnx", "pandas", "scipy") if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert said.stdout.strip() == "[]"
