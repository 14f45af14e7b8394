"""Matching: a text in, the known texts that go with it out; rows are pairs, labelled texts, or texts alone."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.task import Graph, Json, Row, Rows, Score, State, Task
from feilun.parts.features import pieces
from feilun.parts.features.text import PADDING, UNKNOWN, text_of
from feilun.parts.metrics import expression, money, ranking
from feilun.parts.ops import bm25, nearest, vectors
from feilun.parts.ops.next_token import OutOfBoundsError, bounded

if TYPE_CHECKING:
    from torch import Tensor, nn

    from feilun.core.protocols import Feature, Runner
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features

ALIASES = ("sentence_embeddings", "semantic_search", "retrieval")
PAIRS, LABELS, TEXTS = "pairs", "labels", "texts"  # the forms of rows
TEMPERATURE = 0.05  # Gao et al. 2021
MOST = 1000  # matches, whatever is asked for
CANDIDATES = 100  # of each of two rankings that are made one; and looked through for duplicates
ASKED = 256  # validation texts that say how many cells of a large index must be looked into
LONG = 60  # letters that a label seldom has
K = 10


def features(recipe: Recipe) -> dict[str, Feature]:
    """The text, and by the form of the rows its passage and a wrong one, its label, or its halves. Raises RecipeError.

    All texts share one vocabulary, as one encoder reads them.
    """
    columns = tuple(recipe.inputs)
    form, (passage, negative) = _form(recipe), _others(recipe)
    if recipe.target is not None:
        recipe.target.known(kind=str, negative=str, temperature=(int, float))
    if not 0 < _said(recipe, "temperature", TEMPERATURE) < math.inf:
        raise RecipeError(
            f"target.temperature is {_said(recipe, 'temperature', TEMPERATURE)}; expected a number above 0.",
            where="target.temperature",
            expected="a number above 0",
            got=str(_said(recipe, "temperature", TEMPERATURE)),
            fix=f"temperature: {TEMPERATURE}, or leave it out",
        )
    if negative and negative == passage:
        raise RecipeError(
            f"target.negative names {negative}, which holds the passages that are right. Name a column of wrong ones.",
            where="target.negative",
            expected="a column of wrong passages",
            got=negative,
            fix="leave negative out",
        )
    money.refuse(recipe, "the answers are lists")
    expression.refuse(recipe.evaluate.metrics, ("score", "chance"), "the answers are lists")
    options = {key: value for one in recipe.inputs.values() for key, value in one.options.items()}
    taught = (*columns, *([passage] if form == PAIRS else []), *([negative] if negative else []))

    def text(*read: str, half: str = "") -> Any:
        return discover.feature("text", columns=read, learns_from=taught, half=half, **options)

    made = {"text": text(*columns)}
    if form == LABELS:
        return {**made, "label": discover.feature("labels", columns=(passage,))}
    if form == TEXTS:
        return {**made, "first": text(*columns, half="first"), "second": text(*columns, half="second")}
    return {**made, "passage": text(passage), **({"negative": text(negative)} if negative else {})}


def build(recipe: Recipe, features: Features) -> dict[str, nn.Module]:
    """The recipe's encoder. Raises RecipeError where what is called a label looks like a passage."""
    from feilun.parts.models import fused, matcher

    label: Any = features.get("label")
    if label is not None and np.median([len(one) for one in label.labels]) > LONG:
        raise RecipeError(
            f"target {label.columns[0]} holds long texts, {label.labels[0][:40]!r} is one of them, and is taken for "
            "labels. Say that it holds texts, and each row is a pair.",
            where="target",
            expected="labels, or kind: text",
            got=label.labels[0][:40],
            fix=f"target: {{column: {label.columns[0]}, kind: text}}",
        )
    encoder = fused.encoder(recipe.model, features["text"])
    return {"main": matcher.Network(encoder, float(_said(recipe, "temperature", TEMPERATURE)))}


def objective(networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str) -> Tensor:
    """What belongs together must be found among all texts of the batch, those of other processes included.

    So a row's loss depends on its batch: the parts of `train.accumulate` are batches of their own here, with fewer
    texts to be told apart, and a larger batch is a harder question.
    """
    from feilun.parts.engine import group
    from feilun.parts.models import matcher

    return matcher.loss(networks[player], batch, group.current().every)


def graphs(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Graph]:
    """One encoder, for what is asked and for the index."""
    inputs = {name: batch[name] for name in ("text", "text_length")}
    axes = {"text": {0: "rows", 1: "tokens"}, "text_length": {0: "rows"}, "embedding": {0: "rows"}}
    return {"main": Graph(module=networks["main"].eval(), inputs=inputs, outputs=("embedding",), axes=axes)}


