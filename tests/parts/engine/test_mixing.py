"""Mixup and cutmix against the formulas of their papers; one forward pass; the same seed mixes the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.core.errors import Stopped
from feilun.core.recipe import Train
from feilun.parts.engine import mixing
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Batch, Fitted, Index, Learning, Objective, Run
from feilun.parts.engine.randomness import initialised

DRAW = torch.Generator().manual_seed(0)
BATCH = {
    "x": torch.randn(6, 3, generator=DRAW),
    "picture": torch.rand(6, 2, 8, 12, generator=DRAW),
    "target": torch.tensor([0, 1, 2, 0, 1, 2]),
}
COUNTS = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


def objective(networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str) -> Tensor:
    """Cross-entropy of what the network makes of everything but the target."""
    given = {name: value for name, value in batch.items() if name != "target"}
    return functional.cross_entropy(networks[player](**given), batch["target"], reduction="none")


def learning(*inputs: str) -> Learning:
    return Learning(objective=objective, inputs=inputs, targets=("target",))


def mixed(plan: Train, seed: int = 0, *inputs: str, counts: Tensor | None = None) -> tuple[Batch, Tensor, float]:
    """(the batch, who was mixed with whom, λ)."""
    batch = {name: BATCH[name] for name in (*(inputs or ("x", "picture")), "target")}
    made = mixing.mixed(batch | {"row": torch.arange(6)}, counts, learning(*inputs or ("x", "picture")), plan, seed)
    again = mixing.mixed(batch | {"target": torch.arange(6)}, counts, learning(*inputs or ("x",)), plan, seed)
    return made, again[f"{mixing.PARTNER}target"], float(made[mixing.SHARE][0])


@pytest.mark.parametrize("seed", range(5))
def test_mixup_is_the_share_of_one_row_and_the_rest_of_another(seed: int) -> None:
    made, partner, share = mixed(Train(mixup=0.4), seed)
    assert 0 <= share <= 1 and sorted(partner.tolist()) == list(range(6))
    for name in ("x", "picture"):
        torch.testing.assert_close(made[name], share * BATCH[name] + (1 - share) * BATCH[name][partner])
    assert torch.equal(made["target"], BATCH["target"]), "a row's own target stays"
    assert torch.equal(made[f"{mixing.PARTNER}target"], BATCH["target"][partner])
    assert torch.equal(made["row"], torch.arange(6)), "what is no input stays"


@pytest.mark.parametrize("seed", range(20))
def test_cutmix_pastes_one_box_of_another_picture_and_counts_its_pixels(seed: int) -> None:
    made, partner, share = mixed(Train(cutmix=1.0), seed, "picture")
    own, other, now = BATCH["picture"], BATCH["picture"][partner], made["picture"]
    moved = partner != torch.arange(6)
    pasted = (now != own)[moved].any(0).any(0)
    rows, columns = pasted.any(1).nonzero(), pasted.any(0).nonzero()
    if len(rows):
        box = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
        assert pasted[box].all() and pasted[box].numel() == pasted.sum(), "one box"
        assert torch.equal(now[:, :, *box], other[:, :, *box])
    assert share == pytest.approx(1 - pasted.float().mean().item(), abs=1e-6)


def test_shares_are_those_of_the_beta_distribution() -> None:
    for alpha in (0.2, 1.0):
        shares = np.array([mixed(Train(mixup=alpha), seed)[2] for seed in range(2000)])
        assert shares.mean() == pytest.approx(0.5, abs=0.04)  # five standard errors at the wider of the two
        assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.15)  # of Beta(α, α)


def test_where_both_are_asked_for_either_comes() -> None:
    plain = BATCH["picture"]
    cut = []
    for seed in range(40):
        made, partner, _ = mixed(Train(mixup=1.0, cutmix=1.0), seed, "picture")
        whole = (made["picture"] == plain) | (made["picture"] == plain[partner])
        cut.append(bool(whole.all()))
    assert 8 < sum(cut) < 32


def test_the_loss_is_mixed_as_the_rows_are_and_the_network_runs_once() -> None:
    network, runs = nn.Linear(3, 3), list[Tensor]()

    def counting(x: Tensor) -> Tensor:
        runs.append(x)
        return functional.dropout(network(x), 0.5)  # another pass would draw anew

    made, partner, share = mixed(Train(mixup=1.0), 1, "x", counts=COUNTS)
    del made["row"]
    torch.manual_seed(0)
    got = mixing.losses(objective, {"main": counting}, made, "main", COUNTS)
    assert len(runs) == 1
    torch.manual_seed(0)
    said = functional.dropout(network(made["x"]), 0.5)
    one, other = (
        functional.cross_entropy(said, t, reduction="none") for t in (BATCH["target"], BATCH["target"][partner])
    )
    torch.testing.assert_close(got, share * COUNTS * one + (1 - share) * COUNTS[partner] * other)


def test_a_network_that_reads_the_target_runs_for_each() -> None:
    runs = []

    def with_target(networks: Any, batch: Any, player: str) -> Tensor:
        made: Tensor = networks[player](batch["x"], prefix=batch["target"])
        return made

    def network(x: Tensor, prefix: Tensor) -> Tensor:
        runs.append(prefix)
        return x.sum(1) + prefix

    made, partner, share = mixed(Train(mixup=1.0), 2, "x")
    got = mixing.losses(with_target, {"main": network}, made, "main", None)
    own, other = BATCH["target"], BATCH["target"][partner]
    assert len(runs) == 2
    torch.testing.assert_close(got, made["x"].sum(1) + share * own + (1 - share) * other)


def test_a_plain_batch_costs_what_it_did() -> None:
    network = nn.Linear(3, 3)
    batch = {name: BATCH[name] for name in ("x", "target")}
    call = {"main": lambda x: network(x)}
    plain = objective(call, batch, "main")
    assert torch.equal(mixing.losses(objective, call, batch, "main", None), plain)
    assert torch.equal(mixing.losses(objective, call, batch, "main", COUNTS), plain * COUNTS)


def test_ragged_targets_bring_their_lengths() -> None:
    batch = {"x": BATCH["x"], "target": torch.arange(12).reshape(6, 2), "target_length": torch.arange(6)}
    made = mixing.mixed(batch, None, learning("x"), Train(mixup=1.0), 0)
    partner = made[f"{mixing.PARTNER}target_length"]
    assert torch.equal(made[f"{mixing.PARTNER}target"], batch["target"][partner])


def test_the_seed_decides() -> None:
    one, same, other = (mixed(Train(mixup=1.0, cutmix=1.0), seed, "picture")[0] for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["picture"], other["picture"])


def fitted(
    folder: Path | None, plan: Train, step: Objective = objective, dropout: float = 0.2
) -> tuple[nn.Module, Fitted]:
    """A network of three classes on 60 rows, with dropout and weights of rows."""
    drawn = np.random.default_rng(0)
    classes = drawn.integers(0, 3, 60)
    points = (drawn.normal(size=(60, 3)) + 2 * np.eye(3)[classes]).astype(np.float32)
    with initialised(0):
        network = Named(nn.Linear(3, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 3))
    index = Index(train=np.arange(50), validation=np.arange(50, 60), weights=drawn.uniform(0.5, 2, 60))
    what = Learning(objective=step, inputs=("x",), targets=("target",))
    return network, fit({"main": network}, {"x": points, "target": classes}, index, what, plan, Run(folder=folder))


class Named(nn.Sequential):
    """A sequence whose argument is called x."""

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = layer(x)
        return x


PLAN = Train(epochs=4, batch_size=8, learning_rate=0.01, mixup=0.4)


def test_an_interrupted_mixed_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    expected, whole = fitted(None, PLAN)
    steps = iter(range(1000))

    def interrupted(networks: Any, batch: Any, player: str) -> Tensor:
        if next(steps) == 21:
            os.kill(os.getpid(), signal.SIGINT)
        return objective(networks, batch, player)

    with pytest.raises(Stopped):
        fitted(tmp_path, PLAN, interrupted)
    got, again = fitted(tmp_path, PLAN)
    assert again.steps == whole.steps == 28
    assert all(torch.equal(one, other) for one, other in zip(got.parameters(), expected.parameters(), strict=True))


def test_a_batch_is_mixed_before_it_is_taken_in_parts() -> None:
    plans = [PLAN.model_copy(update={"accumulate": parts}) for parts in (1, 4)]
    one, other = (fitted(None, plan, dropout=0.0)[0] for plan in plans)  # dropout is drawn for each part
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)  # sums in another order


def test_validation_rows_are_never_mixed_and_training_rows_are() -> None:
    seen: dict[bool, int] = {True: 0, False: 0}

    def watching(networks: Any, batch: Any, player: str) -> Tensor:
        seen[torch.is_grad_enabled()] += 1
        return objective(networks, batch, player)

    fitted(None, PLAN.model_copy(update={"epochs": 1}), watching)
    assert seen == {True: 14, False: 1}, "seven batches, each asked for both targets, and one of validation rows"
