"""Image generation: a class in, a new picture of it out, by a conditional GAN."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.task import Graph, Json, Picture, Row, Rows, Score, Shape, State, Task
from feilun.parts.metrics import expression, generation, money
from feilun.parts.ops import next_token

if TYPE_CHECKING:
    from torch import Tensor, nn

    from feilun.core.protocols import Feature, Runner
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features

ALIASES = ("gan",)
KNOWN = 1000  # training pictures that the reader remembers
LATENT = 32  # as in parts/models/gan.py


def features(recipe: Recipe) -> dict[str, Feature]:
    """A class in, a picture out. Raises RecipeError for anything else."""
    label, image = _columns(recipe)
    money.refuse(recipe, "the answers are pictures")
    expression.refuse(recipe.evaluate.metrics, ("chance",), "there is no positive class")
    options = recipe.target.options if recipe.target else {}
    return {
        # A target's category knows its classes and refuses others: there is no picture of an unknown class.
        "label": discover.feature("category", columns=(label,), target=True),
        "image": discover.feature("image", columns=(image,), **options),
    }


def build(recipe: Recipe, features: Features) -> dict[str, nn.Module]:
    """Both players."""
    from feilun.parts.models import gan

    label, image = _fitted(features)
    options = gan.MODEL(**recipe.model.options)
    sizes = (options, len(label.labels), image.shape)
    return {"discriminator": gan.Discriminator(*sizes), "generator": gan.Generator(*sizes)}


def objective(networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str) -> Tensor:
    """The loss of the player whose turn it is."""
    from feilun.parts.models import gan

    return gan.loss(networks, batch, player)


def noise(recipe: Recipe) -> dict[str, Shape]:
    """What a picture is made from."""
    return {"noise": (int(recipe.model.options.get("latent", LATENT)),)}


def graphs(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Graph]:
    """The generator alone: the discriminator has done its work."""
    rows = {0: "rows"}
    return {
        "main": Graph(
            module=networks["generator"].eval(),
            inputs={name: batch[name] for name in ("label", "noise")},
            outputs=("image",),
            axes={"label": rows, "noise": rows, "image": rows},
        )
    }


def settle(run: Runner, rows: Mapping[str, Rows], features: Features, recipe: Recipe) -> State:
    """How much noise to draw, and the pictures by which a reader recognises others."""
    known, labels = _reader(rows["train"], recipe)
    return {"latent": noise(recipe)["noise"][0], "known": known, "labels": labels}


def answer(
    run: Runner, inputs: Mapping[str, np.ndarray], features: Features, state: State, *, seed: int = 0
) -> list[Json]:
    """`{image: base64 PNG, looks_like, confidence}` per row; other seeds give other pictures.

    looks_like: what a nearest-neighbour reader takes it for; confidence: the share of neighbours that agree.
    """
    label = inputs["label"]
    words = next_token.seeded(seed)
    drawn = np.random.default_rng(words).standard_normal((len(label), int(state["latent"])), dtype=np.float32)
    made = run("main", label=label, noise=drawn)["image"]
    return _read([_png(picture) for picture in made], state["known"], np.asarray(state["labels"]))


def truth(row: Row, recipe: Recipe) -> Json:
    """What was asked, and a real picture of it."""
    label, image = _columns(recipe)
    return {"label": str(row[label]), "image": base64.b64encode(row[image]).decode()}


def correct(row: Row, feedback: Json, recipe: Recipe) -> Row:
    """Feedback is `{"image": base64}`: a better picture of the class that was asked. Raises DataError otherwise."""
    from PIL import Image, UnidentifiedImageError

    said = feedback.get("image") if isinstance(feedback, dict) else feedback
    try:
        content = base64.b64decode(str(said or "").rpartition("base64,")[2], validate=True)
        with Image.open(io.BytesIO(content)) as opened:
            opened.verify()
    except (ValueError, OSError, SyntaxError, UnidentifiedImageError) as error:
        raise DataError(
            f"The correction is {str(feedback)[:60]!r}; expected a better picture, such as {{'image': base64 PNG}}.",
            where="correction",
            expected="{'image': base64 of a PNG or JPEG}",
            got=str(feedback)[:60],
            fix="send a picture of what was asked",
        ) from error
    return {**row, _columns(recipe)[1]: content}


def scores(answers: Sequence[Json], truths: Sequence[Json], recipe: Recipe) -> dict[str, Score]:
    """Distance from real pictures of the same class; and whether a reader recognises what was asked."""
    asked = [truth["label"] for truth in truths]
    made, real = ([one["image"] for one in some] for some in (answers, truths))
    right = np.array([float(one["looks_like"] == label) for one, label in zip(answers, asked, strict=True)])
    return {
        "distance": Score(rows=generation.kernel_distance(made, real, asked), better="lower"),
        "recognised": Score(rows=right, unit="%"),
    }


def baselines(rows: Rows, recipe: Recipe) -> dict[str, Callable[[Rows], list[Json]]]:
    """The mean picture of the class; its pixels each drawn alone; a real picture of any class."""
    label, image = _columns(recipe)
    known, labels = _reader(rows, recipe)
    seen = generation.thumbnails(rows[image], generation.SIDE).reshape(-1, 1, generation.SIDE, generation.SIDE)
    asked = np.array([str(one) for one in rows[label]])
    of = {one: (seen[asked == one].mean(0), seen[asked == one].std(0)) for one in np.unique(asked).tolist()}

    def drawn_by(draw: Callable[[str, np.random.Generator], np.ndarray]) -> Callable[[Rows], list[Json]]:
        def made(given: Rows) -> list[Json]:
            drawn = np.random.default_rng(recipe.seed)
            return _read([_png(draw(str(one), drawn)) for one in given[label]], known, np.array(labels))

        return made

    return {
        "class_mean": drawn_by(lambda one, drawn: of[one][0]),
        "pixels_alone": drawn_by(lambda one, drawn: of[one][0] + of[one][1] * drawn.standard_normal(seen.shape[1:])),
        "any_class": drawn_by(lambda one, drawn: seen[drawn.integers(len(seen))]),
    }


def pictures(answers: Sequence[Json], truths: Sequence[Json], rows: Rows, recipe: Recipe) -> list[Picture]:
    """Made pictures above real ones, a column each, up to ten classes."""
    from PIL import Image

    first = {truth["label"]: place for place, truth in reversed(list(enumerate(truths)))}
    chosen = [first[label] for label in sorted(first)][:10]
    sheet = Image.new("RGB", (68 * max(1, len(chosen)), 136), "white")
    for column, place in enumerate(chosen):
        for line, one in enumerate((answers[place], truths[place])):
            with Image.open(io.BytesIO(base64.b64decode(one["image"]))) as opened:
                sheet.paste(opened.convert("RGB").resize((64, 64), Image.Resampling.NEAREST), (68 * column, 68 * line))
    written = io.BytesIO()
    sheet.save(written, "PNG")
    return [Picture(title="Made and real", where="Examples", png=written.getvalue(), caption="Above made, below real.")]


def example(seed: int) -> list[Row]:
    """1,797 handwritten digits of 8 x 8 pixels, in an order that follows from the seed."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    order = np.random.default_rng(seed).permutation(len(loaded.target))
    encoded = np.round(loaded.images / 16, 4)
    return [
        {"label": str(loaded.target[place]), "image": base64.b64decode(_png(encoded[place][None]))} for place in order
    ]