def settle(run: Runner, rows: Mapping[str, Rows], features: Features, recipe: Recipe) -> State:
    """The index: vectors and words of every different text of the training rows, of pairs of every passage."""
    form = _form(recipe)
    known: Any = features["passage" if form == PAIRS else "text"]
    texts = [text_of(known.columns[0], one) for one in known.joined(rows["train"])]
    labels = features["label"].read(rows["train"]) if form == LABELS else [[]] * len(texts)  # type: ignore[attr-defined]
    places = {pair: place for place, pair in reversed(list(enumerate(zip(texts, map(tuple, labels), strict=True))))}
    kept = np.array(sorted(place for pair, place in places.items() if pair[0].strip()), np.int64)
    tokens = known.encode({name: [rows["train"][name][int(one)] for one in kept] for name in known.columns})
    asked = features["text"].encode({name: rows["validation"][name][:ASKED] for name in features["text"].columns})
    state = {
        "form": form,
        "texts": [texts[place] for place in kept],
        "index": nearest.build(vectors.of_texts(run, tokens), vectors.of_texts(run, asked), recipe.seed),
        "words": bm25.index(tokens),
    }
    return {**state, "labels": [labels[place][0] for place in kept]} if form == LABELS else state


def answer(
    run: Runner,
    inputs: Mapping[str, np.ndarray],
    features: Features,
    state: State,
    *,
    top_k: int = K,
    embedding: bool = False,
    rerank: bool = False,
    duplicates: float = 0.0,
) -> list[Json]:
    """`{matches: [{text, score}]}`, the known texts that go best with each; with labels also `label`.

    top_k: so many, 0 for none.  embedding: also the text's vector, of length 1; scores are cosines of vectors.
    rerank: words in common count as much as vectors; scores are then sums of reciprocal ranks (Cormack et al. 2009).
    duplicates: above 0 also `duplicate_of`, the first known text whose cosine is at least so much, or null; a
    known text that has none before it is its own.
    A text of which no piece is known has no matches, and a `reason`.
    """
    most = bounded("top_k", top_k, MOST, least=0)
    if not 0 <= duplicates <= 1:
        raise OutOfBoundsError("duplicates", "a cosine from 0 to 1, such as 0.9", duplicates)
    own_vectors = vectors.of_padded(run, inputs["text"], inputs["text_length"])
    answers: list[Json] = (
        [{"embedding": row} for row in own_vectors.tolist()] if embedding else [{} for _ in own_vectors]
    )
    looked = max(most, CANDIDATES if rerank or duplicates else 0)
    if not looked:
        return answers
    places, scores = nearest.search(state["index"], own_vectors, looked)
    silent = _silent(features["text"])
    for row, said in enumerate(answers):
        own, tokens = places[row][places[row] >= 0], inputs["text"][row, : inputs["text_length"][row]]
        if silent.issuperset(tokens.tolist()):
            own, tokens, said["reason"] = own[:0], tokens[:0], "no piece of the text is known"
        if duplicates:
            alike = own[scores[row][: len(own)] >= duplicates]
            said["duplicate_of"] = state["texts"][int(alike.min())] if len(alike) else None
        ranked = zip(own.tolist(), scores[row].tolist(), strict=False)
        if rerank:
            ranked = zip(*(both.tolist() for both in _reranked(state, own, tokens)), strict=True)
        if most:
            said["matches"] = [_match(state, place, score) for place, score in list(ranked)[:most]]
    return answers


def finish(row: Row, answer: Json, features: Features) -> Json:
    """Nothing goes with a text that says nothing, whatever its vector is near to."""
    text: Any = features["text"]
    if not text.is_empty(row):
        return answer
    none: Json = {"embedding": None, "duplicate_of": None, "matches": []}
    return {**{name: none.get(name) for name in answer}, "reason": "the text is empty"}


def foretell(run: Runner, inputs: Mapping[str, np.ndarray], features: Features, state: State) -> list[Json]:
    """What judging looks at: `{labels}` of the ten nearest known texts; or `{place, of, match}`, the own passage's
    place among it and all known ones. Of texts alone the second half is asked for the first.
    """
    if state["form"] == LABELS:
        return [{"labels": [one["label"] for one in said["matches"]]} for said in answer(run, inputs, features, state)]
    asked, wanted = ("text", "passage") if state["form"] == PAIRS else ("second", "first")
    made, right = (vectors.of_padded(run, inputs[name], inputs[f"{name}_length"]) for name in (asked, wanted))
    first = nearest.search(state["index"], made, 1)[0][:, 0].tolist()
    above = nearest.above(state["index"], made, right).tolist()
    every = zip(above, first, strict=True)
    return [{"place": 1 + more, "of": len(state["texts"]) + 1, "match": state["texts"][one]} for more, one in every]


