"""Object detection: a picture in, labelled boxes out."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.task import Graph, Json, Row, Rows, Score, State, Task
from feilun.parts.features.boxes import checked
from feilun.parts.features.image_size import sizes
from feilun.parts.metrics import detection, expression, money
from feilun.parts.ops.boxes import overlap, suppress
from feilun.parts.ops.ragged import collate

if TYPE_CHECKING:
    from torch import Tensor, nn

    from feilun.core.protocols import Feature, Runner
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features

ALIASES = ("detection",)
FAINTEST = 0.05  # cells less sure than this are never looked at
CANDIDATES = 300  # cells a picture that go into suppression
STEPS = np.arange(0.1, 0.85, 0.05)  # thresholds tried on the validation rows
OVERLAP, MOST = 0.5, 100


def features(recipe: Recipe) -> dict[str, Feature]:
    """A picture, its size, and the boxes to learn. Raises RecipeError for other inputs."""
    picture, boxes = _columns(recipe)
    money.refuse(recipe, "the answers are boxes")
    expression.refuse(recipe.evaluate.metrics, ("score", "chance"), "the answers are lists of boxes")
    options = recipe.inputs[picture].options
    return {
        "image": discover.feature("image", columns=(picture,), **options),
        "image_size": discover.feature("image_size", columns=(picture,)),
        "boxes": discover.feature("boxes", columns=(picture, boxes)),
    }


def build(recipe: Recipe, features: Features) -> dict[str, nn.Module]:
    """The detector for this size of picture and these labels."""
    from feilun.parts.models import detector

    image: Any = features["image"]
    target: Any = features["boxes"]
    return {"main": detector.Network(detector.MODEL(**recipe.model.options), image.shape, len(target.labels))}


def objective(networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str) -> Tensor:
    """Loss per picture: cells are matched to boxes inside."""
    from feilun.parts.models import detector

    return detector.loss(networks["main"](image=batch["image"]), batch["boxes"], batch["boxes_length"])


def graphs(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Graph]:
    """The dense maps; reading boxes off them is numpy."""
    rows = {0: "rows"}
    return {
        "main": Graph(
            module=networks["main"].eval(),
            inputs={"image": batch["image"]},
            outputs=("heat", "box"),
            axes={"image": rows, "heat": rows, "box": rows},
        )
    }


def settle(run: Runner, rows: Mapping[str, Rows], features: Features, recipe: Recipe) -> State:
    """The threshold with the best F1 on the validation rows (0.3 where there are none)."""
    seen = rows["validation"]
    picture, boxes = _columns(recipe)
    truths = [checked(boxes, value) for value in seen[boxes]]
    answers: list[Json] = []
    for start in range(0, len(truths), 256):
        part = {picture: seen[picture][start : start + 256]}
        encoded = collate({name: features[name].encode(part) for name in ("image", "image_size")})
        answers += answer(run, encoded, features, {"threshold": FAINTEST})
    if not truths:
        return {"threshold": 0.3}
    values = [
        float(detection.f1([[box for box in row if box["score"] >= step] for row in answers], truths).mean())
        for step in STEPS
    ]
    return {"threshold": round(float(STEPS[int(np.argmax(values))]), 2)}


def answer(
    run: Runner,
    inputs: Mapping[str, np.ndarray],
    features: Features,
    state: State,
    *,
    threshold: float | None = None,
    overlap: float = OVERLAP,
    most: int = MOST,
) -> list[Json]:
    """`[{label, box: [x0, y0, x1, y1], score}]` per picture, in its pixels, surest first.

    threshold: least score; left out, the one settled on.  overlap: how far boxes of one label may overlap.
    most: boxes a picture.
    """
    least = state["threshold"] if threshold is None else threshold
    made = run("main", image=inputs["image"])
    labels: tuple[str, ...] = features["boxes"].labels  # type: ignore[attr-defined]
    found = zip(made["heat"], made["box"], inputs["image_size"], strict=True)
    return [_read(heat, box, size, labels, (float(least), overlap, most)) for heat, box, size in found]


def truth(row: Row, recipe: Recipe) -> Json:
    """The boxes in the row."""
    column = _columns(recipe)[1]
    return checked(column, row[column])


def correct(row: Row, feedback: Json, recipe: Recipe) -> Row:
    """Feedback is the full corrected list of boxes, or `{"boxes": [...]}`; an empty list: there is nothing."""
    column = _columns(recipe)[1]
    said = feedback.get("boxes") if isinstance(feedback, dict) else feedback
    if isinstance(said, str):
        raise DataError(
            f"The correction is {said[:60]!r}; expected the full list of boxes, such as "
            "[{'label': 'cat', 'box': [10, 20, 50, 60]}], empty if there is nothing.",
            where="correction",
            expected="a list of boxes",
            got=said[:60],
            fix="send every box of the picture, corrected",
        )
    return {**row, column: checked(column, said)}


def scores(answers: Sequence[Json], truths: Sequence[Json], recipe: Recipe) -> dict[str, Score]:
    """mAP at half overlap over the answers as they are given, and F1 of each picture."""
    return {
        "map_at_50": Score(statistic=detection.mean_average_precision(answers, truths), unit="%"),
        "box_f1": Score(rows=detection.f1(answers, truths), unit="%"),
    }


def baselines(rows: Rows, recipe: Recipe) -> dict[str, Callable[[Rows], list[Json]]]:
    """Nothing at all; and the box most like all other boxes, of the most frequent label, in every picture."""
    picture, column = _columns(recipe)
    usual = _usual(rows, picture, column)

    def same(seen: Rows) -> list[Json]:
        scale = np.tile(sizes(picture, seen[picture]), 2)
        return [[{"label": usual[0], "box": [float(edge) for edge in usual[1] * row], "score": 1.0}] for row in scale]

    return {"no_box": lambda seen: [[] for _ in seen[picture]], "usual_box": same}


def example(seed: int) -> list[Row]:
    """180 pictures of coloured circles, squares and triangles on a noisy ground."""
    drawn = np.random.default_rng(seed)
    return [_drawing(drawn) for _ in range(180)]


def _columns(recipe: Recipe) -> tuple[str, str]:
    """Names of the column of pictures and the column of boxes. Raises RecipeError for other inputs."""
    kinds = {name: item.kind for name, item in recipe.inputs.items()}
    if list(kinds.values()) != ["image"] or recipe.target is None or len(recipe.target.columns) != 1:
        raise RecipeError(
            f"Object detection takes one input of kind image and one target column of boxes; inputs is {kinds}, target "
            f"{list(recipe.target.columns) if recipe.target else None}.",
            where="inputs",
            expected="one image, one column of boxes",
            got=str(kinds),
            fix="inputs: {image: image}, target: boxes",
        )
    return next(iter(kinds)), recipe.target.column


def _read(
    heat: np.ndarray, box: np.ndarray, size: np.ndarray, labels: Sequence[str], limits: tuple[float, float, int]
) -> list[Json]:
    """Boxes of one picture. heat: (labels, h, w) logits; box: (4, h, w) shares; size: width and height in pixels."""
    least, together, most = limits
    chance = 1 / (1 + np.exp(-heat.reshape(len(labels), -1).astype(np.float64)))
    label, cell = np.nonzero(chance >= max(least, FAINTEST))
    score = chance[label, cell]
    best = np.argsort(-score, kind="stable")[:CANDIDATES]
    label, cell, score = label[best], cell[best], score[best]
    edges = box.reshape(4, -1).T[cell].astype(np.float64).clip(0, 1) * np.tile(size, 2)
    kept = suppress(edges, score, label, together)[:most]
    return [
        {
            "label": labels[label[place]],
            "box": [round(float(edge), 2) for edge in edges[place]],
            "score": round(float(score[place]), 4),
        }
        for place in kept
    ]


def _usual(rows: Rows, picture: str, column: str) -> tuple[str, np.ndarray]:
    """The most frequent label, and of its first 300 boxes, as shares, the one that overlaps the others most."""
    found = [checked(column, value) for value in rows[column][:300]]
    scale = np.tile(sizes(picture, rows[picture][:300]), 2)
    counts = Counter(box["label"] for boxes in found for box in boxes)
    label = min(counts, key=lambda name: (-counts[name], name)) if counts else ""
    shares = [
        box["box"] / row for boxes, row in zip(found, scale, strict=True) for box in boxes if box["label"] == label
    ]
    if not shares:
        return label, np.array([0.25, 0.25, 0.75, 0.75])
    several = np.array(shares[:300])
    return label, several[int(overlap(several, several).sum(0).argmax())]


def _drawing(drawn: np.random.Generator) -> Row:
    """A picture of 48 x 48 with up to three shapes that do not hide each other."""
    from PIL import Image, ImageDraw

    side = 48
    ground = drawn.integers(0, 60, 3) + drawn.integers(0, 40, (side, side, 3))
    picture = Image.fromarray(ground.astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    boxes: list[dict[str, Any]] = []
    for _ in range(int(drawn.choice(4, p=(0.08, 0.37, 0.35, 0.2)))):
        wide, high = (int(drawn.integers(10, 21)) for _ in range(2))
        x, y = int(drawn.integers(0, side - wide)), int(drawn.integers(0, side - high))
        edges = [x, y, x + wide, y + high]
        if boxes and overlap(np.array([edges]), np.array([box["box"] for box in boxes])).max() > 0.05:
            continue
        colour = tuple(int(part) for part in drawn.integers(110, 256, 3))
        label = str(drawn.choice(["circle", "square", "triangle"]))
        if label == "circle":
            pen.ellipse([x, y, x + wide - 1, y + high - 1], fill=colour)
        elif label == "square":
            pen.rectangle([x, y, x + wide - 1, y + high - 1], fill=colour)
        else:
            pen.polygon([(x, y + high - 1), (x + wide - 1, y + high - 1), (x + wide // 2, y)], fill=colour)
        boxes.append({"label": label, "box": [float(edge) for edge in edges]})
    out = io.BytesIO()
    picture.save(out, "PNG")
    return {"image": out.getvalue(), "boxes": boxes}


TASK = Task(
    summary="Find things in a picture: a labelled box around each",
    example=example,
    example_recipe={
        "inputs": {"image": {"kind": "image"}},
        "target": {"columns": ["boxes"]},
        "model": {"name": "detector", "width": 16},
        "train": {"epochs": 24, "batch_size": 16, "learning_rate": 0.006, "patience": None},
    },
    features=features,
    targets=("boxes",),
    defaults={"model": {"name": "detector"}, "train": {"learning_rate": 0.002, "batch_size": 16}},
    build=build,
    objective=objective,
    outputs={"heat": "binary", "box": "real"},
    graphs=graphs,
    settle=settle,
    answer=answer,
    options={"threshold": None, "overlap": OVERLAP, "most": MOST},
    truth=truth,
    correct=correct,
    scores=scores,
    paired="box_f1",
    baselines=baselines,
    cannot={"cutmix": "a piece pasted into a picture would hide or cut its boxes"},
)
