"""Networks over pictures by name: as many numbers as published, and the answers of those that have their weights."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.parts.engine.randomness import initialised
from feilun.parts.models import pictures, published_pictures

PUBLISHED = {  # with 1,000 classes, as torchvision counts them; inception without its second head
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "inception_v3": 23_834_568,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3": 5_483_032,
    "mobilenet_v3_small": 2_542_856,
    "efficientnet_lite0": 4_652_008,
    "vit": 86_567_656,
    "convnext": 28_589_128,
}
LITTLE = {  # dials that make a test of each
    "alexnet": {"width": 0.125},
    "vgg": {"width": 0.125},
    "resnet": {"width": 0.125, "depth": 0.25},
    "densenet": {"width": 0.25, "depth": 0.2},
    "inception": {"width": 0.125},
    "mobilenet": {"width": 0.5},
    "efficientnet": {"width": 0.5},
    "vit": {"width": 64, "depth": 2, "heads": 4},
    "convnext": {"size": "atto", "width": 0.5},
}


def encoder(name: str, side: int, channels: int = 3, **options: Any) -> Any:
    family: Any = discover.find("models", name)
    feature = SimpleNamespace(kind="image", shape=(channels, side, side))
    named = (name,) if hasattr(family, "NAMES") else ()
    return family.encoder(family.MODEL(**options), feature, *named)


def little(name: str, side: int = 32, channels: int = 3) -> Any:
    family = next(one for one in LITTLE if name.startswith(one))
    taken = discover.find("models", name).MODEL.__dataclass_fields__
    still = {option: 0.0 for option in ("dropout", "drop_path") if option in taken}
    return encoder(name, side, channels, **LITTLE[family], **still)


@pytest.mark.parametrize("name", PUBLISHED)
def test_as_many_numbers_as_published(name: str) -> None:
    given = {"size": "base", "patch": 16} if name == "vit" else {}
    with torch.device("meta"):
        made = encoder(name, 299 if name == "inception_v3" else 224, **given)
        head = nn.Linear(made.width, 1000)
    assert sum(one.numel() for part in (made, head) for one in part.parameters()) == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_learns_32_pictures_by_heart(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand((32, 3, 16, 16), generator=generator), torch.arange(32) % 4
    with initialised(0):
        made = little(name, 16)
        network = nn.Sequential(made, nn.Linear(made.width, 4))
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    for _ in range(300):
        loss = nn.functional.cross_entropy(network(x), y)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        if loss < 0.1:
            break
    assert loss < 0.1
    for module in network.modules():  # their statistics are not of these few steps
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    network(x)
    with torch.no_grad():
        assert (network.eval()(x).argmax(1) == y).float().mean() > 0.9


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("side", [20, 64, 80])
def test_maps_fall_in_size_and_have_their_widths(name: str, side: int) -> None:
    made = little(name, side, channels=1).eval()
    with torch.no_grad():
        maps = made.stages(torch.rand((2, 1, side, side)))
        assert made(torch.rand((2, 1, side, side))).shape == (2, made.width)
    assert [one.shape[1] for one in maps] == list(made.widths)
    sides = [one.shape[2] for one in maps]
    assert sides == sorted(sides, reverse=True) and sides[-1] >= 1


def test_pooling_is_adaptive_pooling() -> None:
    for size, grid in ((7, 7), (10, 7), (3, 7), (13, 2)):
        maps = torch.rand((2, 3, size, size + 1))
        assert torch.allclose(pictures.Pooled(grid)(maps), nn.AdaptiveAvgPool2d(grid)(maps), atol=1e-6)


def test_dials_that_make_no_network_are_told() -> None:
    for name, options in (
        ("resnet18", {"width": 0}),
        ("vgg16", {"norm": "layer"}),
        ("vit", {"heads": 5}),
        ("vit", {"patch": 64}),
        ("convnext", {"size": "giant"}),
        ("resnet18", {"stem": "tiny"}),
    ):
        with pytest.raises(RecipeError, match=next(iter(options))):
            encoder(name, 32, **options)


def hugging(kind: str) -> tuple[Any, str, dict[str, Any]]:
    """A little model of transformers, and ours of the same form."""
    import transformers

    if kind == "resnet":
        config = transformers.ResNetConfig(
            embedding_size=16, hidden_sizes=[64, 128, 256, 512], depths=[3, 4, 6, 3], layer_type="bottleneck"
        )
        return transformers.ResNetModel(config), "resnet50", {"width": 0.25}
    if kind == "vit":
        sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 192}
        config = transformers.ViTConfig(**sizes, image_size=64, patch_size=16, layer_norm_eps=1e-6)
        return (
            transformers.ViTModel(config, add_pooling_layer=False),
            "vit",
            {"width": 48, "depth": 2, "heads": 3, "patch": 16},
        )
    config = transformers.ConvNextConfig(hidden_sizes=[16, 32, 64, 128], depths=[1, 1, 3, 1], layer_norm_eps=1e-6)
    return transformers.ConvNextModel(config), "convnext", {"size": "atto", "width": 0.4, "depth": 0.4}


@pytest.mark.parametrize("kind", ["resnet", "vit", "convnext"])
def test_names_of_transformers_give_its_answers(tmp_path: Path, kind: str) -> None:
    with initialised(0):
        theirs, name, options = hugging(kind)
        made = encoder(name, 64, **options).eval()
    for one in theirs.parameters():  # of norms and scales too
        nn.init.normal_(one, std=0.1) if one.ndim < 2 else None
    theirs.save_pretrained(tmp_path)
    tensors = published_pictures.renamed(safetensors.torch.load_file(tmp_path / "model.safetensors"))
    missing, _ = made.network.load_state_dict(tensors, strict=False)
    assert not missing
    x = torch.rand((2, 3, 64, 64))
    with torch.no_grad():
        said = theirs.eval()(made.normed(x))
        expected = said.last_hidden_state[:, 0] if kind == "vit" else said.pooler_output.flatten(1)
        assert torch.allclose(made(x), expected, atol=1e-4)


def test_places_and_colours_fit_other_pictures() -> None:
    places = torch.rand((1, 17, 8))
    assert published_pictures.fitted(places, torch.empty(1, 17, 8), published_pictures.PLACES) is places
    drawn = published_pictures.fitted(places, torch.empty(1, 65, 8), published_pictures.PLACES)
    assert drawn.shape == (1, 65, 8) and torch.equal(drawn[:, 0], places[:, 0])
    assert drawn[:, 1:].mean() == pytest.approx(float(places[:, 1:].mean()), abs=0.02)
    colour = torch.rand((4, 3, 7, 7))
    grey = published_pictures.fitted(colour, torch.empty(4, 1, 7, 7), "conv1.weight")
    assert torch.allclose(grey, colour.sum(1, keepdim=True))
