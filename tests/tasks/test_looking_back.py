"""What a translation looked at: the right words, from the trained example to the report's page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from feilun.core.recipe import Recipe
from feilun.parts.bundle.answering import by_column
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.randomness import initialised
from feilun.parts.engine.runner import TorchRunner
from feilun.parts.engine.trained import batch
from feilun.parts.models import attention
from feilun.stages.evaluation import looked
from feilun.stages.evaluation.asking import Model
from feilun.tasks.translation import TASK, sentences

TRAINED = 900  # rows; the others are asked
FAMILIES = {
    "seq2seq": {"name": "seq2seq", "hidden": 32},
    "encoder_decoder": {"name": "encoder_decoder", "width": 32, "depth": 2, "groups": 2},
}


def model(epochs: int, tokens: str, **options: Any) -> tuple[Model, dict[str, Any]]:
    """The example's network, and the example's rows as columns."""
    asked = {**TASK.example_recipe, "target": {"columns": ["german"], "tokens": tokens}, **options}
    recipe = Recipe.model_validate({**asked, "name": "t", "task": "translation"})
    rows = by_column(TASK.example(0))
    features = {name: feature.fit(rows) for name, feature in TASK.features(recipe).items()}
    arrays = {name: feature.encode(rows) for name, feature in features.items()}
    with initialised(0):
        networks = TASK.build(recipe, features)
    if epochs:
        plan = recipe.train.model_copy(update={"epochs": epochs, "learning_rate": 0.01})
        fit(networks, arrays, Index(train=np.arange(TRAINED)), Learning(objective=TASK.objective), plan)
    networks["main"].eval()
    run = TorchRunner(TASK.graphs(networks, batch(TASK, recipe, arrays, np.arange(2))))
    return Model(task=TASK, recipe=recipe, run=run, features=features, state={}, networks=networks), dict(rows)


def test_number_words_look_at_the_numbers_they_stand_for() -> None:
    """Word by word, so that each is told from its neighbours, which were read elsewhere; letters look the same way."""
    made, rows = model(9, "words")
    asked = {name: values[TRAINED:] for name, values in rows.items()}
    hits = {"numbers": [], "things": []}
    for one, german in zip(
        TASK.attention(made.networks, made.run, asked, made.features, 60), asked["german"], strict=True
    ):
        shares = np.array(one["shares"])
        assert shares.shape == (len(one["written"]), len(one["read"]))
        assert np.allclose(shares.sum(1), 1, atol=1e-5)
        for said, row in zip(one["written"], shares, strict=True):
            seen = one["read"][int(row.argmax())]
            if said.endswith(sentences.ZEHN) and said in german:
                hits["numbers"].append(seen in sentences.TENS + sentences.ONES)
            if said in sentences.THINGS.values():
                hits["things"].append(sentences.THINGS.get(seen) == said)
    assert min(map(len, hits.values())) > 60
    assert all(np.mean(found) > 0.9 for found in hits.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_shows_what_it_takes_and_nothing_of_padding(family: str) -> None:
    made, _ = model(0, "characters", model=FAMILIES[family])
    network: Any = made.networks["main"]
    source, length = torch.randint(2, 20, (2, 5)), torch.tensor([5, 3])
    prefix = torch.randint(2, 20, (2, 4))
    with torch.no_grad():
        shares = network.looked(source, length, prefix)
        alone = network.looked(source[1:, :3], length[1:], prefix[1:])
    assert shares.shape == (2, 4, 5) and torch.allclose(shares.sum(2), torch.ones(2, 4), atol=1e-5)
    assert float(shares[1, :, 3:].max()) == 0.0
    assert torch.allclose(shares[1:, :, :3], alone, atol=1e-5)
    found = TASK.attention(made.networks, made.run, {"english": ["we see zebras", None, "a"]}, made.features, 7)
    assert [one["read"] for one in found] == [["we", "see", "zebras"], ["[UNK]"], ["a"]]
    assert all(0 < len(one["written"]) <= 7 for one in found)
    blind = {"main": torch.nn.Linear(1, 1)}
    assert TASK.attention(blind, made.run, {"english": ["we"]}, made.features, 7) == []


def test_shares_are_those_that_attention_takes() -> None:
    """Taken by hand they give what the fused operator gives."""
    sizes = attention.Sizes(
        width=24, heads=6, groups=2, inner=8, norm="rms", activation="gelu", rotary=False, dropout=0.0, head=4
    )
    with torch.no_grad():
        torch.manual_seed(0)
        look = attention.Attention(sizes)
        state, other = torch.randn(2, 3, 24), torch.randn(2, 5, 24)
        memory = look.remembered(other)
        mask = torch.where(torch.arange(5) < 4, 0.0, -1e9).expand(2, 1, 3, -1)
        shares = attention.watched(look, lambda: look(state, memory, mask))
        values = memory[1].repeat_interleave(3, 1)
        by_hand = look.join((shares @ values).transpose(1, 2).reshape(2, 3, 24))
        assert torch.allclose(by_hand, look(state, memory, mask), atol=1e-5)
    assert not look._forward_pre_hooks


def test_long_texts_are_cut_and_said_so() -> None:
    made, _ = model(0, "characters", model=FAMILIES["seq2seq"])
    rows = {"english": ["we see", "we " * 100, "you see", "they"], "german": ["a", "b", "c", "d"]}
    groups = {"right": np.array([0, 1, 2]), "wrong": np.array([3])}
    found = looked.found(made, rows, rows["german"], groups)
    assert [(one["group"], one["truth"]) for one in found] == [("right", "a"), ("right", "b"), ("wrong", "d")]
    assert len(found[1]["read"]) == looked.READ and found[1]["more"]
    assert all(len(one["shares"]) == len(one["written"]) <= looked.WRITTEN for one in found)
    long, wrong = looked.figures(found)[1:]
    assert str(looked.READ) in str(long["notes"][0]) and str(wrong["notes"][-1]) == "Right would be: d"
    assert looked.found(made, rows, rows["german"], {"right": np.zeros(0, int), "wrong": np.zeros(0, int)}) == []


def test_fields_stand_where_they_belong_and_words_cannot_be_markup() -> None:
    svg = str(looked.heat(["<b>", "two"], ["zwei", " ", "\u202e"], [[0.01, 0.99], [0.5, 0.5], [1.0, 0.0]]))
    assert svg.count("<rect") == 4 and "zwei ← two: 99 %" in svg
    assert "<b>" not in svg and "&lt;b&gt;" in svg and "␣" in svg and "[U+202E]" in svg