def truth(row: Row, recipe: Recipe) -> Json:
    """`{match}`, the text that goes with it; `{label}`; of texts alone `{text}`."""
    form, (target, _) = _form(recipe), _others(recipe)
    if form == TEXTS:
        return {"text": _joined(row, recipe)}
    said = text_of(target, row[target])
    return {"match": said} if form == PAIRS else {"label": said}


def correct(row: Row, feedback: Json, recipe: Recipe) -> Row:
    """Feedback is the text that goes with it, or `{"match": it}`; `{"label": ...}`; a match that is right, as `match`.

    Of pairs with a negative column also `{"match": the right one, "wrong": another}`. Raises DataError for anything
    else: that a match is wrong teaches only together with the right one. Of texts alone the text itself is learnt.
    """
    form, (target, negative) = _form(recipe), _others(recipe)
    if form == TEXTS:
        return row
    key = "match" if form == PAIRS else "label"
    said = feedback if isinstance(feedback, Mapping) else {key: feedback}
    found = said.get("match") if form == LABELS and "label" not in said else said
    value = found.get(key) if isinstance(found, Mapping) else None
    value = value.get("text") if form == PAIRS and isinstance(value, Mapping) else value
    wrong = said.get("wrong")
    if said.get("right", True) is not True or not isinstance(value, str) or not value.strip():
        example = {"match": "the text that goes with it"} if form == PAIRS else {"label": "sport"}
        raise DataError(
            f"The correction is {feedback!r:.200}; expected what is right, such as {example}.",
            where="correction",
            expected=str(example),
            got=f"{feedback!r:.100}",
            fix="say which one is right",
        )
    return {**row, target: value, **({negative: wrong} if negative and isinstance(wrong, str) else {})}


def scores(answers: Sequence[Json], truths: Sequence[Json], recipe: Recipe) -> dict[str, Score]:
    """Of labels the share of the first ten that are right; of pairs how often the own text is among the first."""
    if _form(recipe) == LABELS:
        right = [[label == one["label"] for label in said["labels"]] for said, one in zip(answers, truths, strict=True)]
        place = np.array([row.index(True) + 1 if True in row else np.inf for row in right], np.float64)
        share = np.array([sum(row) / K for row in right])
        return {
            "precision_at_10": Score(rows=share, unit="%"),
            "mrr": Score(rows=ranking.reciprocal(place)),
        }
    place = np.array([said["place"] for said in answers], np.float64)
    found = {f"recall_at_{most}": Score(rows=ranking.hit(place, most), unit="%") for most in (1, 5, 10)}
    return {**found, "mrr": Score(rows=ranking.reciprocal(place))}


def baselines(rows: Rows, recipe: Recipe) -> dict[str, Callable[[Rows], list[Json]]]:
    """The words that texts have in common (BM25), and any order."""
    from feilun.parts.models import lookup

    form, columns, target = _form(recipe), tuple(recipe.inputs), _others(recipe)[0]
    read = {half: discover.feature("text", columns=columns, half=half) for half in ("", "first", "second")}

    def texts(given: Rows, half: str = "") -> list[str]:
        return [text_of(columns[0], one) for one in read[half].joined(given)]

    def passages(given: Rows) -> list[str]:
        return [text_of(target, one) for one in given[target]]

    found: dict[str, Callable[[Rows], list[Json]]]
    if form == LABELS:
        found = lookup.of_labels(texts(rows), passages(rows), texts, recipe.seed)
    elif form == PAIRS:
        known = list(dict.fromkeys(passages(rows)))
        found = lookup.of_places(known, lambda given: (texts(given), passages(given)), recipe.seed)
    else:
        known = list(dict.fromkeys(texts(rows)))
        found = lookup.of_places(known, lambda given: (texts(given, "second"), texts(given, "first")), recipe.seed)
    return found


def example(seed: int) -> list[Row]:
    """400 questions to a shop, mostly in its customers' words, and of 40 pages the one that answers each."""
    drawn = random.Random(seed)
    return [_asked(drawn) for _ in range(400)]


