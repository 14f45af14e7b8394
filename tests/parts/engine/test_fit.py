"""The loop: what it learns, what it draws, when it stops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor, nn

from feilun.core.errors import FeilunError, InputError
from feilun.core.recipe import Train
from feilun.parts.engine.batches import gatherer
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning, Run
from feilun.parts.engine.randomness import initialised
from feilun.parts.ops.ragged import Ragged, collate, take

FLAT = {"warmup": 0.0, "decay": "none", "clip": None, "patience": None}


def squared(networks: Any, batch: Any, player: str) -> Tensor:
    """Half the squared error of each row."""
    return (networks[player](batch["x"]) - batch["y"]).square().sum(1) / 2


def line(rows: int = 40) -> dict[str, np.ndarray]:
    """Rows of a noisy line in three inputs."""
    drawn = np.random.default_rng(1)
    inputs = drawn.normal(size=(rows, 3))
    targets = inputs @ [[1.0], [-2.0], [0.5]] + 0.3 + 0.1 * drawn.normal(size=(rows, 1))
    return {"x": inputs.astype(np.float32), "y": targets.astype(np.float32)}


def linear(inputs: int = 3) -> dict[str, nn.Module]:
    """One layer, always the same."""
    with initialised(0):
        return {"main": nn.Linear(inputs, 1)}


def test_linear_regression_agrees_with_scikit_learn() -> None:
    arrays, networks = line(), linear()
    plan = Train(epochs=300, batch_size=40, optimizer="sgd", learning_rate=0.5, l2=0.1, **FLAT)
    fit(networks, arrays, Index(train=np.arange(40)), Learning(objective=squared), plan)
    # mean loss + l2/2 w² over 40 rows is ridge's Σ(y - ŷ)² + alpha w² with alpha = 40 l2; both leave the bias free
    expected = Ridge(alpha=40 * 0.1, tol=1e-10).fit(arrays["x"], arrays["y"][:, 0])
    assert networks["main"].weight.detach().numpy()[0] == pytest.approx(expected.coef_, abs=1e-3)
    assert networks["main"].bias.item() == pytest.approx(expected.intercept_, abs=1e-3)


def test_logistic_regression_agrees_with_scikit_learn() -> None:
    arrays, networks = line(), linear()
    arrays["y"] = (arrays["y"] + np.random.default_rng(2).normal(size=(40, 1)) > 0).astype(np.float32)

    def cross_entropy(networks: Any, batch: Any, player: str) -> Tensor:
        logits = networks[player](batch["x"])
        return nn.functional.binary_cross_entropy_with_logits(logits, batch["y"], reduction="none").sum(1)

    plan = Train(epochs=600, batch_size=40, optimizer="momentum", learning_rate=0.5, l2=0.025, **FLAT)
    fit(networks, arrays, Index(train=np.arange(40)), Learning(objective=cross_entropy), plan)
    expected = LogisticRegression(C=1 / (40 * 0.025), tol=1e-10).fit(arrays["x"], arrays["y"][:, 0])
    assert networks["main"].weight.detach().numpy()[0] == pytest.approx(expected.coef_[0], abs=1e-3)
    assert networks["main"].bias.item() == pytest.approx(expected.intercept_[0], abs=1e-3)


class Watching:
    """An objective that remembers which rows came, who learnt, and what noise there was."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.players: list[str] = []
        self.noise: list[Tensor] = []

    def __call__(self, networks: Any, batch: Any, player: str) -> Tensor:
        self.rows.append(batch["x"][:, 0].int().tolist())
        self.players.append(player)
        if "z" in batch:
            self.noise.append(batch["z"])
        return networks[player](batch["x"]).square().sum(1) * 1e-4


