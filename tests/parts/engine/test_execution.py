"""Ways to run the same networks: accumulation, recomputing, half precision, channels last, compiled."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from feilun.core.errors import InputError, RecipeError
from feilun.core.recipe import Train
from feilun.parts.engine import compiling, execution, weights
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Fitted, Index, Learning
from feilun.parts.engine.randomness import initialised

ROWS = 48


class Small(nn.Module):
    """A stem, a list of alike layers, a sequence with a norm, an answer."""

    def __init__(self, norm: bool = True) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.layers = nn.ModuleList(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Tanh()) for _ in range(3))
        norms = [nn.BatchNorm2d(4)] if norm else []
        self.rest = nn.Sequential(nn.Conv2d(4, 4, 3), *norms, nn.ReLU(), nn.Dropout(0.2), nn.Flatten())
        self.head = nn.Linear(4 * 36, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 8, 8) -> (B, 3)."""
        state = self.stem(x)
        for layer in self.layers:
            state = state + layer(state)
        made: Tensor = self.head(self.rest(state))
        return made


def objective(networks: Any, batch: dict[str, Tensor], player: str) -> Tensor:
    """Cross-entropy."""
    return nn.functional.cross_entropy(networks[player](batch["x"]), batch["y"], reduction="none")


def trained(network: nn.Module | None = None, **plan: Any) -> tuple[dict[str, Tensor], Fitted]:
    """Weights and curves after a few epochs."""
    drawn = np.random.default_rng(0)
    arrays = {"x": drawn.normal(size=(ROWS, 1, 8, 8)).astype(np.float32), "y": drawn.integers(0, 3, ROWS)}
    with initialised(0):
        networks = {"main": network or Small()}
    index = Index(train=np.arange(40), validation=np.arange(40, ROWS), weights=np.linspace(0.5, 1.5, ROWS))
    done = fit(networks, arrays, index, Learning(objective=objective), Train(epochs=3, batch_size=10, **plan))
    return {name: tensor.detach() for name, tensor in weights.named(networks).items()}, done


def close(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float) -> None:
    """Every weight and buffer."""
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=tolerance, atol=tolerance)


def still() -> nn.Module:
    """The network without norm and dropout, which look at the other rows of a batch and draw for each part."""
    with initialised(0):
        network = Small(norm=False)
    network.rest[2] = nn.Identity()
    return network


def test_accumulated_parts_make_the_whole_batch() -> None:
    whole, parts = trained(still(), optimizer="sgd"), trained(still(), optimizer="sgd", accumulate=4)
    close(whole[0], parts[0], 1e-5)  # sums in another order
    assert parts[1].steps == whole[1].steps == 12
    close(whole[0], trained(still(), optimizer="sgd", accumulate=100)[0], 1e-5)  # a row each


def test_recomputing_changes_no_bit_and_keeps_less() -> None:
    plain, recomputed = trained()[0], trained(recompute=True)[0]
    assert all(torch.equal(plain[name], tensor) for name, tensor in recomputed.items())

    def kept_bytes(network: nn.Module) -> int:
        found = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x: found.setdefault(x.untyped_storage().data_ptr(), x) if isinstance(x, Tensor) else x, lambda x: x
        ):
            network(torch.randn(64, 1, 8, 8))
        return sum(tensor.untyped_storage().nbytes() for tensor in found.values())

    network = Small()
    before = kept_bytes(network)
    undo = execution.recomputed([network])
    assert kept_bytes(network) < 0.7 * before
    undo()
    assert kept_bytes(network) == before


