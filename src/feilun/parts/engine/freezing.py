"""Parts of networks that stay as they are, for the whole training or for its first epochs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from feilun.core.errors import RecipeError
from feilun.core.recipe import Train
from feilun.parts.engine.layers import HEAD


class Freezing:
    """What `train.freeze` and `train.unfreeze` ask for. A class because it must be undone and asked in every epoch.

    Frozen parameters have no gradient, so no optimizer moves or decays them; frozen batch norms keep their statistics.
    """

    def __init__(self, networks: Mapping[str, nn.Module], plan: Train) -> None:
        names = frozen(networks, plan.freeze)
        self.until = plan.unfreeze
        self.parameters = [
            parameter
            for player, network in networks.items()
            for name, parameter in network.named_parameters()
            if f"{player}/{name}" in names and parameter.requires_grad
        ]
        self.ids = set(map(id, self.parameters))
        self.norms = still(networks, names)

    def holds(self, epoch: int) -> bool:
        """Whether the frozen parts are frozen in this epoch, counted from 0."""
        return bool(self.ids) and (self.until is None or epoch + 1 < self.until)

    def begin(self, epoch: int) -> None:
        """Freeze or thaw, for the networks in training mode."""
        frozen_now = self.holds(epoch)
        for parameter in self.parameters:
            parameter.requires_grad_(not frozen_now)
        for norm in self.norms if frozen_now else ():
            norm.eval()

    def finish(self) -> None:
        """All learn again."""
        for parameter in self.parameters:
            parameter.requires_grad_(True)


def frozen(networks: Mapping[str, nn.Module], prefixes: Sequence[str]) -> set[str]:
    """Names, `player/parameter`, of the parameters under these prefixes; a prefix may leave out the player.

    Raises RecipeError for a prefix without a parameter, and where nothing is left that learns.
    """
    names = [f"{player}/{name}" for player, network in networks.items() for name, _ in network.named_parameters()]
    found: set[str] = set()
    for prefix in prefixes:
        mine = {name for name in names if _under(prefix, name) or _under(prefix, name.partition("/")[2])}
        if not mine:
            there = ", ".join(_parts(names, several=len(networks) > 1))
            raise RecipeError(
                f"train.freeze names {prefix!r}, and no parameter's name begins so. This network's parts: {there}.",
                where="train.freeze",
                expected=there,
                got=prefix,
                fix="name one of these parts, or a part of one, such as encoders.0",
            )
        found |= mine
    learns = any(
        parameter.requires_grad and f"{player}/{name}" not in found
        for player, network in networks.items()
        for name, parameter in network.named_parameters()
    )
    if prefixes and not learns:
        raise RecipeError(
            f"train.freeze {list(prefixes)} leaves nothing that learns. Freeze less, such as all but the {HEAD}.",
            where="train.freeze",
            expected="a part that learns",
            got=", ".join(prefixes),
            fix="name fewer parts",
        )
    return found


def still(networks: Mapping[str, nn.Module], names: set[str]) -> list[nn.Module]:
    """The batch norms among frozen parts: in training too they keep to the statistics they have."""
    found: list[nn.Module] = []
    for player, network in networks.items():
        for place, module in network.named_modules():
            own = [f"{player}/{place}.{name}".replace("/.", "/") for name, _ in module.named_parameters(recurse=False)]
            if isinstance(module, _BatchNorm) and own and names.issuperset(own):
                found.append(module)
    return found


def _under(prefix: str, name: str) -> bool:
    return name == prefix or name.startswith((f"{prefix}.", f"{prefix}/"))


def _parts(names: Iterable[str], *, several: bool) -> list[str]:
    """The first words of the names, `encoders`; with the player where there are several, `generator/layers`."""
    firsts = dict.fromkeys(name.partition(".")[0] for name in names)
    return list(firsts) if several else [first.partition("/")[2] for first in firsts]
