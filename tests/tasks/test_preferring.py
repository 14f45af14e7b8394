"""Preference tuning: what is learnt of pairs and of single answers, and how it is judged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.core.recipe import Recipe, Train
from feilun.parts.bundle.answering import answer_rows
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.randomness import initialised
from feilun.parts.engine.runner import TorchRunner
from feilun.parts.ops.ragged import collate, take
from feilun.tasks.text_generation import preferring

TASK = discover.task("text_generation")
ROWS: dict[str, list[Any]] = {
    "ask": ["who sat", "what is it", "who ran"] * 8,
    "good": ["the cat, thanks", "a dog, thanks", None] * 8,
    "bad": ["the cat, no", None, "a dog, no"] * 8,
}


def recipe(**target: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "t",
            "task": "text_generation",
            "inputs": {"ask": {"kind": "text", "tokens": "characters", "context": 40}},
            "target": {"columns": ["good"], **({"rejected": "bad", "beta": 0.3} | target)},
            "model": {"name": "decoder", "width": 16, "depth": 1, "heads": 2, "dropout": 0.0},
        }
    )


def begun() -> tuple[Recipe, Any, Any, Any]:
    """(recipe, features, arrays, networks as training begins)."""
    asked = recipe()
    features = {name: feature.fit(ROWS) for name, feature in TASK.features(asked).items()}
    with initialised(0):
        networks = TASK.build(asked, features)
    networks["reference"].load_state_dict(networks["main"].state_dict())
    return asked, features, {name: feature.encode(ROWS) for name, feature in features.items()}, networks


def batch_of(arrays: Any, asked: Recipe, rows: list[int]) -> dict[str, torch.Tensor]:
    made, _ = TASK.examples({name: take(array, np.array(rows)) for name, array in arrays.items()}, asked)
    return {name: torch.from_numpy(np.array(one)) for name, one in collate(made).items()}


def gain_of(networks: Any, features: Any, question: str, answer: str) -> float:
    """How much likelier the network finds the answer than its reference, token by token."""
    text, said = features["text"], features["answer"]
    asked = text.encode({"ask": [question]})[0]
    answered = said.encode({"good": [answer]})[0]
    tokens = torch.from_numpy(np.concatenate([asked, answered]).astype(np.int64))[None]
    logs = []
    for player in ("main", "reference"):
        said_of = functional.log_softmax(networks[player](tokens[:, :-1])["logits"], -1)
        told = said_of.gather(2, tokens[:, 1:, None])[0, :, 0]
        logs.append(float(told[len(asked) - 1 :].sum().item()))
    return logs[0] - logs[1]


def test_the_loss_is_that_of_the_papers() -> None:
    asked, features, arrays, networks = begun()
    batch = batch_of(arrays, asked, [0, 1, 2])
    first = TASK.objective(networks, batch, "main")
    assert torch.allclose(first, torch.tensor([math.log(2), 0.5, 0.5]))
    with torch.no_grad():
        drawn = torch.Generator().manual_seed(1)
        for parameter in networks["main"].parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=drawn)
    good, bad = (gain_of(networks, features, "who sat", ROWS[side][0]) for side in ("good", "bad"))
    alone, not_alone = (
        gain_of(networks, features, "what is it", "a dog, thanks"),
        gain_of(networks, features, "who ran", "a dog, no"),
    )
    wanted = [
        math.log1p(math.exp(-0.3 * (good - bad))),
        1 - 1 / (1 + math.exp(-0.3 * alone)),
        1 / (1 + math.exp(-0.3 * not_alone)),
    ]
    assert abs(good - bad) > 0.1 and abs(alone) > 0.1
    assert torch.allclose(TASK.objective(networks, batch, "main"), torch.tensor(wanted), atol=1e-4)


def test_training_moves_main_alone_and_what_was_preferred_gains() -> None:
    asked, features, arrays, networks = begun()
    examples, owners = TASK.examples(arrays, asked)
    before = {name: tensor.clone() for name, tensor in networks["reference"].state_dict().items()}
    learning = Learning(objective=TASK.objective, early_stop=False)
    plan = Train(epochs=4, batch_size=8, learning_rate=0.003, optimizer="adamw")
    fitted = fit(networks, examples, Index(train=np.arange(len(owners))), learning, plan)
    assert all(torch.equal(tensor, before[name]) for name, tensor in networks["reference"].state_dict().items())
    assert fitted.parameters == sum(one.numel() for one in networks["main"].parameters())
    assert fitted.curves[-1]["loss"] < 0.4 < fitted.curves[0]["loss"]
    run = TorchRunner(TASK.graphs(networks, batch_of(arrays, asked, [0, 1])))
    state = TASK.settle(run, {}, features, asked)
    told = answer_rows(TASK, run, features, state, ROWS, judged=True)
    wanted = gain_of(networks, features, "who sat", "the cat, thanks") - gain_of(
        networks, features, "who sat", "the cat, no"
    )
    assert told[0]["gain"] == pytest.approx(wanted, abs=1e-3) and told[0]["gain"] > 0
    assert told[1]["gain"] is told[2]["gain"] is None, "one answer alone is no pair"
    truths = [TASK.truth(row, asked) for row in _rows()]
    found = TASK.scores(told, truths, asked)
    assert next(iter(found)) == "preferred" and found["preferred"].statistic is not None
    assert found["preferred"].statistic(np.arange(24)) == 1 and math.isnan(found["preferred"].statistic(np.array([1])))
    for say in TASK.baselines(ROWS, asked).values():
        assert [one["gain"] is None for one in say(ROWS)] == [False, True, True] * 8


def test_a_long_pair_loses_its_question_first_and_keeps_an_answer() -> None:
    def one(*tokens: int) -> np.ndarray:
        return np.array(tokens, np.int32)

    tokens, learnt = preferring._joined(np.arange(2, 32, dtype=np.int32), one(100, 101, 3), 16)
    assert tokens.tolist() == [2, *range(19, 32), 100, 101, 3] and learnt.tolist() == [0] * 14 + [1] * 3
    tokens, learnt = preferring._joined(np.arange(2, 32, dtype=np.int32), np.full(40, 9, np.int32), 16)
    assert len(tokens) == 17 and learnt.sum() == 13 and tokens[0] == 2
    assert preferring._joined(one(2, 5), one(), 16)[0].tolist() == [2]


@pytest.mark.parametrize("target", [{"rejected": "good"}, {"beta": 0}, {"beta": "much"}, {"loser": "bad"}])
def test_a_target_that_makes_no_sense_is_told(target: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="target"):
        TASK.features(recipe(**target))


def _rows() -> list[dict[str, Any]]:
    return [dict(zip(ROWS, values, strict=True)) for values in zip(*ROWS.values(), strict=True)]
