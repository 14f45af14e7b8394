"""Question answering: a question and a passage, or documents, in; the piece that answers it, or none, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.task import Graph, Json, Row, Rows, Score, State, Task
from feilun.parts.features.answers import checked
from feilun.parts.features.reading import WINDOW
from feilun.parts.metrics import answers as judging
from feilun.parts.metrics import expression, money
from feilun.parts.ops import reading
from feilun.parts.ops.next_token import bounded
from feilun.parts.ops.ragged import Ragged
from feilun.tasks.question_answering import answering, documents, guesses, notes

if TYPE_CHECKING:
    from torch import Tensor, nn

    from feilun.core.protocols import Feature, Runner
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features

ALIASES = ("reading", "squad", "qa")
CALLED = ("question", "query", "问题")  # a column of such a name asks, wherever it stands
TARGET = {"no_answer": None, "max_answer": 30}  # options of the target with their defaults
MOST_PASSAGES = 50  # that are read for one question
Answers = Callable[[Rows], list[Json]]


def features(recipe: Recipe) -> dict[str, Feature]:
    """A question and its passage, and where the answers stand. Raises RecipeError for other inputs.

    With `data.documents` the passage is there in training alone, and the question's terms are what finds it.
    """
    asked, told, target = _columns(recipe)
    _target(recipe)
    money.refuse(recipe, "the answers are texts")
    expression.refuse(recipe.evaluate.metrics, ("score", "chance"), "the answers are texts")
    options = {"learns_from": (asked, told), **_options(recipe)}
    found = {
        "question": discover.feature("reading", columns=(asked,), role="question", **options),
        _passage(recipe): discover.feature("reading", columns=(told,), role="passage", **options),
        "answer": discover.feature("answers", columns=(told, target)),
    }
    return {**found, "terms": discover.feature("terms", columns=(asked,))} if recipe.data.documents else found


def identity(recipe: Recipe) -> tuple[str, ...]:
    """A question about a passage."""
    return _columns(recipe)[:2]


def examples(arrays: Mapping[str, Any], recipe: Recipe) -> tuple[dict[str, Any], np.ndarray]:
    """Windows of a question and a part of its passage: a longer passage is several, and no token is left out.

    `firsts` and `lasts`: places of the window at which right answers start and end, 0 where it holds none whole.
    With documents every question that has an answer is also read beside the likeliest passage without it.
    """
    questions, passages, answers = arrays["question"], arrays[_passage(recipe)], arrays["answer"]
    options = _options(recipe)
    length, stride = int(options.get("max_length") or WINDOW), int(options.get("stride") or 0)
    made: dict[str, list[np.ndarray]] = {"window": [], "firsts": [], "lasts": []}
    rows: list[int] = []
    for row in range(len(questions)):
        question, passage = questions[row], passages[row]
        ends = [reading.tokens_of(passage, int(start), int(end)) for start, end in answers[row]]
        for window, first in reading.windows(question, passage, length, stride):
            count, shift = len(window) - len(question) - 1, len(question) - first
            inside = [pair for pair in ends if pair and first <= pair[0] and pair[1] < first + count]
            for name, part in (("firsts", 0), ("lasts", 1)):
                places = sorted({pair[part] + shift for pair in inside}) or [0]
                made[name].append(np.array(places, np.int32))
            made["window"].append(window)
            rows.append(row)
    for row, window in documents.wrong(arrays, length, stride) if recipe.data.documents else ():
        nothing = np.zeros(1, np.int32)
        for name, value in (("window", window), ("firsts", nothing), ("lasts", nothing)):
            made[name].append(value)
        rows.append(row)
    return {name: Ragged.of(values) for name, values in made.items()}, np.array(rows, np.int64)


def build(recipe: Recipe, features: Features) -> dict[str, nn.Module]:
    """The recipe's encoder with a start and an end at every token."""
    from feilun.parts.models import reader

    asked: Any = features["question"]
    return {"main": reader.build(recipe.model, asked.as_text)}


def objective(networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str) -> Tensor:
    """How unlikely the right starts and ends were, per window."""
    from feilun.parts.models import reader

    return reader.loss(networks[player], batch)


def graphs(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Graph]:
    """Scores of starts and ends; the best span is found in numpy."""
    both = {0: "rows", 1: "tokens"}
    inputs = {name: batch[name] for name in ("window", "window_length")}
    axes = {"window": both, "window_length": {0: "rows"}, "starts": both, "ends": both}
    return {"main": Graph(module=networks["main"].eval(), inputs=inputs, outputs=("starts", "ends"), axes=axes)}


