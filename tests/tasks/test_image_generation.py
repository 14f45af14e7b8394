"""Image generation: two players resume exactly, the graph agrees, answers are pictures, feedback and scores."""

from __future__ import annotations

import base64
import io
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from feilun.core.errors import DataError, RecipeError, Stopped
from feilun.core.recipe import Recipe, Train
from feilun.parts.bundle.answering import answer_rows, by_column
from feilun.parts.engine import weights
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning, Run
from feilun.parts.engine.randomness import initialised
from feilun.parts.engine.runner import TorchRunner
from feilun.parts.engine.trained import batch
from feilun.parts.models.gan import MODEL
from feilun.stages.optimization import exporting
from feilun.tasks.image_generation import LATENT, TASK

TRAIN = {**TASK.defaults["train"], "epochs": 2}
RECIPE = Recipe.model_validate({**TASK.example_recipe, "name": "g", "model": {"name": "gan"}, "train": TRAIN})
ROWS = by_column(TASK.example(0)[:300])
FEATURES: dict[str, Any] = {name: feature.fit(ROWS) for name, feature in TASK.features(RECIPE).items()}
ARRAYS = {name: feature.encode(ROWS) for name, feature in FEATURES.items()}


def trained(folder: Path | None = None, stop_at: int = -1, plan: Train = RECIPE.train) -> dict[str, Any]:
    """Both players after two epochs; a signal to ourselves in step `stop_at`."""
    steps = iter(range(1000))

    def objective(networks: Any, given: Any, player: str) -> torch.Tensor:
        if next(steps) == stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return TASK.objective(networks, given, player)

    with initialised(0):
        networks = TASK.build(RECIPE, FEATURES)
    learning = Learning(objective=objective, turns=TASK.turns, noise=TASK.noise(RECIPE), early_stop=TASK.early_stop)
    index = Index(train=np.arange(250), validation=np.arange(250, 300))
    fit(networks, ARRAYS, index, learning, plan, Run(folder=folder))
    return networks


def graphs(networks: dict[str, Any], rows: int) -> dict[str, Any]:
    return TASK.graphs(networks, batch(TASK, RECIPE, ARRAYS, np.arange(rows)))


def state() -> dict[str, Any]:
    return TASK.settle(lambda graph, **arrays: {}, {"train": ROWS, "validation": ROWS}, FEATURES, RECIPE)


def test_two_players_resume_bit_for_bit(tmp_path: Path) -> None:
    whole = trained()
    with pytest.raises(Stopped):
        trained(tmp_path, stop_at=4)
    parts = trained(tmp_path)
    assert set(whole) == {"discriminator", "generator"}
    left, right = weights.named(whole), weights.named(parts)
    assert all(torch.equal(left[name], right[name]) for name in left)
    with initialised(0):
        start = weights.named(TASK.build(RECIPE, FEATURES))
    for player in whole:
        assert any(not torch.equal(start[name], left[name]) for name in left if name.startswith(player)), player


def test_a_turn_gives_gradients_to_its_player_alone_and_a_loss_per_row() -> None:
    networks = TASK.build(RECIPE, FEATURES)
    given = batch(TASK, RECIPE, ARRAYS, np.arange(5))
    for player in TASK.turns:
        assert TASK.objective(networks, given, player).shape == (5,)
    with torch.no_grad():
        assert TASK.objective(networks, given, "discriminator").shape == (5,)


def test_the_discriminators_loss_by_hand() -> None:
    networks = TASK.build(RECIPE, FEATURES)
    given = batch(TASK, RECIPE, ARRAYS, np.arange(3))
    plain = TASK.objective(networks, given, "discriminator").detach()
    real = given["image"].clone().requires_grad_()
    scored = networks["discriminator"](given["label"], real)["score"]
    scored.sum().backward()
    slope = (real.grad**2).sum((1, 2, 3))
    with torch.no_grad():
        fake = networks["generator"](given["label"], given["noise"])["image"]
        said = torch.sigmoid(networks["discriminator"](given["label"], fake)["score"])
        expected = -torch.log(torch.sigmoid(scored)) - torch.log(1 - said) + MODEL().steady / 2 * slope
    torch.testing.assert_close(plain, expected, rtol=1e-4, atol=1e-6)