def watch(seed: int = 0, epochs: int = 2, **learning: Any) -> Watching:
    """Two epochs over ten numbered rows in batches of at most four."""
    watching = Watching()
    players = dict.fromkeys(learning.get("turns", ("main",)))
    networks = {player: linear(1)["main"] for player in players}
    arrays = {"x": np.arange(10, dtype=np.float32)[:, None]}
    plan = Train(epochs=epochs, batch_size=4, optimizer="sgd", **FLAT)
    fit(networks, arrays, Index(train=np.arange(10)), Learning(objective=watching, **learning), plan, Run(seed=seed))
    return watching


def test_every_epoch_is_a_permutation_by_seed_and_epoch() -> None:
    seen = watch().rows
    assert [len(rows) for rows in seen] == [3, 3, 4, 3, 3, 4]
    first, second = [*seen[0], *seen[1], *seen[2]], [*seen[3], *seen[4], *seen[5]]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert watch().rows == seen
    assert watch(seed=1).rows != seen


def test_noise_follows_from_seed_and_step() -> None:
    one, same, other = (watch(seed, noise={"z": (5,)}).noise for seed in (0, 0, 1))
    assert [drawn.shape for drawn in one] == [(3, 5), (3, 5), (4, 5)] * 2
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one[0], other[0])
    assert not torch.equal(one[0], one[1])


def test_players_take_turns_and_only_the_one_whose_turn_it_is_moves() -> None:
    turns = ("critic", "critic", "maker")
    assert watch(turns=turns).players == list(turns) * 2
    networks = {player: nn.Linear(1, 1) for player in ("critic", "maker")}
    before = networks["maker"].weight.item()

    def both(networks: Any, batch: Any, player: str) -> Tensor:
        return (networks["critic"](networks["maker"](batch["x"])) - 7).square().sum(1)

    plan = Train(epochs=1, batch_size=2, optimizer="sgd", learning_rate=0.01, **FLAT)
    learning = Learning(objective=both, turns=("critic",))
    fit(networks, {"x": np.ones((4, 1), np.float32)}, Index(train=np.arange(4)), learning, plan)
    assert networks["maker"].weight.item() == before
    done = fit(
        networks,
        {"x": np.ones((4, 1), np.float32)},
        Index(train=np.arange(4)),
        Learning(objective=both, turns=("critic", "maker")),
        plan,
    )
    assert networks["maker"].weight.item() != before
    assert set(done.curves[0]["losses"]) == {"critic", "maker"}
    assert all(parameter.requires_grad for network in networks.values() for parameter in network.parameters())


