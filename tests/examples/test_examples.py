"""The examples run as a reader runs them, and the notebook holds what they show."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = ("table.py", "text.py", "own_network.py")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_in_an_empty_folder(tmp_path: Path, name: str) -> None:
    path = EXAMPLES / name
    assert len(path.read_text("utf-8").splitlines()) <= 25
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [page] = tmp_path.glob("runs/*/1/report.html")
    assert "@1" in page.read_text("utf-8") and done.stdout.strip()


def test_the_notebook_gives_the_same_kinds_of_outputs_again() -> None:
    kept = notebook()
    again = execute().executed(notebook())
    assert kinds(kept) == kinds(again)
    html = ["".join(out["data"].get("text/html", "")) for out in shown(again)]
    assert sum("dots ours" in page and "card" in page for page in html) == 2
    assert any("data:image/png" in page for page in html), "the pictures are inline"


def test_the_notebook_is_small_and_holds_no_path_and_no_time() -> None:
    path = EXAMPLES / "notebook.ipynb"
    text = path.read_text("utf-8")
    assert path.stat().st_size < 300_000
    assert all(cell["outputs"] for cell in notebook()["cells"] if cell["cell_type"] == "code")
    streams = "".join("".join(out.get("text", "")) for cell in notebook()["cells"] for out in cell.get("outputs", ()))
    assert not re.search(r"\d (?:ms|s)\b|\d:\d\d", streams) and "\\r" not in text and "█" not in text
    assert not re.search(r"/home/|/Users/|/tmp/|site-packages", text)


def execute() -> Any:
    spec = importlib.util.spec_from_file_location("execute", EXAMPLES / "execute.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def notebook() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / "notebook.ipynb").read_text("utf-8"))
    return found


def shown(found: dict[str, Any]) -> list[dict[str, Any]]:
    cells = [cell for cell in found["cells"] if cell["cell_type"] == "code"]
    return [out for cell in cells for out in cell["outputs"] if "data" in out]


def kinds(found: dict[str, Any]) -> list[Any]:
    cells = [cell for cell in found["cells"] if cell["cell_type"] == "code"]
    return [[(out["output_type"], sorted(out.get("data", ()))) for out in cell["outputs"]] for cell in cells]
