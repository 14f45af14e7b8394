"""--profile: it changes nothing, finds the part that takes the time, and leaves a trace."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
import training_to_kill as worked

from feilun.core.errors import Stopped
from feilun.parts.engine import weights
from feilun.parts.engine.profiling import TOGETHER, TRACE, Profile, advice

PLAN = worked.PLAN.model_copy(update={"epochs": 12, "checkpoint_s": 1e9})  # 60 steps
PROFILED = PLAN.model_copy(update={"profile": True})


def busy(times: int) -> None:
    """Work that takes far longer than the little networks' steps."""
    big = torch.ones(300, 300)
    for _ in range(times):
        big @ big


def slow(players: Any, batch: dict[str, Tensor], player: str) -> Tensor:
    """The objective with a slow forward, in training only."""
    if players["maker"].training:
        busy(6)
    return worked.objective(players, batch, player)


def test_results_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    plain, without = worked.train(None, PLAN)
    watched, fitted = worked.train(tmp_path, PROFILED)
    one, other = weights.named(plain), weights.named(watched)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert without.profile is None
    assert fitted.profile is not None
    assert sum(fitted.profile["shares"].values()) == pytest.approx(1, abs=1e-3)  # they are rounded to 1e-4
    assert fitted.profile["steps"] == 20
    assert not torch.autograd._profiler_enabled()


def test_the_slow_part_is_found_and_traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, fitted = worked.train(tmp_path, PROFILED, slow)
    assert fitted.profile is not None
    shares = fitted.profile["shares"]
    assert max(shares, key=lambda part: shares[part]) == "forward"
    assert fitted.profile["operators"][0][0] == "matrix product"
    assert fitted.profile["words"][-1].startswith("The network itself")
    assert f"{100 * shares['forward']:.0f} % into forward" in fitted.profile["words"][0]
    events = json.loads(gzip.decompress((tmp_path / TRACE).read_bytes()))["traceEvents"]
    parts = Counter(event["name"] for event in events if event.get("cat") == "user_annotation")
    assert parts["part: forward"] == parts["part: backward"] == parts["part: optimizer"] == parts["part: data"] == 20

    def heavy(batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        busy(6)
        return batch

    monkeypatch.setattr(worked, "augment", heavy)
    _, fitted = worked.train(None, PROFILED)
    assert fitted.profile is not None
    assert fitted.profile["shares"]["data"] > 0.4
    assert fitted.profile["words"][-1].startswith("Batches are the bottleneck")


def test_a_few_steps_are_enough_and_one_is_not() -> None:
    for epochs, expected in ((1, 1), (2, 3)):  # of 5 and 10 steps
        _, fitted = worked.train(None, PROFILED.model_copy(update={"epochs": epochs}))
        assert fitted.profile is not None
        assert fitted.profile["steps"] == expected
    _, fitted = worked.train(None, PROFILED.model_copy(update={"epochs": 1, "batch_size": 80}))
    assert fitted.profile is None


def test_tracing_ends_when_training_is_stopped(tmp_path: Path) -> None:
    count = 0

    def stopped(players: Any, batch: dict[str, Tensor], player: str) -> Tensor:
        nonlocal count
        count += players["maker"].training
        if count == 35:
            os.kill(os.getpid(), signal.SIGINT)
            count += 1
        return worked.objective(players, batch, player)

    with pytest.raises(Stopped):
        worked.train(tmp_path, PROFILED, stopped)
    assert not torch.autograd._profiler_enabled()
    _, fitted = worked.train(tmp_path, PROFILED)
    assert fitted.profile is not None  # of the steps that were left


def test_each_piece_of_advice() -> None:
    even = {"data": 0.1, "forward": 0.3, "backward": 0.3, "optimizer": 0.1, "rest": 0.1, "waiting": 0.1}
    assert advice(even).startswith("The network itself")
    assert advice({**even, "data": 0.5, "forward": 0.0}).startswith("Batches")
    assert advice({**even, "waiting": 0.4, "forward": 0.0}).startswith("Fewer validation rows")
    assert advice({**even, "optimizer": 0.4, "forward": 0.0}).startswith("Steps are short")


def test_waiting_for_other_processes_is_waiting_and_no_rest() -> None:
    profile = Profile(True, torch.device("cpu"))
    with profile.over(10, None):
        for _ in range(10):
            with profile.part("step"):
                with profile.part("forward"):
                    time.sleep(0.002)
                with profile.part(TOGETHER):
                    time.sleep(0.006)
            profile.stepped()
    told = profile.result()
    assert told is not None
    assert sum(told["shares"].values()) == pytest.approx(1, abs=1e-3)
    assert told["shares"]["waiting"] > 0.5 > told["shares"]["forward"] > 0.1 > told["shares"]["rest"]
