"""The layers of a network from the bottom to the top, and a rate for each."""

from __future__ import annotations

from torch import nn

HEAD = "head"
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm)
TABLES = (nn.Embedding, nn.EmbeddingBag)
Layer = tuple[list[nn.Parameter], type[nn.Module]]


def scales(network: nn.Module, decay: float) -> dict[int, float]:
    """{id of a parameter: its share of the rate}: decay^d at d layers below the top (Howard & Ruder 2018).

    The top, which answers, has the whole rate. The paper divides by 2.6 from layer to layer. What a layer is, `layers`
    says.
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
