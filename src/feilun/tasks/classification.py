"""Classification: any mix of columns in, one label of several out, or any number of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.task import Graph, Json, Picture, Row, Rows, Score, State, Task
from feilun.parts.features import mixed
from feilun.parts.metrics import classification as metrics
from feilun.parts.metrics import drawings, money
from feilun.parts.metrics import labels as judged

if TYPE_CHECKING:
    from torch import Tensor, nn

    from feilun.core.protocols import Feature, Runner
    from feilun.core.recipe import Recipe, Target
    from feilun.core.task import Features
    from feilun.parts.engine.losses import Loss

ALIASES = ("text_classification", "image_classification", "tabular_classification", "multi_label_classification")
ONE, MANY = "logits", "marks"  # the network's output: one label of several (softmax), or each on its own (sigmoid)


def features(recipe: Recipe) -> dict[str, Feature]:
    """Numbers together, categories together, texts and pictures each on their own; the labels as `target`."""
    if recipe.evaluate.costs is not None:
        money.check(recipe.evaluate.costs)
    return {**mixed.inputs(recipe), "target": _labels(_target(recipe))}


def build(recipe: Recipe, features: Features) -> dict[str, nn.Module]:
    """One encoder per input, joined, and a logit per label. Raises RecipeError if the positive class does not exist."""
    from feilun.parts.models import fused

    target: Any = features["target"]
    judged.check(target.labels, target.several, recipe)
    inputs = tuple(name for name in features if name != "target")
    name = MANY if target.several else ONE
    return {"main": fused.build(recipe.model, features, inputs, len(target.labels), name=name)}


def objective(
    networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str, *, loss: Loss | None = None
) -> Tensor:
    """Cross-entropy of one label; binary cross-entropy, mean over labels, of several; or another loss."""
    from feilun.parts.engine import losses

    made = networks[player](**{name: value for name, value in batch.items() if name != "target"})
    (said,) = made.values()
    return losses.by_row(loss or losses.cross_entropy, said, batch["target"])


def graphs(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Graph]:
    """`main`: the whole network."""
    from feilun.parts.models import fused

    return {"main": fused.graph(networks["main"], {name: x for name, x in batch.items() if name != "target"})}


def settle(run: Runner, rows: Mapping[str, Rows], features: Features, recipe: Recipe) -> State:
    """Labels, temperature (Guo et al. 2017) and thresholds, fitted on validation rows."""
    from feilun.parts.metrics import calibration

    target: Any = features["target"]
    seen = rows["validation"]
    outputs = [next(iter(run("main", **batch).values())) for batch in mixed.batches(features, seen)]
    logits = np.concatenate(outputs) if outputs else np.zeros((0, len(target.labels)), np.float32)
    truth = target.encode(seen) if outputs else np.zeros((0, len(target.labels)) if target.several else 0, np.int64)
    temperature = calibration.temperature(logits, truth)
    chances = _chances(logits / temperature, several=target.several)
    state: State = {"labels": list(target.labels), "several": target.several, "temperature": temperature}
    if target.several:
        return {**state, "thresholds": [calibration.best_f1(p, y > 0) for p, y in zip(chances.T, truth.T, strict=True)]}
    if len(target.labels) != 2:
        return state
    place = judged.positive(target.labels, recipe.evaluate.positive)
    threshold = judged.threshold(recipe, chances[:, place], truth == place)
    return {**state, "positive": place, "thresholds": [threshold]}


def answer(
    run: Runner, inputs: Mapping[str, np.ndarray], features: Features, state: State, *, top_k: int | None = None
) -> list[Json]:
    """Per row `{label, score, scores: {label: probability}}`; `{labels: [...], scores}` where a row may have several.

    top_k: only so many scores, the highest first.  Two classes: the positive one from the settled threshold on.
    """
    if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
        raise DataError(f"top_k is {top_k!r}; expected a whole number from 1 on.", where="options.top_k")
    logits = next(iter(run("main", **inputs).values())) / state["temperature"]
    chances = _chances(logits, several=state["several"])
    labels: Sequence[str] = state["labels"]
    if state["several"]:
        marks = chances >= np.asarray(state["thresholds"])
        said: list[Json] = [{"labels": [labels[i] for i in np.flatnonzero(row).tolist()]} for row in marks]
    else:
        places = _decided(chances, state)
        said = [{"label": labels[i], "score": float(row[i])} for i, row in zip(places.tolist(), chances, strict=True)]
    return [{**one, "scores": _top(labels, row, top_k)} for one, row in zip(said, chances, strict=True)]


def truth(row: Row, recipe: Recipe) -> Json:
    """The label as text; a list of labels where a row may have several."""
    target = _target(recipe)
    value = row[target.column]
    found = _labels(target, several=isinstance(value, list | tuple | np.ndarray))
    labels = found.read({column: [row[column]] for column in target.columns})[0]
    return labels if found.several else (labels[0] if labels else None)


def correct(row: Row, feedback: Json, recipe: Recipe) -> Row:
    """Feedback is `{"label": ...}` or the bare label; `{"labels": [...]}` or a list where a row may have several.

    Raises DataError for anything else. Whether the label is known, the target's feature knows.
    """
    target = _target(recipe)
    said = feedback
    if isinstance(feedback, Mapping):
        said = feedback.get("label", feedback.get("labels"))
    known = tuple(map(str, target.options.get("labels", target.columns if len(target.columns) > 1 else ())))
    single = isinstance(said, str | int | float | bool) and said == said and said != ""
    several = isinstance(said, list) and all(isinstance(label, str | int) for label in said)
    if len(target.columns) > 1 and several:
        wanted = [str(label) for label in said]
        if set(wanted) <= set(target.columns):
            return {**row, **{column: int(column in wanted) for column in target.columns}}
    elif several and target.separator:
        return {**row, target.column: target.separator.join(map(str, said))}
    elif several and not known:
        return {**row, target.column: [str(label) for label in said]}
    elif single and len(target.columns) == 1 and (not known or str(said) in known):
        return {**row, target.column: said}
    form = "{'labels': [...]}" if len(target.columns) > 1 or target.separator else "{'label': 'yes'}"
    listed = ", ".join(known) or "the labels of the training rows"
    raise DataError(
        f"The correction is {feedback!r:.200}; expected the right label, such as {form}, one of: {listed}.",
        where=target.column,
        expected=listed,
        got=f"{feedback!r:.200}",
        fix=f"send {form}",
    )


def scores(answers: Sequence[Json], truths: Sequence[Json], recipe: Recipe) -> dict[str, Score]:
    """Those of `parts/metrics/classification.py` that apply to these labels. The main one is first: money, if the
    recipe says what answers cost."""
    several = bool(truths) and isinstance(truths[0], list)
    made = (judged.scores_of_several if several else judged.scores_of_one)(answers, truths, recipe)
    main = recipe.evaluate.score or ("accuracy" if recipe.evaluate.costs is None else "profit")
    return {name: made[name] for name in sorted(made, key=lambda name: name != main)}


def baselines(rows: Rows, recipe: Recipe) -> Mapping[str, Callable[[Rows], list[Json]]]:
    """The shares of the training rows; logistic regression; for tables also gradient boosting."""
    from feilun.parts.models import baselines as classical

    target = _target(recipe)
    cells = zip(*(rows[column] for column in target.columns), strict=True)
    truths = [truth(dict(zip(target.columns, row, strict=True)), recipe) for row in cells]
    kinds = {name: given.kind for name, given in recipe.inputs.items()}
    found: Mapping[str, Callable[[Rows], list[Json]]] = classical.classifiers(rows, truths, kinds, recipe.seed)
    return found


def pictures(answers: Sequence[Json], truths: Sequence[Json], rows: Rows, recipe: Recipe) -> list[Picture]:
    """Confusion matrix, calibration; ROC and precision-recall curves of two classes."""
    if not truths or isinstance(truths[0], list):
        return []
    labels, said, true, chances = judged.arrays(answers, truths)
    sure, right = chances.max(1), said == true
    found = [
        drawings.confusion(metrics.confusion(said, true, len(labels)), labels),
        drawings.reliability(metrics.reliability(sure, right)),
    ]
    if len(labels) == 2 and len(set(true.tolist())) == 2:
        place = judged.positive(labels, recipe.evaluate.positive)
        found += drawings.roc(*metrics.roc(chances[:, place], true == place), positive=labels[place])
    return found


def example(seed: int) -> list[Row]:
    """1,797 handwritten digits, 8 x 8, from scikit-learn, in an order drawn from the seed."""
    import io

    from PIL import Image
    from sklearn.datasets import load_digits

    loaded = load_digits()
    images = np.round(loaded.images * (255 / 16)).astype(np.uint8)
    rows: list[Row] = []
    for place in np.random.default_rng(seed).permutation(len(images)):
        file = io.BytesIO()
        Image.fromarray(images[place]).save(file, "PNG")
        rows.append({"image": file.getvalue(), "label": str(loaded.target[place])})
    return rows


def _target(recipe: Recipe) -> Target:
    if recipe.target is None:
        raise RecipeError(
            "target is missing: which column holds the label?", where="target", fix="add target: COLUMN to the recipe"
        )
    return recipe.target


def _labels(target: Target, *, several: bool = False) -> Any:
    options = {"separator": target.separator, **target.options, **({"several": True} if several else {})}
    return discover.feature("labels", columns=target.columns, **options)


def _chances(logits: np.ndarray, *, several: bool) -> np.ndarray:
    """Softmax over labels, or the sigmoid of each; float64."""
    wide = np.asarray(logits, np.float64)
    if several:
        return np.asarray(0.5 * (1 + np.tanh(wide / 2)))
    grown = np.exp(wide - wide.max(1, keepdims=True))
    return np.asarray(grown / grown.sum(1, keepdims=True))


def _decided(chances: np.ndarray, state: State) -> np.ndarray:
    if "positive" not in state:
        return np.asarray(chances.argmax(1))
    place = state["positive"]
    return np.asarray(np.where(chances[:, place] >= state["thresholds"][0], place, 1 - place))


def _top(labels: Sequence[str], chances: np.ndarray, top_k: int | None) -> dict[str, float]:
    places = range(len(labels)) if top_k is None else np.argsort(-chances, kind="stable")[:top_k]
    return {labels[place]: float(chances[place]) for place in places}


TASK = Task(
    summary="Predict a label, or several, from any mix of columns: tables, texts, pictures",
    example=example,
    example_recipe={
        "inputs": {"image": "image"},
        "target": "label",
        "model": {"name": "cnn", "width": 16, "depth": 2},
        "train": {"epochs": 8, "learning_rate": 0.005},
    },
    features=features,
    build=build,
    objective=objective,
    losses=("cross_entropy", "binary", "focal", "generalised_cross_entropy", "hinge", "perceptron"),
    outputs={ONE: "categorical", MANY: "binary"},
    graphs=graphs,
    settle=settle,
    answer=answer,
    options={"top_k": None},
    truth=truth,
    correct=correct,
    scores=scores,
    paired="accuracy",
    baselines=baselines,
    pictures=pictures,
)