def _form(recipe: Recipe) -> str:
    """pairs, labels or texts. Raises RecipeError for other columns."""
    kinds = {name: item.kind for name, item in recipe.inputs.items()}
    columns = recipe.target.columns if recipe.target else ()
    kind = _said(recipe, "kind", "labels")
    if set(kinds.values()) != {"text"} or len(columns) > 1 or kind not in ("labels", "category", "text"):
        raise RecipeError(
            "Matching takes columns of kind text, and perhaps one target: a label, or with kind: text the text that "
            f"goes with it; inputs is {kinds}, target {list(columns)} of kind {kind}.",
            where="inputs",
            expected="texts, and one target or none",
            got=str(kinds),
            fix="inputs: {question: text}, target: {column: passage, kind: text}",
        )
    return TEXTS if not columns else PAIRS if kind == "text" else LABELS


def _others(recipe: Recipe) -> tuple[str, str]:
    """(target column, column of wrong passages); "" for one that there is not."""
    target = recipe.target
    return (target.column, str(target.options.get("negative") or "")) if target else ("", "")


def _said(recipe: Recipe, key: str, default: Any) -> Any:
    """An option of the target."""
    return recipe.target.options.get(key, default) if recipe.target else default


def _joined(row: Row, recipe: Recipe) -> str:
    text: Any = discover.feature("text", columns=tuple(recipe.inputs))
    return text_of(next(iter(recipe.inputs)), text.joined({name: [row[name]] for name in recipe.inputs})[0])


def _silent(text: Any) -> frozenset[int]:
    """Token numbers from which nothing can be known of a text."""
    return pieces.silent(text.tokenizer) if text.tokenizer else frozenset({PADDING, UNKNOWN})


def _reranked(state: State, nearest: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(places, scores): the vectors' ranking and that of the words, as one."""
    scores = bm25.scores(state["words"], np.asarray(tokens))
    by_words = np.argsort(-scores, kind="stable")[:CANDIDATES]
    return bm25.fused([nearest[:CANDIDATES], by_words[scores[by_words] > 0]])


def _match(state: State, place: int, score: float) -> Json:
    label = {"label": state["labels"][place]} if "labels" in state else {}
    return {"text": state["texts"][place], "score": round(score, 6), **label}


THINGS = {  # what customers call it -> what the shop calls it
    ("bill", "receipt", "thing to pay"): "invoice",
    ("parcel", "package", "box"): "shipment",
    ("password", "login", "passcode"): "credentials",
    ("plan", "membership", "contract"): "subscription",
    ("address", "street", "place I live"): "destination",
    ("coupon", "code", "discount"): "voucher",
    ("card", "bank details", "visa"): "payment method",
    ("picture", "photo", "face"): "avatar",
}
WISHES = {
    ("I lost my {}", "where is my {}", "I cannot find my {}"): "Lost: locating a missing {}",
    ("change my {}", "I want another {}", "my {} is wrong"): "Change: replacing the {}",
    ("stop my {}", "get rid of my {}", "I do not want the {}"): "Stop: terminating your {}",
    ("my {} came too late", "waiting for the {}", "when is my {} here"): "Waiting: delays of the {}",
    ("send my {} to a friend", "give the {} away", "my sister needs the {}"): "Give: transferring a {}",
}


def _asked(drawn: random.Random) -> Row:
    things, thing = drawn.choice(list(THINGS.items()))
    wishes, wish = drawn.choice(list(WISHES.items()))
    opening, ending = drawn.choice(["", "Hello, ", "please help, "]), drawn.choice(["", "!", " since last week"])
    question = drawn.choice(wishes).format(drawn.choice([*things, thing, thing]))
    return {"question": f"{opening}{question}{ending}", "page": wish.format(thing)}


TASK = Task(
    summary="Find the texts that go with a text: by meaning, from pairs, labels or texts alone",
    example=example,
    example_recipe={
        "inputs": {"question": {"kind": "text", "tokens": "words"}},
        "target": {"columns": ["page"], "kind": "text", "temperature": 0.1},
        "model": {"name": "bag", "width": 32},
        "train": {"epochs": 60, "batch_size": 16, "learning_rate": 0.004, "patience": None},
    },
    features=features,
    targets=("label", "passage", "negative", "first", "second"),
    defaults={"model": {"name": "bag", "width": 64}, "train": {"learning_rate": 0.005, "batch_size": 64}},
    build=build,
    objective=objective,
    outputs={"embedding": "real"},
    graphs=graphs,
    settle=settle,
    answer=answer,
    options={"top_k": K, "embedding": False, "rerank": False, "duplicates": 0.0},
    finish=finish,
    foretell=foretell,
    truth=truth,
    correct=correct,
    scores=scores,
    paired="mrr",
    baselines=baselines,
)
