"""Optimizers called bare: the same bits, PyTorch's compiler stays unloaded, and nothing is left behind."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from feilun.core.recipe import Train
from feilun.parts.engine import bare, optimizers

PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
import training_to_kill as worked
worked.train(None, worked.PLAN.model_copy(update={{"epochs": 1, "optimizer": {name!r}}}))
print("torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize("name", ["adamw", "muon", "momentum", "rmsprop"])
def test_training_loads_no_compiler(name: str) -> None:
    program = PROGRAM.format(folder=str(Path(__file__).parent), name=name)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "muon"])
def test_a_bare_step_is_the_step(name: str) -> None:
    plan = Train.model_validate({"optimizer": name})
    drawn = torch.Generator().manual_seed(0)
    start = [torch.randn(4, 3, generator=drawn), torch.randn(3, generator=drawn)]
    found = []
    for call in (bare.step, lambda optimizer: optimizer.step()):
        parameters = [nn.Parameter(one.clone()) for one in start]
        made = optimizers.make(plan, parameters)
        for _ in range(3):
            for one in parameters:
                one.grad = one.detach().sin()
            for optimizer in made:
                call(optimizer)
        found.append([one.detach() for one in parameters])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, bare.COMPILER, raising=False)
    methods = [inspect.unwrap(getattr(Optimizer, name)) for name in bare.METHODS]
    before = [getattr(method, bare.MARK, None) for method in methods]
    with bare.optimizers():
        assert all(hasattr(method, bare.MARK) for method in methods)
    assert [getattr(method, bare.MARK, None) for method in methods] == before