def settle(run: Runner, rows: Mapping[str, Rows], features: Features, recipe: Recipe) -> State:
    """From which score on it is better to answer, found on validation rows; and of documents the passages' index."""
    asked, told, target = _columns(recipe)
    given = _target(recipe)
    none = given["no_answer"]
    if none is None:
        none = bool(recipe.data.documents) or any(not checked(target, value) for value in rows["train"][target])
    state = {"max_answer": given["max_answer"], "no_answer": bool(none), "threshold": 0.0}
    seen = rows.get("validation") or {}
    truths = [truth(row, recipe) for row in answering.by_row(seen)]
    names = answering.Names(asked=asked, told=told)
    if recipe.data.documents:
        return documents.settled(run, names, features, {**rows, "validation": seen}, truths, state)
    if not none or not truths:
        return state
    return {**state, "threshold": answering.threshold(run, names, features, seen, truths, state)}


def answer(
    run: Runner, inputs: Mapping[str, np.ndarray], features: Features, state: State, *, passages: int = 5
) -> list[Json]:
    """`{answer, start, end, score, confidence}` per question: letters of the passage as it came, the end not in it.

    answer: null where the passage has none.  score: log odds of the answer against none, above 0 it is given.
    confidence: probability of the answer's start and end, or of none.  From documents also `document`, `place` and
    `passage` of the answer, and `sources`, what was found; passages: how many of them are read, 1 to 50.
    """
    count = bounded("passages", passages, MOST_PASSAGES)
    if "index" in state:
        return documents.answers(run, inputs, features, state, count)
    asked: Any = features["question"]
    pairs = zip(answering.rows_of(inputs, "question"), answering.rows_of(inputs, "context"), strict=True)
    found = answering.read(run, list(pairs), asked, int(state["max_answer"]))
    return [answering.said(one, state) for one in found]


def finish(row: Row, answer: Json, features: Features) -> Json:
    """With the answer's letters, where the row holds the passage."""
    if "context" not in features or answer["start"] is None:
        return answer
    text = str(row.get(features["context"].columns[0]) or "")
    return {**answer, "answer": text[answer["start"] : answer["end"]]}


def truth(row: Row, recipe: Recipe) -> Json:
    """`{answers: [{text, start}]}`, those that are right; with documents also the passage that has them."""
    _, told, target = _columns(recipe)
    passage = str(row.get(told) or "")
    found = {"answers": checked(target, row[target], passage)}
    return {**found, "passage": passage} if recipe.data.documents else found


def correct(row: Row, feedback: Json, recipe: Recipe) -> Row:
    """Feedback is null for no answer, a text of the passage, `{"text": it, "start": letter}`, or `{"answers": [...]}`.

    With documents `passage` says what the answer was found in: the answer's own, or one of its sources.
    """
    _, told, target = _columns(recipe)
    given = feedback if isinstance(feedback, dict) else {"text": feedback}
    if isinstance(feedback, list):
        given = {"answers": feedback}
    right = given.get("answers", [] if given.get("text") is None else [given])
    unknown = set(given) - {"text", "start", "answer_start", "answers", "passage"}
    if not isinstance(right, list) or unknown or len({"text", "answers"} & set(given)) != 1:
        raise _no_correction(feedback)
    passage = given.get("passage", row.get(told)) or ""
    if recipe.data.documents and not passage:
        raise DataError(
            "The correction does not say which passage it is about; expected it as `passage`, such as the one that "
            "came with the answer, or one of its sources.",
            where="correction.passage",
            expected="the text of a passage",
            got="none",
            fix='send {"text": "two years", "passage": "..."}',
        )
    found = checked(target, [one for one in right if one != {"text": None}], str(passage))
    return {**row, told: passage, target: [{"text": one["text"], "answer_start": one["start"]} for one in found]}


def scores(answers: Sequence[Json], truths: Sequence[Json], recipe: Recipe) -> dict[str, Score]:
    """F1 of words, exact matches, and how many of all asked were answered, and right; of documents also recall."""
    return judging.scores(answers, truths)