def multiplying(monkeypatch: pytest.MonkeyPatch, **known: bool) -> None:
    """A processor of which this is known."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, **known}, raising=False)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_the_same_within_its_precision(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    multiplying(monkeypatch, amx_bf16=True)
    full, half = trained()[1], trained(precision=precision)[1]
    for one, other in zip(full.curves, half.curves, strict=True):
        assert other["validation_loss"] != one["validation_loss"]
        assert other["validation_loss"] == pytest.approx(one["validation_loss"], rel=0.05)


def test_bf16_is_fp32_where_the_processor_does_not_multiply_it(monkeypatch: pytest.MonkeyPatch) -> None:
    multiplying(monkeypatch, avx512_bf16=False)
    full, half = trained(still())[0], trained(still(), precision="bf16")[0]
    assert all(torch.equal(full[name], half[name]) for name in full)
    plan, cpu = Train(precision="bf16"), torch.device("cpu")
    assert execution.notes(plan, cpu, streamed=False) == [
        "This processor does not multiply bf16: train.precision is fp32 here, which is far faster."
    ]
    multiplying(monkeypatch, avx512_bf16=True)
    assert execution.notes(plan, cpu, streamed=False) == [] and execution.halves(plan, cpu) is torch.bfloat16


def test_channels_last_gives_the_same_and_is_undone() -> None:
    plain = trained(still(), optimizer="sgd")[0]  # dropout draws in the order of memory
    last = trained(still(), optimizer="sgd", channels_last=True)[0]
    close(plain, last, 1e-5)  # sums in another order
    assert all(tensor.is_contiguous() for tensor in last.values())


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(RecipeError, match=r"train\.device is 'cuda:7'"):
        trained(device="cuda:7")
    with pytest.raises(RecipeError, match=r"train\.device is 'gpu'"):
        trained(device="gpu")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_compiled_networks_learn_the_same() -> None:
    with initialised(0):
        one = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    other = copy.deepcopy(one)
    plain, compiled = trained(one), trained(other, compile="always")
    assert compiled[1].compiled and not plain[1].compiled
    assert compiled[1].curves[-1]["loss"] == pytest.approx(plain[1].curves[-1]["loss"], rel=1e-3)


def test_memory_that_ends_is_told() -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 3)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.layer(x.flatten(1).sum(1, keepdim=True)) + torch.empty(1 << 50, device=x.device)[:1]
            return made

    arrays = {"x": np.zeros((8, 2), np.float32), "y": np.zeros(8, np.int64)}
    plan = Train(epochs=1)
    with pytest.raises(InputError, match="does not fit into memory"):
        fit({"main": Wide()}, arrays, Index(train=np.arange(8)), Learning(objective=objective), plan)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_what_cannot_be_compiled_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.exc import Unsupported

    def stumbling(*_: Any) -> Tensor:
        raise Unsupported("a network that no compiler understands", case_name="none")

    monkeypatch.setattr(compiling, "compiled_objective", lambda *_: stumbling)
    with pytest.raises(RecipeError, match=r"no compiler understands") as found:
        trained(compile="always")
    assert found.value.fix == "train.compile: auto"


def test_what_compiling_would_pay_is_asked_once_and_leaves_no_trace(tmp_path: Path) -> None:
    with initialised(0):
        networks: dict[str, nn.Module] = {"main": Small()}
    before = weights.copies(networks)
    asked = []

    def loss(called: Any) -> Tensor:
        asked.append(called)
        made: Tensor = called["main"](torch.ones(4, 1, 8, 8)).square().mean()
        return made

    assert not compiling.pays(networks, loss, 10, tmp_path)
    assert len(asked) == compiling.TRIES
    assert not compiling.pays(networks, loss, 10, tmp_path)
    assert len(asked) == compiling.TRIES
    assert all(torch.equal(before[name], tensor) for name, tensor in weights.named(networks).items())
    assert all(parameter.grad is None for parameter in networks["main"].parameters())


def test_a_network_that_cannot_be_compiled_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def loss(called: Any) -> Tensor:
        if called is not networks:
            raise RuntimeError("no compiler here")
        made: Tensor = called["main"](torch.ones(4, 1, 8, 8)).square().mean()
        return made

    networks: dict[str, nn.Module] = {"main": Small()}
    assert not compiling.pays(networks, loss, 10**9, None)


def test_the_compiler_is_not_loaded_for_a_run_too_short_to_compile() -> None:
    """Importing it takes as long as torch itself."""
    script = (
        "import sys, numpy as np, torch\nfrom torch import nn\nfrom feilun.core.recipe import Train\n"
        "from feilun.parts.engine.fit import fit\nfrom feilun.parts.engine.plan import Index, Learning\n"
        "def objective(networks, batch, player): return networks[player](batch['x']).square().mean(1)\n"
        "plan = Train(epochs=20, batch_size=1, patience=None)\n"
        "fit({'main': nn.Linear(2, 2)}, {'x': np.ones((60, 2), np.float32)}, Index(train=np.arange(60)), "
        "Learning(objective=objective), plan)\nassert 'torch._dynamo' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
