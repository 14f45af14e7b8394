"""Killed at random instants, every task's training ends with the weights of one that nobody disturbed.

FEILUN_KILLS=100 pytest tests/promises/test_kills.py kills each a hundred times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from feilun.core import discover

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize("task", sorted(discover.names("tasks")))
def test_killed_at_random_instants(task: str, tmp_path: Path) -> None:
    """Weights to the bit, and curves: no row was skipped, none learnt twice."""
    kills = int(os.environ.get("FEILUN_KILLS", "2"))
    command = [sys.executable, str(HERE / "kill_training.py"), task, str(tmp_path), str(kills), "0"]
    given = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, capture_output=True, text=True, env=given)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["died"] >= 1
    assert told["same_weights"], told
    assert told["same_curves"], told
