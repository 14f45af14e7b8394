"""Bag: a weighted sum over the tokens that are there, no matter what is padded or how texts are encoded."""

from __future__ import annotations

import math

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from feilun.core import discover
from feilun.core.recipe import Model
from feilun.parts.models import bag, fused
from feilun.parts.ops.ragged import collate
from feilun.stages.optimization import exporting

TEXTS = ["very good hotel", "bad bad food", "a good day", "bad day, bad hotel", "good", "so bad"] * 4


@pytest.fixture(params=["grams", "words", "bpe"])
def feature(request):
    options = {} if request.param == "grams" else {"vocabulary": 50}
    return discover.feature("text", columns=("t",), tokens=request.param, **options).fit({"t": TEXTS})


def _batch(feature, texts: list[str]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(x) for name, x in collate({"t": feature.encode({"t": texts})}).items()}


def _network(feature) -> torch.nn.Module:
    torch.manual_seed(0)
    return fused.build(Model(name="bag", width=4), {"t": feature}, ("t",), 2)


def test_an_answer_does_not_depend_on_its_neighbours(feature) -> None:
    network = _network(feature).eval()
    together = network(**_batch(feature, TEXTS[:4]))["logits"]
    for row in range(4):
        alone = network(**_batch(feature, TEXTS[row : row + 1]))["logits"]
        assert torch.allclose(alone[0], together[row], atol=1e-6)  # other sums in another order


def test_rare_tokens_count_more_and_the_weights_have_length_one() -> None:
    encoder = bag.Encoder(bag.Bag(width=3), 10).eval()
    made = encoder(torch.tensor([[4, 5, 0], [6, 0, 0]]), torch.tensor([2, 1]))
    vectors = encoder.vectors.weight
    fourth, fifth = math.log(4 + math.e), math.log(5 + math.e)
    both = (fourth * vectors[4] + fifth * vectors[5]) / math.hypot(fourth, fifth)
    assert torch.allclose(made, torch.stack([both, vectors[6]]))


def test_tokens_are_left_out_while_training_only() -> None:
    encoder = bag.Encoder(bag.Bag(token_dropout=0.5), 100)
    tokens, length = torch.arange(60).reshape(2, 30), torch.tensor([30, 30])
    assert not torch.equal(encoder(tokens, length), encoder(tokens, length))
    encoder.eval()
    assert torch.equal(encoder(tokens, length), encoder(tokens, length))


def test_export_equals_pytorch_on_other_lengths(feature, tmp_path) -> None:
    network = _network(feature).eval()
    exporting.export(fused.graph(network, _batch(feature, TEXTS[:2])), tmp_path / "main.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "main.onnx"))
    for texts in (TEXTS[2:3], TEXTS[:9], [""]):
        batch = _batch(feature, texts)
        made = session.run(None, {name: x.numpy() for name, x in batch.items()})[0]
        with torch.no_grad():
            assert np.allclose(made, network(**batch)["logits"].numpy(), atol=1e-5)


def test_it_learns_what_single_words_say(feature) -> None:
    network = _network(feature)
    truth = torch.tensor(["bad" in text for text in TEXTS]).long()
    batch = _batch(feature, TEXTS)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    for _ in range(80):
        torch.nn.functional.cross_entropy(network(**batch)["logits"], truth).backward()
        optimizer.step()
        optimizer.zero_grad()
    asked = _batch(feature, ["so bad", "very good"])
    assert network.eval()(**asked)["logits"].argmax(1).tolist() == [1, 0]
