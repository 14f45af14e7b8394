"""The recommendation task: towers, index, seen items, unknown users, corrections."""

import numpy as np
import pytest
import torch

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.manifest import hash_files
from feilun.core.recipe import Recipe
from feilun.parts.bundle.onnx_runner import FP32, OnnxRunner
from feilun.parts.engine.runner import TorchRunner
from feilun.parts.ops.ragged import collate
from feilun.stages.optimization import exporting

TASK = discover.task("recommendation")
RECIPE = Recipe(task="recommendation", **TASK.example_recipe)


def columns(rows):
    return {column: [row[column] for row in rows] for column in rows[0]}


@pytest.fixture(scope="module")
def rows():
    return columns(TASK.example(0))


@pytest.fixture(scope="module")
def features(rows):
    return {name: feature.fit(rows) for name, feature in TASK.features(RECIPE).items()}


@pytest.fixture(scope="module")
def batch(rows, features):
    arrays = collate({name: feature.encode(rows) for name, feature in features.items()})
    drawn = np.random.default_rng(0).standard_normal((len(rows["book"]), *TASK.noise(RECIPE)["drawn"]))
    return {name: torch.from_numpy(array) for name, array in {**arrays, "drawn": drawn.astype(np.float32)}.items()}


@pytest.fixture(scope="module")
def networks(features, batch):
    torch.manual_seed(0)
    made = TASK.build(RECIPE, features)
    optimizer = torch.optim.Adam(made["main"].parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        loss = TASK.objective(made, batch, "main")
        assert loss.shape == (len(batch["user"]),) and loss.isfinite().all()
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
        losses.append(loss.mean().item())
    assert losses[-1] < losses[0] - 0.3
    made["main"].eval()
    return made


@pytest.fixture(scope="module")
def state(networks, features, batch, rows):
    half = {name: {key: values[part] for key, values in rows.items()} for name, part in SPLIT.items()}
    return TASK.settle(TorchRunner(TASK.graphs(networks, batch)), half, features, RECIPE)


SPLIT = {"train": slice(0, 400), "validation": slice(400, 450)}


def test_drawn_items_are_items_evenly_and_never_the_taken_one(networks, features):
    drawn = torch.randn(200, 500, generator=torch.Generator().manual_seed(0))
    user, item = torch.ones(200, 1, dtype=torch.int64), torch.full((200, 1), 7)
    scores = networks["main"](user=user, item=item, drawn=drawn)["scores"]
    accidents = torch.isneginf(scores[:, 1:]).float().mean().item()
    assert not torch.isneginf(scores[:, 0]).any()
    assert accidents == pytest.approx(1 / 48, rel=0.1)
    far = networks["main"](user=user[:1], item=item[:1], drawn=torch.tensor([[9.0, -9.0]]))["scores"]
    assert far.isfinite().all()  # the ends of the normal distribution are still items


def test_an_item_that_training_never_saw_teaches_nothing(networks, batch):
    unknown = {**batch, "item": torch.zeros_like(batch["item"])}
    assert not TASK.objective(networks, unknown, "main").any()


def test_onnx_answers_as_torch_does(networks, features, batch, state, tmp_path):
    (tmp_path / "graphs").mkdir()
    graphs = TASK.graphs(networks, {name: tensor[:2] for name, tensor in batch.items()})
    for name, graph in graphs.items():
        exporting.export(graph, exporting.path_of(tmp_path, name))
    assert max(exporting.check(tmp_path, [TASK.graphs(networks, batch)]).values()) < 1e-5
    onnx = OnnxRunner(tmp_path, {"graphs": dict.fromkeys(graphs), "files": hash_files(tmp_path)}, FP32)
    inputs = {"user": batch["user"].numpy()}
    by_torch, by_onnx = (TASK.answer(run, inputs, features, state) for run in (TorchRunner(graphs), onnx))
    assert [row["items"] for row in by_torch] == [row["items"] for row in by_onnx]
    best = TASK.answer(onnx, {"user": batch["user"].numpy()[:1]}, features, state, again=True, k=48)[0]
    whole = networks["main"].of_users(batch["user"][:1]) @ networks["main"].of_items(torch.arange(49)).T
    assert best["scores"] == pytest.approx(sorted(whole[0, 1:].tolist(), reverse=True), abs=1e-4)


def test_what_a_user_has_is_not_suggested(networks, features, batch, state, rows):
    run = TorchRunner(TASK.graphs(networks, batch))
    readers = sorted(set(rows["reader"]))
    inputs = {"user": features["user"].encode({"reader": readers}).astype(np.int64)}
    had = {reader: set() for reader in readers}
    for part in SPLIT.values():
        for reader, book in zip(rows["reader"][part], rows["book"][part], strict=True):
            had[reader].add(book)
    for reader, said in zip(readers, TASK.answer(run, inputs, features, state, k=48), strict=True):
        assert not had[reader] & set(said["items"])
        assert len(said["items"]) == len(set(said["items"])) == 48 - len(had[reader])
        assert said["scores"] == sorted(said["scores"], reverse=True)
    again = TASK.answer(run, inputs, features, state, k=48, again=True)
    assert all(len(said["items"]) == 48 for said in again)


def test_an_unknown_user_is_given_what_most_take(networks, features, batch, state, rows):
    run = TorchRunner(TASK.graphs(networks, batch))
    unknown = {"user": features["user"].encode({"reader": ["nobody", None]}).astype(np.int64)}
    one, two = TASK.answer(run, unknown, features, state, k=3)
    seen = rows["book"][:450]
    assert one == two and one["scores"] is None
    assert seen.count(one["items"][0]) == max(seen.count(book) for book in set(seen))


def test_baselines_leave_out_what_a_user_has(rows):
    train = {column: values[:400] for column, values in rows.items()}
    fitted = TASK.baselines(train, RECIPE)
    assert len(fitted) >= 2
    for answer in fitted.values():
        for reader, said in zip(rows["reader"], answer({"reader": rows["reader"]}), strict=True):
            had = {book for who, book in zip(train["reader"], train["book"], strict=True) if who == reader}
            assert len(said["items"]) == 10 and not had & set(said["items"])


def test_feedback_is_the_item_taken():
    for feedback in ({"item": "tea"}, "tea"):
        row = TASK.correct({"reader": "x"}, feedback, RECIPE)
        assert TASK.truth(row, RECIPE) == {"item": "tea"}
    for wrong in (None, {}, {"item": ""}, {"item": ["a"]}, True):
        with pytest.raises(DataError, match="item that was taken"):
            TASK.correct({"reader": "x"}, wrong, RECIPE)
    with pytest.raises(DataError, match="'book'"):
        TASK.truth({"reader": "x", "book": None}, RECIPE)


def test_rows_are_the_same_if_user_and_item_are():
    assert TASK.identity(RECIPE) == ("reader", "book")
    with pytest.raises(RecipeError, match="one input of kind category"):
        TASK.features(RECIPE.but(inputs={"age": "number"}))


def test_scores_by_hand():
    answers = [{"items": ["a", "b"], "scores": None}, {"items": ["b"], "scores": [1.0]}]
    found = TASK.scores(answers, [{"item": "b"}, {"item": "c"}], RECIPE)
    assert found["hit_at_10"].rows.tolist() == [1, 0]
    assert found["ndcg_at_10"].rows.tolist() == [pytest.approx(0.6309, abs=1e-4), 0]
