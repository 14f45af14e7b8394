"""A bundle is answered and served in an environment that has what answering needs, and no torch."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from http_client import ask
from tiny_bundle import ROW

from feilun.parts.bundle import loading

ROOT = Path(__file__).resolve().parents[3]
# What only training uses must not even be there.
ABSENT = ("torch", "datasets", "pyarrow", "sklearn", "onnx", "pandas", "scipy")
SERVE = """
import sys
from pathlib import Path
from feilun.core.recipe import Serve
from feilun.console import pages
from feilun.stages.deployment import verbs

class Say:
    def line(self, text): print(text, flush=True)
    def progress(self, stage, **fields): pass

verbs.serve(Path(sys.argv[1]), "my", Serve(port=0), pages(), Say())
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the base dependencies of pyproject.toml only."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    found = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pip = [str(found), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    made = subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), *wanted], capture_output=True, encoding="utf-8")
    if made.returncode != 0:
        pytest.skip(f"the base dependencies cannot be installed here: {made.stderr[-300:]}")
    return found


@pytest.mark.slow
def test_predict_script_and_server(python: Path, home: Path, environment: dict[str, str]) -> None:
    source = {**environment, "PYTHONPATH": environment["PYTHONPATH"] + ":" + str(ROOT / "src")}
    there = f"import importlib.util as u; print([n for n in {ABSENT!r} if u.find_spec(n)])"
    assert subprocess.run([python, "-c", there], capture_output=True, check=True, env=source).stdout.strip() == b"[]"
    bundle = home / "my" / "1" / "deployment" / "bundle"
    expected = loading.load(bundle).predict([ROW])
    said = subprocess.run(
        [python, bundle / "predict.py", "-"], input=json.dumps(ROW), capture_output=True, text=True, env=environment
    )
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == expected
    process = subprocess.Popen([python, "-c", SERVE, str(home)], stdout=subprocess.PIPE, text=True, env=source)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split(" at ")[1].split()[0]
        status, got, _ = ask(address, "/v1/predict", {"row": ROW})
        assert status == 200 and got["predictions"][0]["answer"] == expected[0]
        assert ask(address, "/v1/feedback", {"id": got["predictions"][0]["id"], "answer": "plus"})[0] == 200
        assert "</html>" in ask(address, "/")[1]
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0  # stopped in order: what was answered is in the log
        process.communicate()
