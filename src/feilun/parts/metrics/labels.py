"""Answers and truths that are labels, as arrays; every score of them, and those of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from feilun.core.errors import RecipeError
from feilun.core.task import Json, Score
from feilun.parts.metrics import classification as metrics
from feilun.parts.metrics import expression, money

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe

MANY = 6  # labels from which the three most probable ones are worth a score
MOST = 20  # labels of which every one gets a curve of its own without being asked
SURE = 0.9
OF_POSITIVE = ("precision", "recall", "specificity", "f1_positive")


def arrays(answers: Sequence[Json], truths: Sequence[Json]) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """(labels, said (N,), true (N,), chances (N, labels)); labels in the order of the first answer's scores."""
    first = answers[0]["scores"] if answers else ()
    labels = list(dict.fromkeys([*first, *truths, *(answer["label"] for answer in answers)]))
    places = {label: place for place, label in enumerate(labels)}
    said = np.array([places[answer["label"]] for answer in answers], np.int64)
    true = np.array([places[label] for label in truths], np.int64)
    return labels, said, true, _chances(answers, labels)


def marks(answers: Sequence[Json], truths: Sequence[Json]) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """(labels, said, true, chances), (N, labels) each, said and true 0 or 1: where a row may have several labels."""
    first = answers[0]["scores"] if answers else ()
    named = [label for row in (*truths, *(answer["labels"] for answer in answers)) for label in row]
    labels = list(dict.fromkeys([*first, *named]))
    said = np.array([[label in answer["labels"] for label in labels] for answer in answers], np.float64)
    true = np.array([[label in row for label in labels] for row in truths], np.float64)
    return labels, said, true, _chances(answers, labels)


def positive(labels: Sequence[str], wanted: str | None) -> int:
    """Place of the positive class: the recipe's, else the last. Raises RecipeError if there is no such label."""
    if wanted is None:
        return len(labels) - 1
    if wanted not in labels:
        raise RecipeError(
            f"evaluate.positive is {wanted!r}; the labels are: {', '.join(labels[:30])}.",
            where="evaluate.positive",
            expected=", ".join(labels[:30]),
            got=wanted,
            fix="take one of these labels",
        )
    return list(labels).index(wanted)


def check(labels: Sequence[str], several: bool, recipe: Recipe) -> None:
    """Before training. Raises RecipeError for a positive class that does not exist, costs of no yes-or-no target, or a
    score that these labels do not have."""
    positive(labels, recipe.evaluate.positive)
    if several:
        money.refuse(recipe, "a row may have several labels")
    elif len(labels) != 2:
        money.refuse(recipe, f"there are {len(labels)} classes")
    if several or (len(labels) != 2 and recipe.evaluate.positive is None):
        expression.refuse(recipe.evaluate.metrics, ("chance",), "no class is evaluate.positive")
    if several:
        expression.refuse(recipe.evaluate.metrics, ("score",), "a row may have several labels")
    _check_score(labels, several, recipe)


def scores_of_one(answers: Sequence[Json], truths: Sequence[Json], recipe: Recipe) -> dict[str, Score]:
    """Where every row has one label: those of `metrics.SCORES` that apply."""
    labels, said, true, chances = arrays(answers, truths)
    right, sure = said == true, chances[np.arange(len(said)), said]
    made = {
        "accuracy": Score(rows=right.astype(np.float64), unit="%"),
        "balanced_accuracy": Score(statistic=metrics.balanced_accuracy(said, true, len(labels)), unit="%"),
        "f1": Score(statistic=metrics.f1(said, true, len(labels))),
        "log_loss": Score(rows=metrics.log_loss(chances, true), better="lower"),
        "brier": Score(rows=metrics.brier(chances, true), better="lower"),
        "calibration_error": Score(statistic=metrics.calibration_error(sure, right), better="lower", unit="%"),
        "mcc": Score(statistic=metrics.mcc(said, true, len(labels))),
        "answered_at_90": Score(rows=(sure >= SURE).astype(np.float64), unit="%"),
        "right_at_90": Score(statistic=metrics.right_of_answered(right, sure >= SURE), unit="%"),
    }
    if len(labels) >= MANY:
        made["top3_accuracy"] = Score(rows=metrics.top_k(chances, true), unit="%")
    if len(labels) == 2:
        return {**made, **_of_two(labels, said, true, chances, recipe)}
    hot = np.eye(len(labels))[true] if recipe.evaluate.score in ("auc", "average_precision") else None
    return made if hot is None else {**made, str(recipe.evaluate.score): _curve(chances, hot, recipe.evaluate.score)}


