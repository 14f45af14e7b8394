"""The detection task: built, a few steps learnt, exported, read, settled, corrected."""

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

TASK = discover.task("object_detection")
RECIPE = Recipe(task="object_detection", **TASK.example_recipe)


@pytest.fixture(scope="module")
def rows():
    made = TASK.example(0)[:24]
    return {column: [row[column] for row in made] for column in made[0]}


@pytest.fixture(scope="module")
def features(rows):
    return {name: feature.fit(rows) for name, feature in TASK.features(RECIPE).items()}


@pytest.fixture(scope="module")
def batch(rows, features):
    arrays = collate({name: feature.encode(rows) for name, feature in features.items()})
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.fixture(scope="module")
def networks(features, batch):
    """A few steps on a few pictures, so that heat differs from place to place."""
    torch.manual_seed(0)
    made = TASK.build(RECIPE, features)
    optimizer = torch.optim.Adam(made["main"].parameters(), lr=0.01)
    made["main"].train()
    losses = []
    for _ in range(25):
        loss = TASK.objective(made, batch, "main")
        assert loss.shape == (24,)
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
        losses.append(loss.mean().item())
    assert losses[-1] < losses[0] * 0.8
    return made


def test_the_example_is_deterministic_and_boxes_lie_inside():
    one, two = TASK.example(3), TASK.example(3)
    assert one == two and one != TASK.example(4)
    edges = np.array([box["box"] for row in one for box in row["boxes"]])
    assert edges.min() >= 0 and edges.max() <= 48
    assert any(not row["boxes"] for row in one)
    assert {box["label"] for row in one for box in row["boxes"]} == {"circle", "square", "triangle"}


def test_onnx_answers_as_torch_does(networks, features, batch, rows, tmp_path):
    (tmp_path / "graphs").mkdir()
    graphs = TASK.graphs(networks, {name: tensor[:2] for name, tensor in batch.items()})
    exporting.export(graphs["main"], exporting.path_of(tmp_path, "main"))
    assert exporting.check(tmp_path, [TASK.graphs(networks, batch)])["main"] < 1e-4
    onnx = OnnxRunner(tmp_path, {"graphs": dict.fromkeys(graphs), "files": hash_files(tmp_path)}, FP32)
    inputs = {name: batch[name].numpy() for name in ("image", "image_size")}
    state = {"threshold": 0.1}
    by_torch, by_onnx = (TASK.answer(run, inputs, features, state) for run in (TorchRunner(graphs), onnx))
    assert sum(map(len, by_torch)) > 10
    for said, same in zip(by_torch, by_onnx, strict=True):
        assert [box["label"] for box in said] == [box["label"] for box in same]
        for one, other in zip(said, same, strict=True):
            assert one["box"] == pytest.approx(other["box"], abs=0.02)  # rounded to 0.01 pixels
            assert one["score"] == pytest.approx(other["score"], abs=0.001)


def test_boxes_are_read_off_the_maps_in_pixels(features):
    heat, box = np.full((1, 3, 2, 2), -9.0, np.float32), np.zeros((1, 4, 2, 2), np.float32)
    heat[0, 1, 0, 1] = heat[0, 1, 1, 1] = 3.0
    heat[0, 1, 1, 1] -= 1
    box[0, :, 0, 1], box[0, :, 1, 1] = (0.5, 0.0, 1.0, 0.5), (0.5, 0.0, 1.0, 0.52)

    def run(graph, **arrays):
        assert graph == "main" and set(arrays) == {"image"}
        return {"heat": heat, "box": box}

    inputs = {"image": np.zeros((1, 3, 8, 8), np.float32), "image_size": np.array([[200, 100]], np.float32)}
    [said] = TASK.answer(run, inputs, features, {"threshold": 0.3})
    assert said == [{"label": features["boxes"].labels[1], "box": [100, 0, 200, 50], "score": pytest.approx(0.9526)}]
    assert TASK.answer(run, inputs, features, {"threshold": 0.99}) == [[]]
    assert len(TASK.answer(run, inputs, features, {"threshold": 0.3}, overlap=0.99)[0]) == 2
    assert len(TASK.answer(run, inputs, features, {"threshold": 0.3}, overlap=0.99, most=1)[0]) == 1


def test_settles_on_a_threshold_and_survives_no_validation_rows(networks, features, batch, rows):
    run = TorchRunner(TASK.graphs(networks, batch))
    state = TASK.settle(run, {"train": rows, "validation": rows}, features, RECIPE)
    assert 0.1 <= state["threshold"] <= 0.8
    none = {column: [] for column in rows}
    assert TASK.settle(run, {"train": rows, "validation": none}, features, RECIPE) == {"threshold": 0.3}


def test_feedback_is_the_whole_list_and_becomes_the_truth():
    row = {"image": b"...", "boxes": None}
    said = [{"label": "circle", "box": [1, 2, 3, 4]}]
    for feedback in (said, {"boxes": said}):
        corrected = TASK.correct(row, feedback, RECIPE)
        assert TASK.truth(corrected, RECIPE) == [{"label": "circle", "box": [1.0, 2.0, 3.0, 4.0]}]
    assert TASK.correct(row, [], RECIPE)["boxes"] == []
    for wrong in ("circle", None, 3, [{"label": "circle"}], {"label": "circle"}):
        with pytest.raises(DataError):
            TASK.correct(row, wrong, RECIPE)


def test_baselines_answer_every_row_without_the_boxes(rows):
    fitted = TASK.baselines(rows, RECIPE)
    truths = [TASK.truth({column: values[i] for column, values in rows.items()}, RECIPE) for i in range(24)]
    for answer in fitted.values():
        answers = answer({"image": rows["image"]})
        assert len(answers) == 24
        assert set(TASK.scores(answers, truths, RECIPE)) == {"map_at_50", "box_f1"}


def test_recipes_that_do_not_fit_are_refused():
    with pytest.raises(RecipeError, match="one input of kind image"):
        TASK.features(RECIPE.but(inputs={"image": {"kind": "text"}}))
