"""Which parts of a network learn, and how fast: frozen parts, and a rate for each layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn

from feilun.core.errors import RecipeError

HEAD = "head"
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm)
TABLES = (nn.Embedding, nn.EmbeddingBag)
Layer = tuple[list[nn.Parameter], type[nn.Module]]


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
    learns = [p for name, p in _named(networks) if name not in found and p.requires_grad]
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
            if isinstance(module, NORMS[0]) and own and names.issuperset(own):
                found.append(module)
    return found


def scales(network: nn.Module, decay: float) -> dict[int, float]:
    """{id of a parameter: its share of the rate}: decay^d at d layers below the top (Howard & Ruder 2018).

    The top, which answers, has the whole rate; their own share was 1/2.6. What `layers` says is a layer.
    """
    levels = layers(network)
    return {
        id(parameter): decay ** (len(levels) - 1 - place) for place, level in enumerate(levels) for parameter in level
    }


def layers(network: nn.Module) -> list[list[nn.Parameter]]:
    """Parameters by layer, the bottom first, in the order in which modules were registered.

    A layer is a module with weights of its own, or a whole element of a list of modules, such as a block of a
    transformer; a norm belongs to the layer before it, and tables of vectors in a row are one. Encoders that lie
    beside each other end at the same height.
    """
    return [level for level, _ in _stack(network)]


def _stack(module: nn.Module) -> list[Layer]:
    """(parameters, kind of module) of each layer."""
    found: list[Layer] = []
    own = list(module.parameters(recurse=False))
    if own:
        found.append((own, type(module)))
    for name, child in module.named_children():
        if name == "encoders" and isinstance(child, nn.ModuleList):
            _join(found, _beside([_stack(one) for one in child]))
        elif isinstance(child, nn.ModuleList):
            for block in child:
                block_parameters = list(block.parameters())
                _join(found, [(block_parameters, type(block))] if block_parameters else [])
        else:
            _join(found, _stack(child))
    return found


def _join(below: list[Layer], above: list[Layer]) -> None:
    for parameters, kind in above:
        same = bool(below) and (
            issubclass(kind, NORMS) or (issubclass(kind, TABLES) and issubclass(below[-1][1], TABLES))
        )
        if same:
            below[-1] = ([*below[-1][0], *parameters], below[-1][1])
        else:
            below.append((list(parameters), kind))


def _beside(stacks: list[list[Layer]]) -> list[Layer]:
    """Several stacks as one, the tops at the same height."""
    height = max(map(len, stacks), default=0)
    made: list[Layer] = []
    for place in range(height):
        level = [stack[place - height] for stack in stacks if len(stack) >= height - place]
        made.append(([parameter for parameters, _ in level for parameter in parameters], nn.Module))
    return made


def _named(networks: Mapping[str, nn.Module]) -> list[tuple[str, Tensor]]:
    return [(f"{player}/{name}", p) for player, network in networks.items() for name, p in network.named_parameters()]


def _under(prefix: str, name: str) -> bool:
    return name == prefix or name.startswith((f"{prefix}.", f"{prefix}/"))


def _parts(names: Iterable[str], *, several: bool) -> list[str]:
    """The first words of the names, `encoders`; with the player where there are several, `generator/layers`."""
    firsts = dict.fromkeys(name.partition(".")[0] for name in names)
    return list(firsts) if several else [first.partition("/")[2] for first in firsts]