def baselines(rows: Rows, recipe: Recipe) -> dict[str, Answers]:
    """Never an answer; and the words of the passage that stand among most words of the question, or, where documents
    are to be found first, the most frequent answer."""
    asked, told, target = _columns(recipe)
    if recipe.data.documents:
        usual = guesses.most_frequent(rows[target], target)
        return {
            name: guesses.always(text, sources=[]) for name, text in (("no_answer", None), ("most_frequent", usual))
        }
    return {
        "no_answer": guesses.always(None),
        "sliding_window": lambda given: guesses.sliding_window(given[asked], given[told]),
    }


def _columns(recipe: Recipe) -> tuple[str, str, str]:
    """Names of the columns of questions, passages and answers. Raises RecipeError for other inputs."""
    kinds = {name: item.kind for name, item in recipe.inputs.items()}
    if list(kinds.values()) != ["text", "text"] or recipe.target is None or len(recipe.target.columns) != 1:
        raise RecipeError(
            "Question answering takes two inputs of kind text, the question and its passage, and one target column of "
            f"answers; inputs is {kinds}, target {list(recipe.target.columns) if recipe.target else None}.",
            where="inputs",
            expected="a question, a passage, answers",
            got=str(kinds),
            fix="inputs: {question: text, context: text}, target: answers",
        )
    first, second = kinds
    turned = second.lower() in CALLED and first.lower() not in CALLED
    return (second, first, recipe.target.column) if turned else (first, second, recipe.target.column)


def _options(recipe: Recipe) -> dict[str, Any]:
    """Of both inputs together, since they are read together. Raises RecipeError where they contradict each other."""
    found: dict[str, Any] = {}
    for name, item in recipe.inputs.items():
        for option, value in item.options.items():
            if found.setdefault(option, value) != value:
                raise RecipeError(
                    f"inputs.{name}.{option} is {value!r}, the other column has {found[option]!r}. Question and "
                    "passage are read together: say it once, or the same twice.",
                    where=f"inputs.{name}.{option}",
                    expected=repr(found[option]),
                    got=repr(value),
                    fix=f"{option}: {found[option]}",
                )
    return found


def _target(recipe: Recipe) -> dict[str, Any]:
    """Options of the target. Raises RecipeError for one that there is not, or a wrong value."""
    given = {**TARGET, **(recipe.target.options if recipe.target else {})}
    none, longest = given["no_answer"], given["max_answer"]
    wrong = next((name for name in given if name not in TARGET), None)
    if none is not None and not isinstance(none, bool):
        wrong = "no_answer"
    elif isinstance(longest, bool) or not isinstance(longest, int) or longest < 1:
        wrong = "max_answer"
    if wrong is not None:
        raise RecipeError(
            f"target.{wrong} is {given[wrong]!r}. Options of the target here: no_answer, true or false, whether a "
            "question may stay without an answer (found out where left out); max_answer, tokens of the longest one.",
            where=f"target.{wrong}",
            expected="no_answer: true or false; max_answer: a whole number from 1",
            got=f"{given[wrong]!r}",
            fix=f"leave {wrong} out",
        )
    return given


def _passage(recipe: Recipe) -> str:
    """What the passage's feature is called: a target where it is not known when one asks."""
    return "passage" if recipe.data.documents else "context"


def _no_correction(feedback: Any) -> DataError:
    return DataError(
        f"The correction is {feedback!r:.80}; expected the right piece of the passage, such as {{'text': 'two years'}}"
        ", or null if there is no answer in it.",
        where="correction",
        expected="{'text': text, 'start': letter}, or null",
        got=f"{feedback!r:.80}",
        fix="send the answer as it stands in the passage",
    )


TASK = Task(
    summary="Answer questions with a piece of a passage or of documents, or say that there is none",
    example=notes.example,
    example_recipe={
        "inputs": {"question": {"kind": "text", "tokens": "words"}, "context": "text"},
        "target": {"columns": ["answers"]},
        "model": {"name": "lstm", "width": 32, "dropout": 0.1, "token_dropout": 0.0},
        "train": {"epochs": 12, "batch_size": 32, "learning_rate": 0.01},
    },
    features=features,
    reads={"text": "reading"},
    targets=("answer", "passage"),
    identity=identity,
    documents=True,
    defaults={"model": {"name": "lstm"}, "train": {"learning_rate": 0.002, "batch_size": 32}},
    build=build,
    objective=objective,
    examples=examples,
    outputs={"starts": "categorical", "ends": "categorical"},
    graphs=graphs,
    settle=settle,
    answer=answer,
    options={"passages": 5},
    finish=finish,
    truth=truth,
    correct=correct,
    scores=scores,
    paired="answer_f1",
    baselines=baselines,
)
