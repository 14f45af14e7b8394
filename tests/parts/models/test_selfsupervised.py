"""Objectives without labels: as the papers write them, blind to padding, and learnable where there is something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from feilun.core.errors import RecipeError
from feilun.core.recipe import Train
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.randomness import initialised
from feilun.parts.models import cnn, recurrent, selfsupervised, transformer, views
from feilun.parts.ops.ragged import Ragged

WORDS: Any = SimpleNamespace(kind="text", vocabulary_size=12, max_length=10, mask_number=1)
STEPS: Any = SimpleNamespace(kind="sequence", channels=2, max_length=10)
PICTURE: Any = SimpleNamespace(kind="image", shape=(3, 16, 16))


def whole(encoder: nn.Module, name: str = "x") -> Any:
    """As `fused.Network` is seen here."""
    network: Any = nn.Module()
    network.inputs, network.encoders = (name,), nn.ModuleList([encoder])
    return network


def test_only_what_is_there_is_hidden_and_something_always_is() -> None:
    tokens = torch.randint(2, 12, (200, 9), generator=torch.Generator().manual_seed(1))
    length = torch.arange(200) % 9 + 1
    change = selfsupervised.changed("masked", {"x": WORDS})
    made = change({"x": tokens, "x_length": length}, torch.Generator().manual_seed(2))
    hidden, there = made["x/hidden"], torch.arange(9).unsqueeze(0) < length.unsqueeze(1)
    assert not (hidden & ~there).any() and hidden.any(1).all()
    assert torch.equal(made["x"][~hidden], tokens[~hidden])
    assert 0.7 < (made["x"][hidden] == 1).float().mean() < 0.9  # 80 % of what is to be found is replaced
    again = change({"x": tokens, "x_length": length}, torch.Generator().manual_seed(2))
    assert torch.equal(again["x"], made["x"])


def test_hidden_patches_carry_nothing_of_the_picture() -> None:
    """A change of pixels under a cover changes neither what is seen nor, there, what else is asked."""
    pictures = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    made = selfsupervised.changed("masked", {"x": PICTURE})({"x": pictures}, torch.Generator().manual_seed(3))
    hidden = made["x/hidden"].reshape(4, 1, 8, 8)
    cover = nn.functional.interpolate(hidden.float(), size=(16, 16)).bool().expand_as(pictures)
    seen = made["x"]
    assert torch.equal(seen[~cover], pictures[~cover])
    spread = [seen[row, 0][cover[row, 0]].unique() for row in range(4)]
    assert all(len(values) == 1 for values in spread)


def test_two_views_differ_and_stay_pictures() -> None:
    pictures = torch.rand(5, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    draw = torch.Generator().manual_seed(1)
    one, other = views.draw(pictures, draw), views.draw(pictures, draw)
    assert one.shape == pictures.shape and not torch.equal(one, other)
    assert one.min() >= 0 and one.max() <= 1


@pytest.mark.parametrize(
    ("feature", "build"),
    [
        (WORDS, lambda: transformer.Encoder(transformer.Transformer(width=16, depth=1, heads=2), WORDS)),
        (WORDS, lambda: recurrent.Encoder(recurrent.Recurrent(width=8, embedding=8), "gru", WORDS)),
        (STEPS, lambda: transformer.Encoder(transformer.Transformer(width=16, depth=1, heads=2), STEPS)),
    ],
)
def test_what_is_hidden_is_found_again_where_it_can_be(feature: Any, build: Any) -> None:
    """Rows that repeat one value: whoever sees the neighbours knows what is hidden. The loss falls by half."""
    draw = np.random.default_rng(0)
    rows = [np.full(int(draw.integers(3, 9)), int(draw.integers(2, 12)), np.int32) for _ in range(80)]
    if feature.kind == "sequence":
        rows = [np.full((len(row), 2), draw.normal(), np.float32) for row in rows]
    with initialised(0):
        network = selfsupervised.network("masked", whole(build()), {"x": feature})
    learning = Learning(
        objective=selfsupervised.objective, augment=selfsupervised.changed("masked", {"x": feature}), early_stop=False
    )
    plan = Train(epochs=25, batch_size=16, learning_rate=0.01)
    fitted = fit({"main": network}, {"x": Ragged.of(rows)}, Index(train=np.arange(80)), learning, plan)
    assert fitted.curves[-1]["loss"] < 0.5 * fitted.curves[0]["loss"]


def test_pictures_of_one_kind_are_told_apart_from_others() -> None:
    """Contrastive learning on flat colours beats what chance gives, the logarithm of the other views."""
    draw = np.random.default_rng(0)
    pictures = np.broadcast_to(draw.integers(0, 255, (64, 3, 1, 1)), (64, 3, 16, 16)).astype(np.uint8)
    with initialised(0):
        network = selfsupervised.network(
            "contrastive", whole(cnn.Encoder(cnn.Cnn(width=8, depth=2), PICTURE.shape)), {"x": PICTURE}
        )
    change = selfsupervised.changed("contrastive", {"x": PICTURE})
    learning = Learning(objective=selfsupervised.objective, augment=change, early_stop=False)
    plan = Train(epochs=10, batch_size=16, learning_rate=0.005)
    fitted = fit({"main": network}, {"x": pictures}, Index(train=np.arange(64)), learning, plan)
    assert fitted.curves[-1]["loss"] < 0.8 * np.log(31)


def test_a_network_without_such_an_encoder_is_told() -> None:
    with pytest.raises(RecipeError, match="pictures"):
        selfsupervised.network("contrastive", whole(nn.Identity()), {"x": WORDS})
    with pytest.raises(RecipeError, match=r"train\.pretrain"):
        selfsupervised.network("masked", nn.Linear(1, 1), {"x": WORDS})


def test_rows_of_one_label_are_brought_together() -> None:
    """The loss by hand, and learnt: what has the same label becomes alike, although no input says so."""
    with initialised(0):
        encoder = transformer.encoder(transformer.Transformer(width=8, depth=1, heads=2, dropout=0.0), WORDS)
        network = selfsupervised.network("labels", whole(encoder), {})
    tokens, labels = torch.arange(2, 10).unsqueeze(1), torch.arange(8) % 2
    batch = {"x": tokens, "x_length": torch.ones(8, dtype=torch.int64), "target": labels}
    unit = nn.functional.normalize(encoder(tokens, batch["x_length"]), dim=1)
    like = (unit @ unit.T / 0.1).detach().double().exp()
    alike = labels.unsqueeze(0) == labels.unsqueeze(1)
    each = [
        np.mean(
            [
                float(-(like[i, j] / (like[i, j] + like[i][~alike[i]].sum())).log())
                for j in range(8)
                if j != i and alike[i, j]
            ]
        )
        for i in range(8)
    ]
    assert network(**batch)["losses"].tolist() == pytest.approx(each, rel=1e-4)
    arrays = {"x": Ragged.of([row.numpy().astype(np.int32) for row in tokens]), "target": labels.numpy()}
    plan = Train(epochs=60, batch_size=8, learning_rate=0.01, patience=None, compile="never")
    learning = Learning(objective=selfsupervised.objective, early_stop=False)
    fitted = fit({"main": network}, arrays, Index(train=np.arange(8)), learning, plan)
    assert fitted.curves[-1]["loss"] < 0.1 * fitted.curves[0]["loss"]