def scores_of_several(answers: Sequence[Json], truths: Sequence[Json], recipe: Recipe) -> dict[str, Score]:
    """Where a row may have any number of labels."""
    labels, said, true, chances = marks(answers, truths)
    made = {
        "accuracy": Score(rows=(said == true).all(1).astype(np.float64), unit="%"),
        "f1": Score(statistic=metrics.f1_of_labels(said, true)),
        "micro_f1": Score(statistic=metrics.micro_f1(said, true)),
        "hamming": Score(rows=(said != true).mean(1), better="lower", unit="%"),
        "log_loss": Score(rows=metrics.binary_log_loss(chances, true), better="lower"),
    }
    asked = recipe.evaluate.score
    for name in ("average_precision", "auc"):
        if asked == name or (name == "average_precision" and len(labels) <= MOST):
            made[name] = _curve(chances, true, name)
    return made


def by_class(answers: Sequence[Json], truths: Sequence[Json]) -> list[dict[str, Json]]:
    """[{label, n, said, precision: Score, recall: Score, f1: Score}], the most frequent first; [] if not labels."""
    if not answers or not isinstance(answers[0], Mapping) or "scores" not in answers[0]:
        return []
    if "labels" in answers[0] and isinstance(truths[0], list):
        labels, said, true, _ = marks(answers, truths)
        pairs = [(said[:, place] > 0, true[:, place] > 0) for place in range(len(labels))]
    elif "label" in answers[0] and isinstance(truths[0], str):
        labels, numbers, right, _ = arrays(answers, truths)
        pairs = [(numbers == place, right == place) for place in range(len(labels))]
    else:
        return []
    found: list[dict[str, Json]] = [
        {
            "label": label,
            "n": int(true.sum()),
            "said": int(said.sum()),
            "precision": Score(statistic=metrics.precision(said, true), unit="%"),
            "recall": Score(statistic=metrics.recall(said, true), unit="%"),
            "f1": Score(statistic=metrics.f1_positive(said, true)),
        }
        for label, (said, true) in zip(labels, pairs, strict=True)
    ]
    return sorted(found, key=lambda row: -int(row["n"]))


def _check_score(labels: Sequence[str], several: bool, recipe: Recipe) -> None:
    """Asks the scores themselves, by rows made up of every label (of very many the first: more make no difference)."""
    wanted, shown = recipe.evaluate.score, labels[: MOST + 1]
    if wanted is None:
        return
    chances = dict.fromkeys(shown, 1 / max(1, len(shown)))
    answers = [{"label": label, "labels": [label], "scores": chances} for label in shown]
    made = scores_of_several(answers, [[label] for label in shown], recipe) if several else {}
    made = made or scores_of_one(answers, shown, recipe)
    if wanted in made:
        return
    curves = () if "auc" in made else ("auc", "average_precision")  # made where they are asked for
    there = ", ".join(dict.fromkeys([*made, *curves]))
    key = "evaluate.costs" if wanted == "profit" else "evaluate.positive"
    lacks = not several and len(labels) == 2 and wanted in ("profit", *OF_POSITIVE)
    what = "a row may have several labels" if several else f"there are {len(labels)} classes"
    raise RecipeError(
        f"evaluate.score is {wanted!r}; there is none where {f'{key} is not named' if lacks else what}. "
        f"{f'Name {key}, or take' if lacks else 'Take'} one of: {there}.",
        where="evaluate.score",
        expected=there,
        got=wanted,
        fix=f"name {key}" if lacks else "evaluate: {score: f1}",
    )


def _of_two(
    labels: Sequence[str], said: np.ndarray, true: np.ndarray, chances: np.ndarray, recipe: Recipe
) -> dict[str, Score]:
    """What two classes have beside: curves, and where the positive one is named, its own scores and money."""
    named = recipe.evaluate.positive
    place = positive(labels, named)  # which one does not matter for auc
    yes, truly = said == place, true == place
    made: dict[str, Score] = {}
    if len(np.unique(true)) == 2:
        made["auc"] = Score(statistic=metrics.auc(chances[:, place], truly))
        made["average_precision"] = Score(statistic=metrics.average_precision(chances[:, place], truly))
    if named is not None:
        made["precision"] = Score(statistic=metrics.precision(yes, truly), unit="%")
        made["recall"] = Score(statistic=metrics.recall(yes, truly), unit="%")
        made["specificity"] = Score(statistic=metrics.specificity(yes, truly), unit="%")
        made["f1_positive"] = Score(statistic=metrics.f1_positive(yes, truly))
    if recipe.evaluate.costs is not None:
        made["profit"] = Score(rows=money.made(recipe.evaluate.costs, yes, truly))
    return made


def _curve(chances: np.ndarray, true: np.ndarray, name: str | None) -> Score:
    """The mean over labels of the area under each one's curve against the rest."""
    area = metrics.auc if name == "auc" else metrics.average_precision
    each = [area(chances[:, place], true[:, place] > 0) for place in range(true.shape[1])]
    return Score(statistic=metrics.mean_of(each))


def _chances(answers: Sequence[Json], labels: Sequence[str]) -> np.ndarray:
    found = np.array([[answer["scores"].get(label, 0.0) for label in labels] for answer in answers], np.float64)
    return found.reshape(len(answers), len(labels))