def test_the_graph_agrees_with_torch_on_other_shapes_and_answers_are_the_same(tmp_path: Path) -> None:
    from feilun.core.manifest import hash_files
    from feilun.parts.bundle.onnx_runner import OnnxRunner

    networks = trained()
    (tmp_path / "graphs").mkdir()
    exporting.export(graphs(networks, 2)["main"], exporting.path_of(tmp_path, "main"))
    exporting.check(tmp_path, [graphs(networks, rows) for rows in (2, 7, 1)])
    onnx = OnnxRunner(tmp_path, {"graphs": {"main": {}}, "files": hash_files(tmp_path)}, "fp32", threads=1)
    asked = {"label": ["3", 3, "0"]}
    ours, theirs = (
        answer_rows(TASK, run, FEATURES, state(), asked) for run in (onnx, TorchRunner(graphs(networks, 2)))
    )
    for one, other in zip(ours, theirs, strict=True):
        assert np.abs(pixels(one) - pixels(other)).max() <= 1  # rounding to 256 levels


def pixels(answer: dict[str, Any]) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(answer["image"]))) as picture:
        return np.asarray(picture).astype(int)


def test_answers_are_pictures_that_follow_from_the_seed() -> None:
    run = TorchRunner(graphs(TASK.build(RECIPE, FEATURES), 2))
    asked, kept = {"label": ["3", "3"]}, state()
    one, same, other = (answer_rows(TASK, run, FEATURES, kept, asked, seed=seed) for seed in (0, 0, -5))
    assert one == same != other
    assert one[0]["image"] != one[1]["image"]
    assert pixels(one[0]).shape == (8, 8)
    assert one[0]["looks_like"] in FEATURES["label"].labels
    with pytest.raises(DataError, match="'x'"):
        answer_rows(TASK, run, FEATURES, kept, {"label": ["x"]})


def test_noise_is_as_wide_as_the_model_says() -> None:
    assert MODEL().latent == LATENT
    assert TASK.noise(RECIPE) == {"noise": (LATENT,)}
    assert TASK.noise(RECIPE.but(model={"name": "gan", "latent": 5})) == {"noise": (5,)}


def test_two_rows_are_the_same_only_with_the_same_picture() -> None:
    assert set(TASK.identity(RECIPE)) == {"label", "image"}


def test_feedback_is_a_better_picture() -> None:
    row, picture = {"label": "3"}, base64.b64encode(ROWS["image"][0]).decode()
    expected = {"label": "3", "image": ROWS["image"][0]}
    assert TASK.correct(row, {"image": picture}, RECIPE) == expected
    assert TASK.correct(row, f"data:image/png;base64,{picture}", RECIPE) == expected
    for wrong in (None, {"good": False}, {"image": "no"}, {"image": base64.b64encode(b"GIF89a").decode()}, 7):
        with pytest.raises(DataError, match="expected a better picture"):
            TASK.correct(row, wrong, RECIPE)


def test_scores_and_baselines() -> None:
    test = by_column(TASK.example(0)[300:420])
    truths = [TASK.truth({"label": label, "image": image}, RECIPE) for label, image in zip(*test.values(), strict=True)]
    real = [{"image": truth["image"], "looks_like": truth["label"]} for truth in truths]
    best = TASK.scores(real, truths, RECIPE)
    assert next(iter(best)) == "distance" and best["recognised"].rows.mean() == 1
    given = {"label": test["label"]}
    found = {name: TASK.scores(answer(given), truths, RECIPE) for name, answer in TASK.baselines(ROWS, RECIPE).items()}
    distance = {name: scores["distance"].rows.mean() for name, scores in found.items()}
    assert best["distance"].rows.mean() < distance["pixels_alone"] < distance["any_class"] < distance["class_mean"]
    assert found["any_class"]["recognised"].rows.mean() < 0.4 < 0.9 < found["class_mean"]["recognised"].rows.mean()
    assert TASK.paired in found["class_mean"]


def test_the_report_shows_made_above_real() -> None:
    truths = [{"label": str(one), "image": base64.b64encode(ROWS["image"][one]).decode()} for one in range(3)]
    [picture] = TASK.pictures(truths, truths, ROWS, RECIPE)
    with Image.open(io.BytesIO(picture.png)) as opened:
        assert opened.size == (68 * 3, 136)


def test_other_columns_are_refused() -> None:
    with pytest.raises(RecipeError, match="one category as input"):
        TASK.features(RECIPE.but(inputs={"a": {"kind": "number"}}))
