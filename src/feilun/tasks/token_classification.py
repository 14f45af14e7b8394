"""Token classification: a text in, labelled spans out, such as names, places and dates."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.task import Graph, Json, Row, Rows, Score, State, Task
from feilun.parts.features.spans import checked, overlapping
from feilun.parts.features.text import text_of
from feilun.parts.metrics import expression, money, spans
from feilun.parts.ops.best_path import best_path

if TYPE_CHECKING:
    from torch import Tensor, nn

    from feilun.core.protocols import Feature, Runner
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features
    from feilun.parts.engine.losses import Loss

ALIASES = ("named_entity_recognition", "ner", "tagging")
FORBIDDEN = -1e4  # score of a last tag that would leave a span open
LONGEST = 10  # words of a phrase that the dictionary knows


def features(recipe: Recipe) -> dict[str, Feature]:
    """A text, where its tokens stand, and the spans to learn. Raises RecipeError for other inputs."""
    text, target = _columns(recipe)
    if recipe.target is not None:
        recipe.target.known(crf=bool)
    money.refuse(recipe, "the answers are spans")
    expression.refuse(recipe.evaluate.metrics, ("score", "chance"), "the answers are lists of spans")
    options = {"lowercase": False, "tokens": "words", **recipe.inputs[text].options}
    return {
        "text": discover.feature("text", columns=(text,), **options),
        "places": discover.feature("token_places", columns=(text,), text=options),
        "spans": discover.feature("spans", columns=(text, target), text=options),
    }


def build(recipe: Recipe, features: Features) -> dict[str, nn.Module]:
    """The recipe's encoder with a tag at every token."""
    import torch

    from feilun.parts.models import fused, tagger

    target: Any = features["spans"]
    encoder = fused.encoder(recipe.model, features["text"])
    options = {name: recipe.model.options[name] for name in ("dropout",) if name in recipe.model.options}
    return {"main": tagger.Network(encoder, torch.from_numpy(target.allowed()), crf=_crf(recipe), **options)}


def objective(
    networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str, *, loss: Loss | None = None
) -> Tensor:
    """The tags' loss per text; with `target.crf` that of the whole sequence."""
    from feilun.parts.engine import losses
    from feilun.parts.models import tagger

    return tagger.loss(networks["main"], batch, loss or losses.cross_entropy)


def graphs(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Graph]:
    """Scores of tags; the best sequence is found in numpy."""
    both = {0: "rows", 1: "tokens"}
    inputs = {name: batch[name] for name in ("text", "text_length")}
    axes = {"text": both, "text_length": {0: "rows"}, "logits": both, "follows": {0: "rows"}}
    return {"main": Graph(module=networks["main"].eval(), inputs=inputs, outputs=("logits", "follows"), axes=axes)}


def answer(run: Runner, inputs: Mapping[str, np.ndarray], features: Features, state: State) -> list[Json]:
    """`[{start, end, label, score, text}]` per text: letters from 0, the end not in it; score: how sure, 0 to 1.

    The score is the geometric mean of the probabilities of the span's tags.
    """
    made = run("main", text=inputs["text"], text_length=inputs["text_length"])
    target: Any = features["spans"]
    last = np.where(target.may_end(), 0.0, FORBIDDEN)
    answers: list[Json] = []
    every = zip(made["logits"], made["follows"], inputs["text_length"], inputs["places"], strict=True)
    for logits, follows, length, places in every:
        scores = np.asarray(logits[:length], np.float64)
        tags, _ = best_path(scores, follows, last)
        logs = scores - scores.max(1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(1, keepdims=True))
        sure = logs[np.arange(len(tags)), tags]
        answers.append([_span(span, sure) for span in target.read(tags, places)])
    return answers


def finish(row: Row, answer: Json, features: Features) -> Json:
    """With the words of every span; a text that says nothing has none."""
    read: Any = features["text"]
    if read.is_empty(row):
        return []
    text = text_of(read.columns[0], row.get(read.columns[0]))
    return [{**span, "text": text[span["start"] : span["end"]]} for span in answer]


def truth(row: Row, recipe: Recipe) -> Json:
    """The spans in the row."""
    text, target = _columns(recipe)
    return checked(target, row[target], len(text_of(text, row[text])))


def correct(row: Row, feedback: Json, recipe: Recipe) -> Row:
    """Feedback is the full corrected list of spans, or `{"spans": [...]}`; an empty list: there is nothing."""
    text, target = _columns(recipe)
    said = feedback.get("spans") if isinstance(feedback, dict) else feedback
    if isinstance(said, str):
        raise DataError(
            f"The correction is {said[:60]!r}; expected the full list of spans, such as "
            "[{'start': 0, 'end': 4, 'label': 'person'}], empty if there is none.",
            where="correction",
            expected="a list of spans",
            got=said[:60],
            fix="send every span of the text, corrected",
        )
    found = checked(target, said, len(text_of(text, row.get(text))))
    pair = overlapping(found)
    if pair:
        one, other = ("{label} {start}-{end}".format(**span) for span in pair)
        raise DataError(
            f"The spans {one} and {other} of the correction overlap, and a letter has one label. Send one of them.",
            where="correction",
            expected="spans that do not overlap",
            got=f"{one} and {other}",
            fix="leave one of them out",
        )
    return {**row, target: found}


