"""torch.compile, where a measurement says that it pays back within the run."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from feilun.core.errors import RecipeError
from feilun.core.manifest import read_json, write_json
from feilun.core.recipe import Train
from feilun.parts.engine import bare
from feilun.parts.engine.plan import Objective

FILE = "compile.json"  # the decision, made before the first step and kept: a resumed run computes the same
LONG_S = 300.0  # shorter runs cannot win back what compiling takes (9 to 19 s on two cores), and are not measured
TRIES = 3
Loss = Callable[[Mapping[str, Callable[..., Any]]], Tensor]  # of one batch, all players' together, by these networks


@contextmanager
def told() -> Iterator[None]:
    """Say what helps where the compiler stumbles over a network that `train.compile: always` gives it."""
    try:
        yield
    except RuntimeError as error:
        compiler = sys.modules.get(f"{bare.COMPILER}.exc")  # not imported: there is no compiler's error either
        if compiler is None or not isinstance(error, compiler.TorchDynamoException):
            raise
        raise RecipeError(
            f"torch.compile could not compile this network: {str(error).strip().splitlines()[0]:.200}",
            where="train.compile",
            expected="a network that torch.compile can compile",
            got="train.compile: always",
            fix="train.compile: auto",
        ) from error


def compiled(networks: Mapping[str, nn.Module]) -> dict[str, Callable[..., Any]]:
    """The same networks, to be called through torch.compile."""
    return {player: torch.compile(network) for player, network in networks.items()}


def compiled_objective(objective: Objective, plan: Train) -> Objective:
    """The loss as one with the networks, so that what it makes of their answers is not written to memory first.

    Mixed batches ask the objective twice about networks that run once: it stays as it is.
    """
    if plan.mixup or plan.cutmix:
        return objective
    made: Objective = torch.compile(objective)
    return made


def pays(networks: Mapping[str, nn.Module], loss: Loss, steps: int, folder: Path | None) -> bool:
    """Whether compiling pays: twice what it takes is won back in so many steps. Remembered in the folder.

    Measured on copies, which leaves the networks as they are; networks that cannot be compiled are not.
    """
    if folder is not None and (folder / FILE).is_file():
        return bool(read_json(folder / FILE)["pays"])
    plain_s = _step_s(networks, networks, loss)
    found: dict[str, Any] = {"pays": False, "plain_s": plain_s}
    if plain_s * steps >= LONG_S:
        copies = {player: copy.deepcopy(network) for player, network in networks.items()}
        started = time.perf_counter()
        try:
            fast = compiled(copies)
            _once(copies, fast, loss)
            compile_s = time.perf_counter() - started
            fast_s = _step_s(copies, fast, loss)
            won_s = (plain_s - fast_s) * steps
            found = {"pays": won_s > 2 * compile_s, "plain_s": plain_s, "fast_s": fast_s, "compile_s": compile_s}
        except Exception as error:  # whatever the compiler stumbles over, training goes on without it
            found["why"] = f"{type(error).__name__}: {error}"[:200]
    if folder is not None:
        write_json(folder / FILE, found)
    return bool(found["pays"])


def _step_s(networks: Mapping[str, nn.Module], called: Mapping[str, Callable[..., Any]], loss: Loss) -> float:
    times = []
    for _ in range(TRIES):
        started = time.perf_counter()
        _once(networks, called, loss)
        times.append(time.perf_counter() - started)
    return min(times)


def _once(networks: Mapping[str, nn.Module], called: Mapping[str, Callable[..., Any]], loss: Loss) -> None:
    """Forward and backward; nothing of it stays."""
    kept = {player: copy.deepcopy(network.state_dict()) for player, network in networks.items()}
    mean = loss(called)
    torch.autograd.backward(mean)
    mean.item()  # a GPU works on while the clock is read
    for player, network in networks.items():
        network.zero_grad(set_to_none=True)
        network.load_state_dict(kept[player])
