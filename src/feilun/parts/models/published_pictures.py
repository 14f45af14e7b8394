"""Published weights of networks over pictures under the names that ours have: torchvision's.

Known are files of torchvision's models as they are, those of EfficientNet-Lite for PyTorch, and Hugging Face folders of
ResNet, ViT and ConvNeXt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

Rules = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]  # put in one after the other


def _next(before: str) -> Callable[[re.Match[str]], str]:
    """What counts from 0 there counts from 1 here."""
    return lambda found: f"{before}{int(found[1]) + 1}"


LITE: Rules = ((r"(^|\.)_", r"\1"),)
RESNET: Rules = (
    (r"^(resnet\.)?embedder\.embedder\.convolution", "conv1"),
    (r"^(resnet\.)?embedder\.embedder\.normalization", "bn1"),
    (r"^(?:resnet\.)?encoder\.stages\.(\d+)\.layers", _next("layer")),
    (r"\.shortcut\.convolution", ".downsample.0"),
    (r"\.shortcut\.normalization", ".downsample.1"),
    (r"\.layer\.(\d+)\.convolution", _next(".conv")),
    (r"\.layer\.(\d+)\.normalization", _next(".bn")),
)
VIT: Rules = (
    (r"^vit\.", ""),
    (r"^embeddings\.cls_token", "class_token"),
    (r"^embeddings\.position_embeddings", "encoder.pos_embedding"),
    (r"^embeddings\.patch_embeddings\.projection", "conv_proj"),
    (r"^encoder\.layer\.(\d+)", r"encoder.layers.encoder_layer_\1"),
    (r"\.attention\.attention\.(query|key|value)\.", r".self_attention.\1_"),
    (r"\.attention\.output\.dense", ".self_attention.out_proj"),
    (r"\.intermediate\.dense", ".mlp.0"),
    (r"\.output\.dense", ".mlp.3"),
    (r"\.layernorm_before", ".ln_1"),
    (r"\.layernorm_after", ".ln_2"),
    (r"^layernorm", "encoder.ln"),
)
CONVNEXT: Rules = (
    (r"^convnext\.", ""),
    (r"^embeddings\.patch_embeddings", "features.0.0"),
    (r"^embeddings\.layernorm", "features.0.1"),
    (r"^encoder\.stages\.(\d+)\.downsampling_layer", lambda found: f"features.{2 * int(found[1])}"),
    (r"^encoder\.stages\.(\d+)\.layers", lambda found: f"features.{2 * int(found[1]) + 1}"),
    (r"\.dwconv", ".block.0"),
    (r"\.layernorm", ".block.2"),
    (r"\.pwconv1", ".block.3"),
    (r"\.pwconv2", ".block.5"),
    (r"\.layer_scale_parameter", ".layer_scale"),
    (r"^layernorm", "classifier.0"),
)
FAMILIES = {  # by a name that no other family has
    "_conv_stem.weight": LITE,
    "embedder.embedder.convolution.weight": RESNET,
    "embeddings.patch_embeddings.projection.weight": VIT,
    "embeddings.patch_embeddings.weight": CONVNEXT,
}
OUTER = ("", "resnet.", "vit.", "convnext.")  # what these stand behind, where a head is published too
PLACES, LOOKS = "encoder.pos_embedding", ("query", "key", "value")


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Under torchvision's names, if they are of one of these families; else as they are."""
    bare = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    rules = next((own for name, own in FAMILIES.items() if any(f"{outer}{name}" in bare for outer in OUTER)), ())
    made = dict[str, Tensor]()
    for name, tensor in bare.items():
        for pattern, ours in rules:
            name = re.sub(pattern, ours, name)
        made[name] = tensor[:, None, None] if name.endswith(".layer_scale") and tensor.ndim == 1 else tensor
    return _looking(made) if rules is VIT else made


def fitted(tensor: Tensor, own: Tensor, name: str) -> Tensor:
    """In the shape that it has here: colours summed for grey pictures, places of patches drawn out to another grid.

    name: the published one.  own: what it is for; of any other shape the tensor stays as it is.
    """
    if tensor.ndim == own.ndim == 4 and tensor.shape[1] == 3 and own.shape[1] == 1:
        return tensor.sum(1, keepdim=True)
    if name != PLACES or tensor.shape == own.shape or tensor.shape[::2] != own.shape[::2]:
        return tensor
    first, rest = tensor[:, :1], tensor[:, 1:]
    side, ours = (round((count - 1) ** 0.5) for count in (tensor.shape[1], own.shape[1]))
    if side**2 + 1 != tensor.shape[1] or ours**2 + 1 != own.shape[1]:
        return tensor
    laid = rest.transpose(1, 2).reshape(len(rest), -1, side, side)
    drawn = functional.interpolate(laid, size=(ours, ours), mode="bicubic", align_corners=False, antialias=True)
    return torch.cat([first, drawn.flatten(2).transpose(1, 2)], 1)


def _looking(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With queries, keys and values in one matrix."""
    made = dict(tensors)
    for name in [name for name in tensors if ".self_attention.query_" in name]:
        outer, _, kind = name.partition("query_")
        made[f"{outer}in_proj_{kind}"] = torch.cat([made.pop(f"{outer}{one}_{kind}") for one in LOOKS])
    return made