def test_augmentation_sees_training_batches_only() -> None:
    seen: list[int] = []

    def augment(batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        seen.append(len(batch["x"]))
        return batch | {"x": batch["x"] + torch.randn(batch["x"].shape, generator=generator)}

    index = Index(train=np.arange(30), validation=np.arange(30, 40))
    learning = Learning(objective=squared, augment=augment)
    results = []
    for _ in range(2):
        networks = linear()
        fit(networks, line(), index, learning, Train(epochs=1, batch_size=15))
        results.append(networks["main"].weight.detach().clone())
    assert seen == [15, 15] * 2
    assert torch.equal(*results)


def test_early_stopping_restores_the_best_weights() -> None:
    arrays, networks = line(), linear()
    arrays["y"][30:] *= -1  # validation rows say the opposite: every epoch makes them worse
    index = Index(train=np.arange(30), validation=np.arange(30, 40))
    before: list[Tensor] = []

    def objective(networks: Any, batch: Any, player: str) -> Tensor:
        if not networks["main"].training:
            before.append(networks["main"].weight.detach().clone())
        return squared(networks, batch, player)

    plan = Train(epochs=50, batch_size=10, optimizer="sgd", learning_rate=0.05, patience=3)
    done = fit(networks, arrays, index, Learning(objective=objective), plan)
    assert (done.epochs, done.best_epoch, done.steps) == (4, 1, 12)
    losses = [point["validation_loss"] for point in done.curves]
    assert min(losses) == losses[0]
    assert torch.equal(networks["main"].weight, before[0])
    assert not torch.equal(networks["main"].weight, before[-1])


def test_without_patience_the_last_weights_stay() -> None:
    arrays = line()
    arrays["y"][30:] *= -1
    index = Index(train=np.arange(30), validation=np.arange(30, 40))
    done = fit(linear(), arrays, index, Learning(objective=squared), Train(epochs=6, batch_size=10, patience=None))
    assert (done.epochs, done.best_epoch) == (6, 6)


def test_a_loss_that_is_no_number_stops_with_advice() -> None:
    plan = Train(epochs=200, batch_size=40, optimizer="sgd", learning_rate=1e9, **FLAT)
    with pytest.raises(InputError, match=r"Lower train.learning_rate \(now 1000000000.0\)") as caught:
        fit(linear(), line(), Index(train=np.arange(40)), Learning(objective=squared), plan)
    assert caught.value.fix == "train.learning_rate: 1e+08"


def test_an_infinite_gradient_never_reaches_the_weights() -> None:
    networks, arrays = linear(), line()
    arrays["x"][:] = 1e30  # the loss stays in float32's range, the length of its gradient does not

    def objective(networks: Any, batch: Any, player: str) -> Tensor:
        return (networks[player](batch["x"]) * 1e-30).square().sum(1) * 1e30

    with pytest.raises(InputError, match="gradient's length became"):
        fit(networks, arrays, Index(train=np.arange(40)), Learning(objective=objective), Train(clip=1.0))
    assert torch.isfinite(networks["main"].weight).all()


def test_a_loss_that_is_not_per_row_is_our_fault() -> None:
    with pytest.raises(FeilunError, match="one loss per row"):
        fit(linear(), line(), Index(train=np.arange(4)), Learning(objective=lambda *_: torch.tensor(1.0)), Train())


def test_no_rows_is_said() -> None:
    with pytest.raises(InputError, match="no training rows"):
        fit(linear(), line(), Index(train=np.zeros(0, np.int64)), Learning(objective=squared), Train())


def test_threads_and_generator_are_left_as_they_were() -> None:
    threads, state = torch.get_num_threads(), torch.default_generator.get_state()
    done = fit(linear(), line(), Index(train=np.arange(4)), Learning(objective=squared), Train(threads=2, epochs=1))
    assert done.threads == 2
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.default_generator.get_state(), state)


def test_batches_are_those_of_serving() -> None:
    arrays = {
        "picture": np.arange(512, dtype=np.uint8).reshape(2, 256).repeat(2, 0),
        "class": np.array([3, 1, 2, 0], np.int16),
        "number": np.array([0.1, 0.2, np.pi, 1e-9], np.float64),
        "text": Ragged.of([np.array([5, 6, 7]), np.zeros(0, np.int64), np.array([8]), np.array([9, 9])]),
    }
    index = np.array([3, 0, 2])
    expected = collate({name: take(array, index) for name, array in arrays.items()})
    for memory_bytes in (1 << 30, 0):
        batch = gatherer(arrays, memory_bytes)(torch.from_numpy(index))
        assert batch.keys() == expected.keys()
        for name, array in expected.items():
            assert batch[name].dtype == torch.from_numpy(array).dtype
            assert torch.equal(batch[name], torch.from_numpy(array)), name


class Listening:
    """A Say that keeps what it heard."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    def line(self, text: str) -> None:
        self.heard.append({"line": text})

    def progress(self, stage: str, **fields: Any) -> None:
        self.heard.append({"stage": stage, **fields})


def test_progress_is_told() -> None:
    say = Listening()
    index = Index(train=np.arange(30), validation=np.arange(30, 40))
    fit(linear(), line(), index, Learning(objective=squared), Train(epochs=2), Run(say=say))
    last = say.heard[-1]
    assert (last["stage"], last["epoch"], last["of"], last["left_s"]) == ("train", 2, 2, 0)
    assert last["loss"] > 0 and last["validation_loss"] > 0 and last["rows_per_s"] > 0
