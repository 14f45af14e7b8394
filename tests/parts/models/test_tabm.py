"""TabM: members learn apart and answer together; in evaluation its output is what every task expects."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from feilun.core import discover
from feilun.core.recipe import Model
from feilun.parts.models import fused, tabm
from feilun.stages.optimization import exporting

DRAW = np.random.default_rng(0)
COUNT = 1200  # enough for "auto" to cut numbers into pieces
ROWS = {
    "high": [None if i % 9 == 0 else float(x) for i, x in enumerate(DRAW.normal(size=COUNT))],
    "wide": DRAW.normal(size=COUNT).tolist(),
    "colour": DRAW.choice(["red", "green", "blue"], COUNT).tolist(),
}
FEATURES = {
    "numbers": discover.feature("number", columns=("high", "wide")).fit(ROWS),
    "categories": discover.feature("category", columns=("colour",)).fit(ROWS),
}
INPUTS = tuple(FEATURES)


def _network(outputs: int = 3, output: str = "logits", **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return fused.build(Model(name="tabm", members=4, width=16, **options), FEATURES, INPUTS, outputs, name=output)


def _batch(rows: slice) -> dict[str, Tensor]:
    from feilun.parts.ops.ragged import collate

    part = {column: values[rows] for column, values in ROWS.items()}
    arrays = collate({name: feature.encode(part) for name, feature in FEATURES.items()})
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.mark.parametrize("output", ["logits", "marks", "values"])
def test_members_apart_in_training_and_together_in_evaluation(output: str) -> None:
    network, batch = _network(output=output, dropout=0.0), _batch(slice(0, 20))
    apart = network(**batch)[output]
    assert apart.shape == (20, 4, 3)
    assert apart.std(1).min() > 0  # no two members say the same
    together = network.eval()(**batch)[output]
    expected = {
        "logits": lambda x: x.softmax(2).mean(1),
        "marks": lambda x: x.sigmoid().mean(1),
        "values": lambda x: x.mean(1),
    }[output](apart)
    said = {"logits": lambda x: x.softmax(1), "marks": torch.sigmoid, "values": lambda x: x}[output](together)
    assert torch.allclose(said, expected, atol=1e-5)  # float32 there and back through a logarithm


def test_a_certain_answer_stays_finite() -> None:
    sure = torch.tensor([[[200.0, -200.0]] * 4])
    for output in ("logits", "marks"):
        assert tabm.together(sure, output).isfinite().all()


def test_the_objective_is_the_mean_of_the_members_own_losses() -> None:
    """Not the loss of their mean: that would let them share the work, and they would no longer be several models."""
    network, batch = _network(dropout=0.0), _batch(slice(0, 20))
    target = torch.arange(20) % 3
    logits = network(**batch)["logits"]
    expected = torch.stack([functional.cross_entropy(logits[:, k], target, reduction="none") for k in range(4)]).mean(0)
    objective = discover.task("classification").objective
    assert torch.allclose(objective({"main": network}, {**batch, "target": target}, "main"), expected, atol=1e-6)
    numbers = _network(2, "values", dropout=0.0)
    wanted = torch.randn(20, 2)
    said = numbers(**batch)["values"]
    expected = torch.stack([(said[:, k] - wanted).square().mean(1) for k in range(4)]).mean(0)
    objective = discover.task("regression").objective
    assert torch.allclose(objective({"main": numbers}, {**batch, "target": wanted}, "main"), expected, atol=1e-6)
    several = _network(2, "marks", dropout=0.0)
    marks = (torch.arange(40) % 3 == 0).float().reshape(20, 2)
    said = several(**batch)["marks"]
    one = functional.binary_cross_entropy_with_logits
    expected = torch.stack([one(said[:, k], marks, reduction="none").mean(1) for k in range(4)]).mean(0)
    objective = discover.task("classification").objective
    assert torch.allclose(objective({"main": several}, {**batch, "target": marks}, "main"), expected, atol=1e-6)


def test_a_column_speaks_only_through_its_own_layer() -> None:
    """The matrix has zeros between columns, and they stay zero while it learns."""
    layer = tabm.Columns(("a", "a", "b", "a"), 3)
    values = torch.randn(5, 4, requires_grad=True)
    layer(values)[:, :3].sum().neg().backward()  # the vector of a, to grow
    assert values.grad is not None and not values.grad[:, 2].any() and values.grad[:, [0, 1, 3]].any()
    torch.optim.SGD(layer.parameters(), lr=1.0).step()
    again = layer(torch.zeros(1, 4)) - layer(torch.tensor([[0.0, 0.0, 5.0, 0.0]]))
    assert not again[:, :3].any()


def test_export_equals_pytorch_on_any_number_of_rows(tmp_path) -> None:
    network = _network().eval()
    exporting.export(fused.graph(network, _batch(slice(0, 2))), tmp_path / "main.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "main.onnx"))
    for rows in (slice(0, 1), slice(3, 40)):
        batch = _batch(rows)
        made = session.run(None, {name: x.numpy() for name, x in batch.items()})[0]
        with torch.no_grad():
            assert np.allclose(made, network(**batch)["logits"].numpy(), atol=1e-4)  # kernels of two libraries


def test_every_weight_learns() -> None:
    network, batch = _network(), _batch(slice(0, 64))
    network(**batch)["logits"].square().sum().backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()] == []
