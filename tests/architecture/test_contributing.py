"""CONTRIBUTING.md is tried by doing it: its task goes into a copy of the package and once around the house."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_task_of_the_walk_through_runs(tmp_path: Path) -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.S)
    shutil.copytree(ROOT / "src" / "feilun", tmp_path / "src" / "feilun", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "src" / "feilun" / "tasks" / "ceiling.py").write_text(code, encoding="utf-8")
    listed = _feilun(tmp_path, "catalog", "tasks", "--json")
    assert "ceiling" in json.loads(listed)["result"]
    _feilun(tmp_path, "init", "builtin:ceiling")
    told = json.loads(_feilun(tmp_path, "run", "ceiling.yaml", "--json"))
    assert told["version"] == "ceiling@1"
    loss = told["result"]["scores"]["quantile loss"]
    scores = json.loads((tmp_path / "runs" / "ceiling" / "1" / "evaluation" / "scores.json").read_text("utf-8"))
    simple = scores["baselines"]["training quantile"]["quantile loss"]
    assert loss["high"] < simple["value"], "a walk-through whose model is no better than one number teaches nothing"
    [said] = json.loads(_feilun(tmp_path, "predict", "ceiling", "--row", '{"km": 10}', "--json"))["result"]
    assert "at_most" in json.dumps(said)


def _feilun(folder: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    command = [sys.executable, "-m", "feilun.cli.main", *words]
    said = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout
