"""A user's own network: whatever its forward is called with, and what is said where it does not fit."""

from __future__ import annotations

import textwrap

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.core.recipe import Model
from feilun.parts.models import fused
from feilun.parts.ops.ragged import collate
from feilun.stages.optimization import exporting

DRAW = np.random.default_rng(0)
ROWS = {
    "a": DRAW.normal(size=40).tolist(),
    "b": DRAW.normal(size=40).tolist(),
    "colour": DRAW.choice(["red", "green"], 40).tolist(),
    "review": ["".join(DRAW.choice(list("abcd"), DRAW.integers(1, 9))) for _ in range(40)],
}
FEATURES = {
    "numbers": discover.feature("number", columns=("a", "b")).fit(ROWS),
    "categories": discover.feature("category", columns=("colour",)).fit(ROWS),
    "review": discover.feature("text", columns=("review",), tokens="characters").fit(ROWS),
}


def built(given, inputs, outputs=3, output="logits"):
    with discover.own_model(given):
        return fused.build(Model(name="own"), FEATURES, inputs, outputs, name=output)


def batch(inputs, rows=slice(0, 7)):
    part = {column: values[rows] for column, values in ROWS.items()}
    return {k: torch.from_numpy(x) for k, x in collate({n: FEATURES[n].encode(part) for n in inputs}).items()}


def from_file(tmp_path, code):
    path = tmp_path / "my_model.py"
    path.write_text("import torch\nfrom torch import nn\n" + textwrap.dedent(code))
    return discover.python_file(path)


class Reader(nn.Module):
    """Arguments by name, one of them with its lengths."""

    def __init__(self, outputs=3):
        super().__init__()
        self.vectors, self.last = nn.Embedding(50, 4), nn.Linear(6, outputs)

    def forward(self, numbers, review, review_length):
        places = torch.arange(review.shape[1]).unsqueeze(0) < review_length.unsqueeze(1)
        mean = (self.vectors(review) * places.unsqueeze(-1)).sum(1) / review_length.unsqueeze(1)
        return self.last(torch.cat([numbers, mean], 1))


class TakesAll(nn.Module):
    """Everything there is, and a dictionary back."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(3, 3)

    def forward(self, **batch):
        return {"anything": self.last(torch.cat([batch["numbers"], batch["categories"].float()], 1))}


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        (nn.Linear(2, 3), ("numbers",)),
        (nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(3)), ("numbers",)),
        (Reader(), ("numbers", "review")),
        (Reader(), ("numbers", "categories", "review")),
        (TakesAll(), ("numbers", "categories")),
    ],
)
def test_it_takes_what_it_asks_for_and_exports(given, inputs, tmp_path):
    network = built(given, inputs)
    made = network(**batch(inputs))["logits"]
    assert made.shape == (7, 3)
    made.sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())
    network.eval()
    exporting.export(fused.graph(network, batch(inputs, slice(0, 2))), tmp_path / "main.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "main.onnx"))
    wanted = {item.name for item in session.get_inputs()}
    asked = batch(inputs, slice(5, 25))
    answer = session.run(None, {name: x.numpy() for name, x in asked.items() if name in wanted})[0]
    with torch.no_grad():
        assert np.allclose(answer, network(**asked)["logits"].numpy(), atol=1e-5)


def test_training_a_copy_leaves_the_given_one_alone():
    given = nn.Linear(2, 3)
    network = built(given, ("numbers",))
    assert torch.equal(network.network.weight, given.weight)
    with torch.no_grad():
        network.network.weight += 1
    assert not torch.equal(network.network.weight, given.weight)


def test_numbers_may_come_without_their_axis():
    class Flat(nn.Linear):
        def forward(self, numbers):
            return super().forward(numbers).squeeze(1)

    assert built(Flat(2, 1), ("numbers",), 1, "values")(**batch(("numbers",)))["values"].shape == (7, 1)


@pytest.mark.parametrize(
    "code",
    [
        "def build(inputs, outputs): return nn.Linear(inputs['numbers'][0], outputs)",
        "def build(outputs, features, *, width=2): return nn.Linear(features['numbers'].width, outputs)",
        "model = nn.Linear(2, 3)",
        "class Mine(nn.Linear):\n    def __init__(self, inputs, outputs): super().__init__(2, outputs)",
    ],
)
def test_a_file_may_hold_a_function_a_network_or_a_class(code, tmp_path):
    assert built(from_file(tmp_path, code), ("numbers",))(**batch(("numbers",)))["logits"].shape == (7, 3)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1", r"must have a function `build`.*its classes: none"),
        ("class A(nn.Linear): pass\nclass B(nn.Linear): pass", "its classes: A, B"),
        ("def build(inputs, outputs): return 7", "returned int"),
        ("def build(vocabulary): return nn.Linear(2, 3)", "build asks for vocabulary"),
        ("model = nn.Linear(2, 5)", r"gave shape \(2, 5\) for 2 rows; expected a tensor \(2, 3\): a logit per label"),
        ("model = nn.Linear(9, 3)", r"failed on 2 rows of zeros: .*It was given: numbers \(2, 2\) float32"),
        (
            "class A(nn.Module):\n    def forward(self, x, y): return x",
            "asks for x, y; there are: numbers, numbers_length",
        ),
        ("model = nn.LSTM(2, 3)", r"gave tuple for 2 rows"),
    ],
)
def test_what_does_not_fit_is_said_before_training(code, said, tmp_path):
    with pytest.raises(RecipeError, match=said):
        built(from_file(tmp_path, code), ("numbers",))