def scores(answers: Sequence[Json], truths: Sequence[Json], recipe: Recipe) -> dict[str, Score]:
    """F1 over all spans, of each text, precision and recall."""
    found = spans.counts(answers, truths)
    return {
        "span_f1": Score(statistic=spans.f1(found), unit="%"),
        "text_f1": Score(rows=spans.each(found), unit="%"),
        "span_precision": Score(statistic=spans.precision(found), unit="%"),
        "span_recall": Score(statistic=spans.recall(found), unit="%"),
    }


def baselines(rows: Rows, recipe: Recipe) -> dict[str, Callable[[Rows], list[Json]]]:
    """Phrases that were labelled in training more often than not, found again word for word; and nothing at all."""
    text, target = _columns(recipe)
    known = _dictionary(rows, text, target)
    return {
        "dictionary": lambda asked: [_found(str(one or ""), known) for one in asked[text]],
        "no_span": lambda asked: [[] for _ in asked[text]],
    }


def example(seed: int) -> list[Row]:
    """400 notes about who meets whom, where and when; some names are people's and places' alike."""
    drawn = random.Random(seed)
    return [_note(drawn) for _ in range(400)]


def _columns(recipe: Recipe) -> tuple[str, str]:
    """Names of the column of texts and the column of spans. Raises RecipeError for other inputs."""
    kinds = {name: item.kind for name, item in recipe.inputs.items()}
    if list(kinds.values()) != ["text"] or recipe.target is None or len(recipe.target.columns) != 1:
        raise RecipeError(
            f"Token classification takes one input of kind text and one target column of spans; inputs is {kinds}, "
            f"target {list(recipe.target.columns) if recipe.target else None}.",
            where="inputs",
            expected="one text, one column of spans",
            got=str(kinds),
            fix="inputs: {text: text}, target: spans",
        )
    return next(iter(kinds)), recipe.target.column


def _crf(recipe: Recipe) -> bool:
    return bool(recipe.target and recipe.target.options.get("crf"))


def _span(span: Mapping[str, Any], sure: np.ndarray) -> dict[str, Any]:
    first, behind = span["tokens"]
    score = float(np.exp(sure[first:behind].mean()))
    return {"start": span["start"], "end": span["end"], "label": span["label"], "score": round(score, 4)}


def _dictionary(rows: Rows, text: str, target: str) -> dict[str, str]:
    """{phrase: label} of phrases that are labelled in more than half of the places where they stand."""
    labels: dict[str, Counter[str]] = {}
    for said, value in zip(rows[text], rows[target], strict=True):
        for span in checked(target, value):
            labels.setdefault(str(said)[span["start"] : span["end"]], Counter())[span["label"]] += 1
    whole = Counter(phrase for said in rows[text] for phrase in _phrases(str(said or "")))
    return {
        phrase: counts.most_common(1)[0][0]
        for phrase, counts in labels.items()
        if 2 * counts.total() > whole.get(phrase, 0)
    }


def _found(text: str, known: Mapping[str, str]) -> list[Json]:
    """Known phrases, the longest first, none inside another."""
    words = [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]
    made: list[Json] = []
    place = 0
    while place < len(words):
        for behind in range(min(len(words), place + LONGEST), place, -1):
            start, end = words[place][0], words[behind - 1][1]
            if text[start:end] in known:
                made.append({"start": start, "end": end, "label": known[text[start:end]], "score": 1.0})
                place = behind - 1
                break
        place += 1
    return made


def _phrases(text: str) -> list[str]:
    words = [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]
    ends = [(first, behind) for first in range(len(words)) for behind in range(first, min(len(words), first + LONGEST))]
    return [text[words[first][0] : words[behind][1]] for first, behind in ends]


PEOPLE = ("Anna", "Bo Lind", "Chen Wei", "Jordan", "Florence", "Dr Okoye", "Maria da Silva", "Austin", "Priya", "王芳")
PLACES = ("Rome", "New York", "Jordan", "Florence", "Lake Como", "Austin", "Oslo", "São Paulo", "北京", "Cape Town")
DAYS = ("Monday", "3 May", "next week", "tomorrow", "12 June 2025", "Friday")
NOTES = (
    "{person} flew to {place} on {day}.",
    "On {day} we met {person} in {place}.",
    "Please call {person} back before {day}!",
    "{place} was cold, said {person}.",
    "{person} and {person} moved from {place} to {place}.",
    "Nothing happened on {day}.",
    "The office in {place} is closed.",
    "No news today.",
)


def _note(drawn: random.Random) -> Row:
    words = {"person": PEOPLE, "place": PLACES, "day": DAYS}
    text, found = "", []
    for part in re.split(r"(\{\w+\})", drawn.choice(NOTES)):
        label = part.strip("{}")
        said = drawn.choice(words[label]) if label in words else part
        if label in words:
            found.append({"start": len(text), "end": len(text) + len(said), "label": label})
        text += said
    return {"text": text, "spans": found}


TASK = Task(
    summary="Find labelled pieces in a text: names, places, dates, amounts",
    example=example,
    example_recipe={
        "inputs": {"text": {"kind": "text", "tokens": "words"}},
        "target": {"columns": ["spans"]},
        "model": {"name": "lstm", "width": 32},
        "train": {"epochs": 12, "batch_size": 32, "learning_rate": 0.01},
    },
    features=features,
    targets=("spans",),
    defaults={"model": {"name": "lstm"}, "train": {"learning_rate": 0.002, "batch_size": 32}},
    build=build,
    objective=objective,
    losses=("cross_entropy", "focal", "generalised_cross_entropy"),
    outputs={"logits": "categorical"},
    graphs=graphs,
    answer=answer,
    finish=finish,
    truth=truth,
    correct=correct,
    scores=scores,
    paired="text_f1",
    baselines=baselines,
)