def _columns(recipe: Recipe) -> tuple[str, str]:
    """(class column, picture column)."""
    kinds = [column.kind for column in recipe.inputs.values()]
    if kinds != ["category"] or recipe.target is None or len(recipe.target.columns) != 1:
        raise RecipeError(
            f"Image generation needs one category as input and one picture column as target; inputs are "
            f"{', '.join(f'{name} ({column.kind})' for name, column in recipe.inputs.items()) or 'none'}.",
            where="inputs",
            expected="inputs: {COLUMN: category}, target: PICTURE_COLUMN",
            fix="name one category column under inputs and the picture column as target",
        )
    return next(iter(recipe.inputs)), recipe.target.column


def _fitted(features: Features) -> tuple[Any, Any]:
    return features["label"], features["image"]


def _reader(rows: Rows, recipe: Recipe) -> tuple[np.ndarray, list[str]]:
    label, image = _columns(recipe)
    step = max(1, len(rows[label]) // KNOWN)
    known = generation.thumbnails(rows[image][::step][:KNOWN], generation.SIDE, "RGB")
    return known, [str(one) for one in rows[label][::step][:KNOWN]]


def _read(made: list[str], known: np.ndarray, labels: np.ndarray) -> list[Json]:
    said, shares = generation.read(made, known, labels)
    return [
        {"image": picture, "looks_like": label, "confidence": share}
        for picture, label, share in zip(made, said, shares, strict=True)
    ]


def _png(picture: np.ndarray) -> str:
    """Base64 PNG of a picture (channels, height, width) in [0, 1]."""
    from PIL import Image

    array = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0)).save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


TASK = Task(
    summary="Make new pictures of a class, by a conditional GAN",
    example=example,
    example_recipe={
        "inputs": {"label": {"kind": "category"}},
        "target": "image",
        "train": {"epochs": 180},
    },
    features=features,
    targets=("image",),
    identity=_columns,
    defaults={
        "model": {"name": "gan"},
        "train": {
            "epochs": 300,
            "optimizer": "adam",
            "betas": (0.5, 0.999),
            "learning_rate": 0.003,
            "clip": None,
            "patience": None,
        },
    },
    build=build,
    objective=objective,
    turns=("discriminator", "generator"),
    noise=noise,
    early_stop=False,
    outputs={"image": "real"},
    private_players=("discriminator",),
    graphs=graphs,
    settle=settle,
    answer=answer,
    options={"seed": 0},
    truth=truth,
    correct=correct,
    scores=scores,
    paired="recognised",
    baselines=baselines,
    pictures=pictures,
    cannot={
        "robustness": "there is no input picture to disturb",
    },
)
