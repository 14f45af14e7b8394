"""LoRA through peft (Hu et al. 2022): frozen matrices with a small change each, which is merged in afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
from torch import nn

from feilun.core.errors import InputError, RecipeError
from feilun.core.manifest import write_bytes
from feilun.parts.engine import group
from feilun.parts.engine.layers import HEAD, layers

if TYPE_CHECKING:
    from feilun.core.recipe import Lora

FOLDER = "adapter"  # as peft writes one, so that others can read it


def inject(networks: Mapping[str, nn.Module], lora: Lora) -> dict[str, Any]:
    """Put a change beside every matrix but the head's, freeze all else but the head. {player: peft's model of it}.

    The change of W is alpha / rank · B A; B starts at 0, so that the network answers as before. Linear layers and
    convolutions have one.  Raises InputError without peft, RecipeError for a network without such a layer.
    """
    made = {player: _inject(network, lora) for player, network in networks.items()}
    if not any(made.values()):
        raise RecipeError(
            "model.adapter needs Linear layers or convolutions below the head; this network has none. Freeze parts of "
            "it instead: train.freeze.",
            where="model.adapter",
            expected="a layer to adapt",
            got=", ".join(type(network).__name__ for network in networks.values()),
            fix="train.freeze: [encoders]",
        )
    return {player: model for player, model in made.items() if model is not None}


def merge(adapters: Mapping[str, Any], folder: Path) -> None:
    """Write each adapter as a PEFT folder, then merge it: the networks are as they were built, with other weights."""
    for player, model in adapters.items():
        if group.current().writes:
            _save(model, folder / FOLDER if len(adapters) == 1 else folder / FOLDER / player)
        network = model.merge_and_unload()
        for parameter in network.parameters():
            parameter.requires_grad_(True)


def _save(model: Any, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    model.peft_config["default"].save_pretrained(str(place))
    own = {name: p for name, p in model.model.named_parameters() if ".lora_" in name}
    plain = {f"base_model.model.{name}".replace(".default", ""): p.detach().contiguous() for name, p in own.items()}
    write_bytes(place / "adapter_model.safetensors", safetensors.torch.save(plain))


def _inject(network: nn.Module, lora: Lora) -> Any:
    """None where there is nothing to adapt."""
    targets = _targets(network)
    if not targets:
        return None
    try:
        from peft import LoraConfig
        from peft.tuners.lora import LoraModel
    except ModuleNotFoundError as error:
        fix = "pip install 'feilun[adapter]'"
        raise InputError(
            f"model.adapter needs the package {error.name}, which is not here. Type {fix}.",
            where="model.adapter",
            fix=fix,
        ) from error
    fixed = [parameter for parameter in network.parameters() if not parameter.requires_grad]
    learns = _top(network)
    model = LoraModel(network, LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=targets), "default")
    for parameter in learns:
        parameter.requires_grad_(True)
    for parameter in fixed:
        parameter.requires_grad_(False)
    return model


def _targets(network: nn.Module) -> list[str]:
    """Names of the layers that get a change."""
    top = set(map(id, _top(network)))
    return [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and id(module.weight) not in top
        and name.rpartition(".")[2] != HEAD
    ]


def _top(network: nn.Module) -> list[nn.Parameter]:
    """What answers, and so learns as a whole: the head, or the last layer; nothing of a network that writes tokens."""
    if getattr(network, "writes", False):
        return []
    return list(network.get_submodule(HEAD).parameters()) if hasattr(network, HEAD) else layers(network)[-1]
