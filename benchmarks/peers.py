"""Peers run in an environment of their own, made once from peers.txt: .venv-peers. No benchmark itself.

python benchmarks/peers.py      makes the environment (about 2 GB, some minutes)
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / ".venv-peers"
LISTED = HERE / "peers.txt"
THREADS = "2"
LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1", "TOKENIZERS_PARALLELISM": "false"}


def python() -> Path:
    """The interpreter that has the peers; made if it is missing or peers.txt has changed."""
    found = FOLDER / "bin" / "python"
    wanted = hashlib.sha256(LISTED.read_bytes()).hexdigest()
    ready = FOLDER / "ready"
    if ready.is_file() and ready.read_text(encoding="utf-8") == wanted:
        return found
    print(f"Setting up {FOLDER.name} (once, some minutes)", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
    install = [str(found), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # torch first and pinned: a bare `torch` may bring several GB of CUDA.
    [torch] = [one for one in LISTED.read_text(encoding="utf-8").splitlines() if one.startswith("torch==")]
    subprocess.run([*install, torch], check=True)
    subprocess.run([*install, "-r", str(LISTED)], check=True)
    ready.write_text(wanted, encoding="utf-8")
    return found


def versions() -> dict[str, str]:
    """What is installed there of what peers.txt lists."""
    listed = [one.partition("==")[0] for one in LISTED.read_text(encoding="utf-8").splitlines() if "==" in one]
    [packages] = (FOLDER / "lib").glob("python3*/site-packages")
    found = {one.metadata["Name"].replace("_", "-"): one.version for one in distributions(path=[str(packages)])}
    return {name: found[name] for name in listed}


def run(script: Path, *arguments: str, interpreter: Path | None = None, **variables: str) -> Any:
    """The JSON in the last line that a script prints, run in a process of its own with two threads.

    interpreter: another one than the peers', for our own side.  variables: of the environment, on top of ours.
    Raises RuntimeError with what the script said.
    """
    command = [str(interpreter or python()), str(script), *arguments]
    environment = {**os.environ, **dict.fromkeys(LIMITS, THREADS), **QUIET, **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{script.name} {' '.join(arguments)}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    print(python(), versions())
