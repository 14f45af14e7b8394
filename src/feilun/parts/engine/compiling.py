"""torch.compile, where a measurement says that it pays back within the run."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from feilun.core.manifest import read_json, write_json

FILE = "compile.json"  # the decision, made before the first step and kept: a resumed run computes the same
LONG_S = 300.0  # shorter runs cannot win back what compiling takes (9 to 19 s on two cores), and are not measured
TRIES = 3
Loss = Callable[[Mapping[str, Callable[..., Any]]], Tensor]  # of one batch, all players' together, by these networks


def compiled(networks: Mapping[str, nn.Module]) -> dict[str, Callable[..., Any]]:
    """The same networks, to be called through torch.compile."""
    return {player: torch.compile(network) for player, network in networks.items()}


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
    torch.autograd.backward(loss(called))
    for player, network in networks.items():
        network.zero_grad(set_to_none=True)
        network.load_state_dict(kept[player])
