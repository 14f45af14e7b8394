"""Recommendation: a user in, the items most likely to be taken next out; rows are who took what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.task import Graph, Json, Row, Rows, Score, Shape, State, Task
from feilun.parts.features.category import spelled
from feilun.parts.metrics import expression, money, ranking

if TYPE_CHECKING:
    from torch import Tensor, nn

    from feilun.core.protocols import Feature, Runner
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features

ALIASES = ("recommender",)
OTHERS = 64  # items drawn against each taken one
K = 10  # suggestions, and the depth of the scores


def features(recipe: Recipe) -> dict[str, Feature]:
    """Users and items by number. Raises RecipeError for other inputs."""
    user, item = _columns(recipe)
    money.refuse(recipe, "suggestions are lists")
    expression.refuse(recipe.evaluate.metrics, ("score", "chance"), "suggestions are lists")
    target = recipe.target
    return {
        "user": discover.feature("category", columns=(user,), **{"most": 10_000_000, **recipe.inputs[user].options}),
        # As an input it may be unknown: an item that training never saw stands in test rows, and is missed there.
        "item": discover.feature(
            "category", columns=(item,), **{"most": 1_000_000, **(target.options if target else {})}
        ),
    }


def build(recipe: Recipe, features: Features) -> dict[str, nn.Module]:
    """Both towers in one network."""
    from feilun.parts.models import two_tower

    user, item = _fitted(features)
    return {"main": two_tower.Network(two_tower.MODEL(**recipe.model.options), user.sizes[0], item.sizes[0])}


def noise(recipe: Recipe) -> dict[str, Shape]:
    """What the items that were not taken are drawn from."""
    return {"drawn": (OTHERS,)}


def objective(networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str) -> Tensor:
    """The taken item against drawn ones, per row."""
    from feilun.parts.models import two_tower

    made = networks["main"](user=batch["user"], item=batch["item"], drawn=batch["drawn"])
    return two_tower.loss(made["scores"], batch["item"])


def graphs(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Graph]:
    """The user tower answers; the item tower fills the index."""
    from feilun.parts.models import two_tower

    network: Any = networks["main"].eval()
    axes = {"vector": {0: "rows"}}
    return {
        "main": Graph(
            module=two_tower.Users(network).eval(),
            inputs={"user": batch["user"]},
            outputs=("vector",),
            axes={"user": {0: "rows"}, **axes},
        ),
        "items": Graph(
            module=two_tower.Items(network).eval(),
            inputs={"item": batch["item"]},
            outputs=("vector",),
            axes={"item": {0: "rows"}, **axes},
        ),
    }


def settle(run: Runner, rows: Mapping[str, Rows], features: Features, recipe: Recipe) -> State:
    """The index of item vectors, what each user has, and what most users take.

    index: float32 (items, width + 1), row 0 is no item.  popular: item numbers, the most taken first.
    seen, seen_offsets: item numbers of user u stand in seen[seen_offsets[u]:seen_offsets[u + 1]].
    """
    user, item = _fitted(features)
    users, items = user.sizes[0], item.sizes[0]
    pairs = [np.concatenate([feature.encode(part)[:, 0] for part in rows.values()]) for feature in (user, item)]
    known = (pairs[0] > 0) & (pairs[1] > 0)
    both = np.unique(pairs[0][known].astype(np.int64) * items + pairs[1][known])
    taken = np.bincount(pairs[1], minlength=items)
    return {
        "index": run("items", item=np.arange(items, dtype=np.int64)[:, None])["vector"],
        "popular": 1 + np.argsort(-taken[1:], kind="stable").astype(np.int64),
        "seen": (both % items).astype(np.int64),
        "seen_offsets": np.searchsorted(both // items, np.arange(users + 1)).astype(np.int64),
    }


def answer(
    run: Runner, inputs: Mapping[str, np.ndarray], features: Features, state: State, *, k: int = K, again: bool = False
) -> list[Json]:
    """`{items: [...], scores: [...] or null}` per user: the k best items, the best first.

    again: also suggest what the user already has.  An unknown user is given what most users take, without scores.
    """
    names: tuple[str, ...] = _fitted(features)[1].vocabularies[0]
    numbers = inputs["user"][:, 0]
    scores = run("main", user=inputs["user"])["vector"] @ state["index"].T
    scores[:, 0] = -np.inf  # not an item
    answers: list[Json] = []
    for user, row in zip(numbers.tolist(), scores, strict=True):
        if user == 0:
            answers.append({"items": [names[place - 1] for place in state["popular"][:k]], "scores": None})
            continue
        if not again:
            row[state["seen"][state["seen_offsets"][user] : state["seen_offsets"][user + 1]]] = -np.inf
        best = _best(row, k)
        answers.append({"items": [names[i - 1] for i in best], "scores": [round(float(row[i]), 4) for i in best]})
    return answers


def truth(row: Row, recipe: Recipe) -> Json:
    """The item that was taken."""
    return {"item": _item(_columns(recipe)[1], row)}


def correct(row: Row, feedback: Json, recipe: Recipe) -> Row:
    """Feedback is `{"item": ...}`, or the item alone: what the user took instead. Raises DataError otherwise."""
    column = _columns(recipe)[1]
    said = feedback.get("item") if isinstance(feedback, dict) else feedback
    if said is None or said == "" or not isinstance(said, str | int) or isinstance(said, bool):
        raise DataError(
            f"The correction is {str(feedback)[:60]!r}; expected the item that was taken, such as {{'item': 'tea'}}.",
            where="correction",
            expected="{'item': name}",
            got=str(feedback)[:60],
            fix="send the item that the user took",
        )
    return {**row, column: str(said)}


def scores(answers: Sequence[Json], truths: Sequence[Json], recipe: Recipe) -> dict[str, Score]:
    """Whether the taken item is among the ten, and how high it stands."""
    place = ranking.places([row["items"] for row in answers], [row["item"] for row in truths])
    return {
        "hit_at_10": Score(rows=ranking.hit(place), unit="%"),
        "ndcg_at_10": Score(rows=ranking.ndcg(place)),
        "mrr": Score(rows=ranking.reciprocal(place)),
    }


def baselines(rows: Rows, recipe: Recipe) -> dict[str, Callable[[Rows], list[Json]]]:
    """What most users take; and any items. Neither suggests what the user already has."""
    user, item = _columns(recipe)
    owned: dict[str | None, set[str]] = {}
    taken: Counter[str] = Counter()
    for who, what in zip(spelled(user, rows[user]), spelled(item, rows[item]), strict=True):
        if what is not None:
            owned.setdefault(who, set()).add(what)
            taken[what] += 1
    ranked = sorted(taken, key=lambda name: (-taken[name], name))

    def suggest(seen: Rows, order: Callable[[], Sequence[str]]) -> list[Json]:
        wanted = [[name for name in order() if name not in owned.get(who, ())][:K] for who in spelled(user, seen[user])]
        return [{"items": names, "scores": None} for names in wanted]

    def anything(seen: Rows) -> list[Json]:
        drawn = np.random.default_rng(recipe.seed)
        return suggest(seen, lambda: [ranked[place] for place in drawn.permutation(len(ranked))])

    return {"most_popular": lambda seen: suggest(seen, lambda: ranked), "random": anything}


def example(seed: int) -> list[Row]:
    """50 readers, each with a taste for one of four kinds of books, took ten each of 48, mostly to their taste."""
    drawn = np.random.default_rng(seed)
    kinds = ("travel", "crime", "poetry", "history")
    books = [f"{kind} {number}" for kind in kinds for number in range(1, 13)]
    charm = np.exp(0.5 * drawn.standard_normal(len(books)))
    rows: list[Row] = []
    for reader in range(50):
        weight = charm * np.where(np.arange(len(books)) // 12 == drawn.integers(len(kinds)), 1.0, 0.02)
        taken = drawn.choice(len(books), 10, replace=False, p=weight / weight.sum())
        rows += [{"reader": f"reader {reader + 1}", "book": books[book]} for book in taken]
    return rows


def _columns(recipe: Recipe) -> tuple[str, str]:
    """Names of the column of users and the column of items. Raises RecipeError for other inputs."""
    kinds = {name: item.kind for name, item in recipe.inputs.items()}
    if list(kinds.values()) != ["category"] or recipe.target is None or len(recipe.target.columns) != 1:
        raise RecipeError(
            f"Recommendation takes one input of kind category, the user, and one target column, the item; inputs is "
            f"{kinds}, target {list(recipe.target.columns) if recipe.target else None}.",
            where="inputs",
            expected="one category column, one target column",
            got=str(kinds),
            fix="inputs: {user: category}, target: item",
        )
    return next(iter(kinds)), recipe.target.column


def _fitted(features: Features) -> tuple[Any, Any]:
    return features["user"], features["item"]


def _item(column: str, row: Row) -> str:
    name = spelled(column, [row[column]])[0]
    if name is None:
        raise DataError(
            f"A row has no {column!r}: which item was taken? Leave the row out.", where=column, got="missing"
        )
    return name


def _best(scores: np.ndarray, k: int) -> list[int]:
    """Places of the k largest finite scores, the largest first; equal ones by place."""
    k = min(max(k, 0), len(scores))
    few = np.argpartition(-scores, k - 1)[:k] if 0 < k < len(scores) else np.arange(len(scores))[:k]
    ordered = sorted(few.tolist(), key=lambda place: (-scores[place], place))
    return [place for place in ordered if np.isfinite(scores[place])]


TASK = Task(
    summary="Suggest items to a user, from who took what before",
    example=example,
    example_recipe={
        "inputs": {"reader": {"kind": "category"}},
        "target": {"columns": ["book"]},
        "model": {"name": "two_tower", "width": 8},
        "train": {"epochs": 30, "batch_size": 32, "learning_rate": 0.01, "weight_decay": 1.0},
    },
    features=features,
    targets=("item",),
    identity=_columns,
    defaults={
        "model": {"name": "two_tower"},
        "train": {"learning_rate": 0.005, "weight_decay": 0.1, "batch_size": 256},
    },
    build=build,
    objective=objective,
    noise=noise,
    outputs={"scores": "categorical"},
    graphs=graphs,
    settle=settle,
    answer=answer,
    options={"k": K, "again": False},
    truth=truth,
    correct=correct,
    scores=scores,
    paired="hit_at_10",
    baselines=baselines,
)
