"""How networks are run: threads, the device, channels last, recomputed activations, precision."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from feilun.core.errors import RecipeError
from feilun.core.recipe import Train
from feilun.parts.engine.plan import Batch

PICTURES = 4  # axes of a batch of pictures
OF_RULES = {"weight_decay": ("adamw", "muon"), "betas": ("adam", "adamw", "muon")}  # a task may set these by default
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def device(name: str) -> torch.device:
    """The device of this name; auto: the accelerator if there is one. Raises RecipeError if it is not there."""
    if name == "auto":
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return found or torch.device("cpu")
    try:
        asked = torch.device(name)
        torch.empty(1, device=asked)
    except (RuntimeError, AssertionError) as error:  # torch says so when it was built without
        raise RecipeError(
            f"train.device is {name!r}, and torch cannot use it here: {str(error).splitlines()[0]:.120}",
            where="train.device",
            expected="cpu, or a device of this computer",
            got=name,
            fix="train.device: auto",
        ) from error
    return asked


@contextmanager
def threads(wanted: int | None) -> Iterator[None]:
    """So many inside; as many as before where left out."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def notes(plan: Train, where: torch.device, *, streamed: bool) -> list[str]:
    """What a person should know: what makes this training slow, and keys that do nothing in it."""
    said = ["The rows are more than train.memory_mb: they are streamed from disk."] if streamed else []
    if plan.precision == "fp16" and where.type == "cpu":
        said.append("train.precision fp16 is for GPUs; on a processor fp32 is far faster.")
    if plan.precision == "bf16" and halves(plan, where) is None:
        said.append("This processor does not multiply bf16: train.precision is fp32 here, which is far faster.")
    defaults = Train()
    for key, rules in OF_RULES.items():
        if plan.optimizer not in rules and getattr(plan, key) != getattr(defaults, key) and getattr(plan, key):
            said.append(f"train.{key} is for {' and '.join(rules)}; with {plan.optimizer} it does nothing.")
    return said


def multiplies_bf16(where: torch.device) -> bool:
    """Whether bf16 is worth it there.

    Elsewhere torch converts number by number: with AVX2 alone a product took 15 times as long as in fp32.
    """
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)() if where.type == "cpu" else {}
    return not known or any(there for name, there in known.items() if "bf16" in name)


def halves(plan: Train, where: torch.device) -> torch.dtype | None:
    """The half precision of matrix products; None: whole."""
    return None if plan.precision == "bf16" and not multiplies_bf16(where) else HALVES.get(plan.precision)


def channels_last(plan: Train, networks: Iterable[nn.Module], where: torch.device) -> bool:
    """As the plan says; left out: for convolutions on a GPU."""
    if plan.channels_last is not None:
        return plan.channels_last
    return where.type == "cuda" and any(_has_convolutions(network) for network in networks)


def placed(batch: Mapping[str, Tensor], where: torch.device, *, last: bool) -> Batch:
    """The batch on this device; float pictures (B, C, H, W) with channels last in memory if asked."""
    if where.type == "cpu" and not last:
        return dict(batch)
    moved = {name: tensor.to(where, non_blocking=True) for name, tensor in batch.items()}
    if not last:
        return moved
    form = torch.channels_last
    return {
        name: x.contiguous(memory_format=form) if x.ndim == PICTURES and x.is_floating_point() else x
        for name, x in moved.items()
    }


def cast(plan: Train, where: torch.device) -> AbstractContextManager[Any]:
    """Matrix products in half precision inside, sums and losses as they are (Micikevicius et al. 2018)."""
    kind = halves(plan, where)
    return nullcontext() if kind is None else torch.autocast(where.type, kind)


def layers(network: nn.Module) -> list[nn.Module]:
    """The repeated layers of a network, and the members of its sequences, in the order in which it holds them."""
    return [layer for module in _outermost(network) for layer in module.children()]


def recomputed(networks: Iterable[nn.Module]) -> Callable[[], None]:
    """Let repeated layers forget their activations and compute them again on the way back (Chen et al. 2016).

    Every layer of a list is run so, and a sequence of n layers in about sqrt(n) pieces. Returns what undoes it.
    """
    changed: list[nn.Module] = []
    for module in (part for network in networks for part in _outermost(network)):
        if isinstance(module, nn.Sequential):
            vars(module)["forward"] = functools.partial(_in_pieces, module)
            changed.append(module)
        else:
            for layer in module.children():
                vars(layer)["forward"] = functools.partial(_again, layer, layer.forward)
                changed.append(layer)

    def undo() -> None:
        for layer in changed:
            del layer.forward

    return undo


def _outermost(module: nn.Module) -> list[nn.Module]:
    """Lists of layers and sequences that no other holds; the list of a network's encoders is none of them."""
    found: list[nn.Module] = []
    for child in module.children():
        layers = isinstance(child, nn.ModuleList) and len({type(layer) for layer in child}) == 1 and len(child) > 1
        found += [child] if layers or (isinstance(child, nn.Sequential) and len(child) > 1) else _outermost(child)
    return found


def _in_pieces(sequence: nn.Sequential, given: Tensor) -> Tensor:
    layers = list(sequence)
    size = max(1, math.isqrt(len(layers)))
    for start in range(0, len(layers), size):
        piece = nn.Sequential(*layers[start : start + size])
        given = _again(piece, piece.forward, given)
    return given


def _again(module: nn.Module, forward: Callable[..., Any], *args: Any, **named: Any) -> Any:
    def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        return nullcontext(), _statistics_kept(module)

    return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **named)


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """Batch norms count a batch when it passes, not again when it is computed again."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    counts = [norm.num_batches_tracked for norm in norms if norm.num_batches_tracked is not None]
    before = [norm.momentum for norm in norms], [count.clone() for count in counts]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before[0], strict=True):
            norm.momentum = momentum
        for count, kept in zip(counts, before[1], strict=True):
            count.copy_(kept)


def _has_convolutions(network: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in network.modules())
