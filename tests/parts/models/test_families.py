"""Every family: padding changes nothing, gradients reach every weight, ONNX on other shapes equals PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.core.recipe import Model
from feilun.parts.models import fused
from feilun.stages.optimization import exporting

WORDS = "abcdefghij"
DRAW = np.random.default_rng(0)
ROWS: dict[str, list[Any]] = {
    "高": [None if i % 7 == 0 else float(x) for i, x in enumerate(DRAW.normal(size=60))],
    "b.c": DRAW.normal(size=60).tolist(),
    "colour": DRAW.choice(["red", "green", "blue"], 60).tolist(),
    "评论": ["".join(DRAW.choice(list(WORDS), DRAW.integers(1, 12))) for _ in range(60)],
    "picture": [DRAW.integers(0, 256, (9, 12), dtype=np.uint8) for _ in range(60)],
}
FEATURES = {
    "numbers": discover.feature("number", columns=("高", "b.c")).fit(ROWS),
    "categories": discover.feature("category", columns=("colour",)).fit(ROWS),
    "评论": discover.feature("text", columns=("评论",), tokens="characters").fit(ROWS),
    "picture": discover.feature("image", columns=("picture",)).fit(ROWS),
}
ALL = tuple(FEATURES)
FAMILIES: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("linear", {}, ALL),
    ("mlp", {"width": 16, "depth": 2, "activation": "tanh"}, ("numbers", "categories")),
    ("mlp", {"width": 16}, ALL),
    ("cnn", {"width": 4, "depth": 2}, ("picture",)),
    ("cnn", {"width": 4, "depth": 2, "pooling": "average", "norm": "group", "convolutions": 2}, ("picture", "numbers")),
    ("gru", {"width": 8, "embedding": 8, "layers": 2}, ("评论",)),
    ("lstm", {"width": 8, "embedding": 8, "bidirectional": False}, ("评论", "numbers")),
    ("rnn", {"width": 8, "embedding": 8}, ("评论", "picture")),
    ("transformer", {"width": 16, "depth": 2, "heads": 2}, ("评论",)),
    ("transformer", {"width": 16, "depth": 1, "heads": 2, "positions": "learned"}, ("categories", "评论")),
]


def _network(name: str, options: dict[str, Any], inputs: tuple[str, ...]) -> torch.nn.Module:
    torch.manual_seed(0)
    return fused.build(Model(name=name, **options), FEATURES, inputs, 3)


def _batch(inputs: tuple[str, ...], rows: slice) -> dict[str, torch.Tensor]:
    from feilun.parts.ops.ragged import collate

    part = {column: values[rows] for column, values in ROWS.items()}
    arrays = collate({name: FEATURES[name].encode(part) for name in inputs})
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.mark.parametrize(("name", "options", "inputs"), FAMILIES)
def test_shape_and_gradients(name: str, options: dict[str, Any], inputs: tuple[str, ...]) -> None:
    network = _network(name, options, inputs)
    logits = network(**_batch(inputs, slice(0, 20)))["logits"]
    assert logits.shape == (20, 3)
    logits.square().sum().backward()
    still = [key for key, weight in network.named_parameters() if weight.requires_grad and weight.grad is None]
    assert still == []


@pytest.mark.parametrize(("name", "options", "inputs"), [f for f in FAMILIES if "评论" in f[2]])
def test_padding_changes_nothing(name: str, options: dict[str, Any], inputs: tuple[str, ...]) -> None:
    network = _network(name, options, inputs).eval()
    batch = _batch(inputs, slice(0, 6))
    with torch.no_grad():
        together = network(**batch)["logits"]
        further = dict(batch, 评论=torch.nn.functional.pad(batch["评论"], (0, 5)))
        assert torch.allclose(network(**further)["logits"], together, atol=1e-5)  # other sums in another order
        for row in range(6):
            alone = network(**_batch(inputs, slice(row, row + 1)))["logits"]
            assert torch.allclose(alone[0], together[row], atol=1e-5)


@pytest.mark.parametrize(("name", "options", "inputs"), FAMILIES)
def test_export_equals_pytorch_on_other_shapes(
    name: str, options: dict[str, Any], inputs: tuple[str, ...], tmp_path: Path
) -> None:
    network = _network(name, options, inputs).eval()
    path = tmp_path / "main.onnx"
    exporting.export(fused.graph(network, _batch(inputs, slice(0, 2))), path)
    session = onnxruntime.InferenceSession(str(path))
    for rows in (slice(0, 2), slice(2, 3), slice(10, 40)):
        batch = _batch(inputs, rows)
        wanted = {item.name for item in session.get_inputs()}
        made = session.run(None, {key: x.numpy() for key, x in batch.items() if key in wanted})[0]
        with torch.no_grad():
            expected = network(**batch)["logits"].numpy()
        assert np.allclose(made, expected, atol=1e-4), rows  # float32 kernels of two libraries


def test_a_model_that_cannot_read_the_columns_says_so() -> None:
    with pytest.raises(RecipeError, match=r"cnn reads image.*category.*such as mlp"):
        fused.build(Model(name="cnn"), FEATURES, ("categories",), 2)
    with pytest.raises(RecipeError, match=r"unexpected keyword.*Its options: width"):
        fused.build(Model(name="mlp", hidden=3), FEATURES, ("numbers",), 2)
    with pytest.raises(RecipeError, match=r"activation is 'swish'; expected one of: relu"):
        fused.build(Model(name="mlp", activation="swish"), FEATURES, ("numbers",), 2)
    with pytest.raises(RecipeError, match="does not divide"):
        fused.build(Model(name="transformer", width=10, heads=4), FEATURES, ("评论",), 2)
    with pytest.raises(RecipeError, match="pooling"):
        fused.build(Model(name="cnn", pooling="mean"), FEATURES, ("picture",), 2)


def test_training_drops_and_evaluation_does_not() -> None:
    network = _network("gru", {"width": 8, "embedding": 8, "dropout": 0.5}, ("评论",))
    batch = _batch(("评论",), slice(0, 4))
    assert not torch.equal(network(**batch)["logits"], network(**batch)["logits"])
    network.eval()
    assert torch.equal(network(**batch)["logits"], network(**batch)["logits"])
