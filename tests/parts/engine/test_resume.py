"""An interrupted training goes on bit for bit: after kill -9, after Ctrl-C, after a full disk."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
import training_to_kill as worked

from feilun.core.errors import InputError, IntegrityError, Stopped
from feilun.core.recipe import Train
from feilun.parts.engine import weights

SHORT = worked.PLAN.model_copy(update={"epochs": 6})


def same(one: dict[str, nn.Module], other: dict[str, nn.Module]) -> bool:
    """Every weight and buffer equal to the last bit."""
    left, right = weights.named(one), weights.named(other)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def interrupted_at(step: int, times: int = 1, number: int = signal.SIGINT) -> Any:
    """The objective, with a signal to ourselves in the middle of one training step."""
    count = 0

    def objective(players: Any, batch: dict[str, Tensor], player: str) -> Tensor:
        nonlocal count
        if players["maker"].training:
            if count == step:
                for _ in range(times):
                    os.kill(os.getpid(), number)
            count += 1
        return worked.objective(players, batch, player)

    return objective


def untimed(curves: Any) -> list[dict[str, Any]]:
    """Curves without the one value that is about the clock."""
    return [{name: value for name, value in point.items() if name != "rows_per_s"} for point in curves]


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "muon"])
def test_ctrl_c_then_on_is_bit_for_bit_the_uninterrupted_run(tmp_path: Path, optimizer: str) -> None:
    plan = Train.model_validate({**SHORT.model_dump(), "optimizer": optimizer, "learning_rate": 1e-2})
    expected, fitted = worked.train(None, plan)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(Stopped, match=r"Stopped after step 8 of 30 .*Type the same command"):
        worked.train(tmp_path, plan, interrupted_at(7))
    with pytest.raises(Stopped, match="Stopped after step 10 of 30"):  # the end of an epoch
        worked.train(tmp_path, plan, interrupted_at(1, number=signal.SIGTERM))
    got, again = worked.train(tmp_path, plan)
    assert signal.getsignal(signal.SIGINT) is handler
    assert same(got, expected)
    assert untimed(again.curves) == untimed(fitted.curves)


def test_a_second_ctrl_c_quits_at_once(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        worked.train(tmp_path, SHORT.model_copy(update={"checkpoint_s": 1e6}), interrupted_at(7, times=2))
    assert not list(tmp_path.iterdir())


def killed(folder: Path, kills: int, seed: int) -> None:
    """Kill a training so many times and compare with one that nobody disturbed."""
    command = [sys.executable, str(Path(worked.__file__)), str(folder), str(kills), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["died_at"], "no child died in the middle of training"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    expected, fitted = worked.train(None)
    torch.set_num_threads(threads)
    assert fitted.epochs == told["epochs"]
    got = load_file(folder / weights.FILE)
    assert all(torch.equal(got[name], tensor) for name, tensor in weights.named(expected).items())
    assert len(list(folder.glob("step-*"))) == 1
    assert not list(folder.glob(".*"))


def test_kill_9_at_random_instants(tmp_path: Path) -> None:
    killed(tmp_path, int(os.environ.get("FEILUN_KILLS", "5")), seed=0)


@pytest.mark.slow
def test_kill_9_twenty_times(tmp_path: Path) -> None:
    killed(tmp_path, 20, seed=1)


def test_on_a_full_disk_the_old_checkpoint_stays(tmp_path: Path) -> None:
    expected, _ = worked.train(None, SHORT)
    with pytest.raises(Stopped):
        worked.train(tmp_path, SHORT, interrupted_at(7))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))  # the system refuses longer files, as a full disk does
    try:
        with pytest.raises(InputError, match=r"could not be written.*Make room"):
            worked.train(tmp_path, SHORT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    got, _ = worked.train(tmp_path, SHORT)
    assert same(got, expected)


@pytest.mark.parametrize("how", ["a bit", "cut", "gone", "json"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, how: str) -> None:
    with pytest.raises(Stopped):
        worked.train(tmp_path, SHORT, interrupted_at(7))
    [path] = tmp_path.glob("step-*.safetensors")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    match how:
        case "a bit":
            path.write_bytes(content)
        case "cut":
            path.write_bytes(content[:100])
        case "gone":
            path.unlink()
        case "json":
            for listed in tmp_path.glob("checkpoint*.json"):
                listed.write_text("{")
    with pytest.raises(IntegrityError, match=r"damaged.*Delete"):
        worked.train(tmp_path, SHORT)


@pytest.mark.parametrize(
    "ways",
    [
        {"average": "ema", "decay": "plateau", "learning_rate": 0.3},
        {"average": "swa", "patience": None, "accumulate": 3},
        {"precision": "fp16", "decay": "one_cycle"},
        {"precision": "bf16", "recompute": True, "keep": 3},
    ],
    ids=lambda ways: "-".join(map(str, ways)),
)
def test_every_way_of_training_goes_on_bit_for_bit(tmp_path: Path, ways: dict[str, Any]) -> None:
    plan = Train.model_validate({**SHORT.model_dump(), **ways})
    expected, fitted = worked.train(None, plan)
    for step in (7, 20):  # counted from where it goes on: in the middle of the second and in the last epoch
        with pytest.raises(Stopped):
            worked.train(tmp_path, plan, interrupted_at(step * plan.accumulate))
    got, again = worked.train(tmp_path, plan)
    assert same(got, expected)
    assert untimed(again.curves) == untimed(fitted.curves)
