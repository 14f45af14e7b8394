"""Training on more rows than memory holds: flat, exact after an interruption, whatever the memory is then."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from feilun.core.errors import Stopped
from feilun.core.recipe import Train
from feilun.parts.engine import weights
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Fitted, Index, Learning, Run
from feilun.parts.engine.randomness import initialised
from feilun.parts.ops.ragged import Ragged

ROWS, MEMORY_MB, LIMIT_MB = 70_000, 40, 110
SMALL = 15_000


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """215 MB: five times what may be held. Sorted by class, which is which half is lighter."""
    folder = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    header = {"descr": "|u1", "fortran_order": False, "shape": (ROWS, 3, 32, 32)}
    with (folder / "x.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, ROWS, 5_000):
            part = draw.integers(0, 206, (5_000, 3, 32, 32), dtype=np.uint8)
            part[:, :, :16] += np.uint8(50 * (start < ROWS // 2))
            part[:, :, 16:] += np.uint8(50 * (start >= ROWS // 2))
            file.write(part.data)
    np.save(folder / "y.npy", (np.arange(ROWS) >= ROWS // 2).astype(np.int64))
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts and limits private memory this way")
def test_five_times_the_memory_trains_in_flat_memory(pictures: Path) -> None:
    """And without streaming the same training does not fit."""
    program = Path(__file__).parent / "training_in_little_memory.py"

    def run(memory_mb: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(program), str(pictures), str(memory_mb), str(LIMIT_MB)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    streamed = run(MEMORY_MB)
    assert streamed.returncode == 0, streamed.stderr
    found = json.loads(streamed.stdout)
    assert found["grown_mb"] < LIMIT_MB
    assert found["loss"] < 0.3  # a file sorted by class, read in its order, would not be learnt
    held = run(10_000)
    assert held.returncode != 0
    assert "memory" in held.stderr.lower()


def stored(folder: Path) -> dict[str, Any]:
    """2 MB of rows of both kinds, mapped."""
    draw = np.random.default_rng(3)
    lengths = draw.integers(1, 6, SMALL)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    folder.mkdir(exist_ok=True)
    np.save(folder / "x.npy", draw.normal(size=(SMALL, 24)).astype(np.float32))
    np.save(folder / "t.npy", draw.integers(1, 9, offsets[-1]))
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("x", "t")}
    return {"x": arrays["x"], "t": Ragged(arrays["t"], offsets)}


def trained(folder: Path, run: Path | None, memory_mb: int | None, at: int = -1) -> tuple[nn.Module, Fitted]:
    """A training whose feedback share lists rows twice; a signal at step `at` interrupts it."""
    step = 0

    def objective(players: Any, batch: dict[str, Tensor], player: str) -> Tensor:
        nonlocal step
        if players[player].training:
            step += 1
            if step == at:
                os.kill(os.getpid(), signal.SIGINT)
        told = batch["t"].float().mean(1, keepdim=True)
        return (players[player](batch["x"]) - told).square().sum(1)

    with initialised(1):
        network = nn.Sequential(nn.Linear(24, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1))
    train = np.arange(12_000)
    chances = np.where(train % 10 == 0, 3.0, 1.0)
    index = Index(
        train=np.concatenate([train, train[:300]]),
        validation=np.arange(12_000, SMALL),
        weights=np.linspace(0.5, 1.5, SMALL, dtype=np.float32),
        chances=np.concatenate([chances, chances[:300]]),
    )
    plan = Train(epochs=2, batch_size=100, memory_mb=memory_mb)
    learning = Learning(objective=objective)
    return network, fit({"main": network}, stored(folder), index, learning, plan, Run(seed=4, folder=run))


@pytest.mark.parametrize("then", [1, 2, None])  # MB: as before, another buffer, no streaming at all
def test_resume_in_the_middle_of_an_epoch_is_exact(tmp_path: Path, then: int | None) -> None:
    expected, _ = trained(tmp_path / "rows", None, 1)
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(Stopped):
        trained(tmp_path / "rows", run, 1, at=171)
    found, _ = trained(tmp_path / "rows", run, then)
    one, other = (weights.named({"main": network}) for network in (expected, found))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_streaming_learns_what_memory_learns(tmp_path: Path) -> None:
    """Other orders of the same rows: the losses differ by what another seed would make, not by more."""
    losses = [trained(tmp_path / "rows", None, memory_mb)[1].curves[-1]["validation_loss"] for memory_mb in (1, None)]
    assert abs(losses[0] - losses[1]) < 0.05 * losses[1]
