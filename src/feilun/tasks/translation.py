"""Translation: a text in, a text out, written token by token; any rewriting of short texts is the same problem."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.task import Graph, Json, Row, Rows, Score, State, Task
from feilun.parts.metrics import expression, money, text

if TYPE_CHECKING:
    from torch import Tensor, nn

    from feilun.core.protocols import Feature, Runner
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features
    from feilun.parts.engine.losses import Loss

ALIASES = ("seq2seq", "text_to_text")
START, END = 2, 3  # marks of parts/features/text.py
LONGEST = 4096  # tokens, whatever is asked for: one request must not keep a server busy for ever
NEIGHBOURS = 5000  # training rows that the nearest-sentence baseline searches


def features(recipe: Recipe) -> dict[str, Feature]:
    """One text in, one text out. Raises RecipeError for anything else."""
    name, options = _source(recipe)
    target = _target(recipe)
    money.refuse(recipe, "the answers are texts")
    expression.refuse(recipe.evaluate.metrics, ("chance",), "there is no positive class")
    wanted = {"tokens": "characters", "lowercase": False, **(recipe.target.options if recipe.target else {})}
    return {
        "source": discover.feature("text", columns=(name,), **options),
        "target": discover.feature("text", columns=(target,), **wanted, marks=True),
    }


def build(recipe: Recipe, features: Features) -> dict[str, nn.Module]:
    """One encoder-decoder."""
    from feilun.parts.models import seq2seq

    sizes: list[Any] = [features["source"], features["target"]]
    options = seq2seq.MODEL(**recipe.model.options)
    return {"main": seq2seq.Network(options, sizes[0].vocabulary_size, sizes[1].vocabulary_size)}


def objective(
    networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str, *, loss: Loss | None = None
) -> Tensor:
    """Teacher forcing: every next token from the right ones before it; cross-entropy, or another loss of a token."""
    from feilun.parts.engine import losses
    from feilun.parts.models import seq2seq

    return seq2seq.loss(networks[player], batch, loss or losses.cross_entropy)


def graphs(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Graph]:
    """`encoder` reads the source once; `step` writes one token and hands on its state."""
    import torch

    from feilun.parts.models import seq2seq

    network: Any = networks["main"].eval()
    encoder, step = seq2seq.Encoder(network), seq2seq.Step(network)
    source = {name: batch[name] for name in ("source", "source_length")}
    with torch.no_grad():
        read = encoder(**source)
    token = torch.full((len(batch["source"]),), START)
    given = {"token": token, **read, "source_length": batch["source_length"]}
    rows, places = {0: "rows"}, {0: "rows", 1: "places"}
    return {
        "encoder": Graph(
            module=encoder,
            inputs=source,
            outputs=("memory", "state"),
            axes={"source": places, "source_length": rows, "memory": places, "state": rows},
        ),
        "step": Graph(
            module=step,
            inputs={name: given[name] for name in ("token", "state", "memory", "source_length")},
            outputs=("logits", "next_state"),
            axes={"token": rows, "state": rows, "memory": places, "source_length": rows}
            | {"logits": rows, "next_state": rows},
        ),
    }


def answer(
    run: Runner, inputs: Mapping[str, np.ndarray], features: Features, state: State, *, max_length: int = 256
) -> list[Json]:
    """Greedy: the likeliest next token until the end, or `max_length` tokens. Rows that have ended leave the batch.

    Each answer is `{text, confidence}`: confidence is the geometric mean of the tokens' probabilities.
    """
    read = run("encoder", **inputs)
    rows = len(read["state"])
    alive = np.arange(rows)
    token, current, memory, length = np.full(rows, START), read["state"], read["memory"], inputs["source_length"]
    written: list[list[int]] = [[] for _ in range(rows)]
    logs, steps = np.zeros(rows), np.zeros(rows)
    for _ in range(max(1, min(max_length, LONGEST))):
        made = run("step", token=token, state=current, memory=memory, source_length=length)
        chances = _log_softmax(made["logits"])
        chances[:, :END] = -np.inf  # padding, unknown and start are never written
        token = chances.argmax(1)
        logs[alive] += chances.max(1)
        steps[alive] += 1
        stays = token != END
        for row, one in zip(alive[stays], token[stays], strict=True):
            written[row].append(int(one))
        if not stays.any():
            break
        alive, token, current = alive[stays], token[stays], made["next_state"][stays]
        memory, length = memory[stays], length[stays]
    target: Any = features["target"]
    sure = np.exp(logs / steps)
    return [{"text": target.decode(ids), "confidence": float(c)} for ids, c in zip(written, sure, strict=True)]


def truth(row: Row, recipe: Recipe) -> Json:
    """The right text."""
    return str(row[_target(recipe)] or "")


def correct(row: Row, feedback: Json, recipe: Recipe) -> Row:
    """Feedback is the right text, or `{"text": it}`. Raises DataError for anything else."""
    said = feedback.get("text") if isinstance(feedback, dict) else feedback
    if not isinstance(said, str) or not said.strip():
        raise DataError(
            f"The correction is {feedback!r}; expected the right text, such as {{'text': 'guten Tag'}}.",
            where="correction",
            expected="a text",
            got=repr(feedback)[:100],
            fix="send the whole corrected text",
        )
    return {**row, _target(recipe): said}


def scores(answers: Sequence[Json], truths: Sequence[Json], recipe: Recipe) -> dict[str, Score]:
    """chrF and exact match per row, BLEU over all."""
    said = [answer["text"] for answer in answers]
    return {
        "chrf": Score(rows=text.chrf(said, truths), unit="%"),
        "exact": Score(rows=text.exact(said, truths), unit="%"),
        "bleu": Score(statistic=text.bleu(said, truths), unit="%"),
    }


def baselines(rows: Rows, recipe: Recipe) -> dict[str, Callable[[Rows], list[Json]]]:
    """The source as it is; and the translation of the training sentence that shares most words with it."""
    name, target = _source(recipe)[0], _target(recipe)
    known = [frozenset(text.tokens(str(source or ""))) for source in rows[name][:NEIGHBOURS]]
    said = [str(one or "") for one in rows[target][:NEIGHBOURS]]

    def copy(asked: Rows) -> list[Json]:
        return [{"text": str(source or "")} for source in asked[name]]

    def nearest(asked: Rows) -> list[Json]:
        return [{"text": said[_nearest(frozenset(text.tokens(str(source or ""))), known)]} for source in asked[name]]

    return {"nearest_sentence": nearest, "copy": copy}


def example(seed: int) -> list[Row]:
    """1,000 sentences of a toy English, and a toy German whose verb, time and number parts stand elsewhere."""
    drawn = random.Random(seed)
    return [_sentence(drawn) for _ in range(1000)]


def _source(recipe: Recipe) -> tuple[str, dict[str, Any]]:
    if len(recipe.inputs) != 1:
        raise RecipeError(
            f"Translation reads one text column; inputs has {len(recipe.inputs)}: {', '.join(recipe.inputs)}.",
            where="inputs",
            expected="one column",
            got=", ".join(recipe.inputs),
            fix="name the source column alone under inputs",
        )
    [(name, column)] = recipe.inputs.items()
    if column.kind != "text":
        raise RecipeError(
            f"Translation reads text; inputs.{name}.kind is {column.kind!r}. Set it to text.",
            where=f"inputs.{name}.kind",
            expected="text",
            got=column.kind,
            fix="kind: text",
        )
    return name, {"tokens": "words", **column.options}


def _target(recipe: Recipe) -> str:
    if recipe.target is None or len(recipe.target.columns) != 1:
        raise RecipeError(
            "Translation writes one text column: name it as target.", where="target", fix="target: COLUMN"
        )
    return recipe.target.column


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))


def _nearest(words: frozenset[str], known: Sequence[frozenset[str]]) -> int:
    """Place of the sentence with the largest share of common words (Jaccard); the first of equals."""
    return max(range(len(known)), key=lambda place: len(words & known[place]) / (len(words | known[place]) or 1))


PEOPLE = {"i": ("ich", 0), "you": ("du", 1), "we": ("wir", 2), "they": ("sie", 2)}
MODALS = {
    "want to": ("will", "willst", "wollen"),
    "must": ("muss", "musst", "müssen"),
    "can": ("kann", "kannst", "können"),
}
VERBS = {"see": "sehen", "buy": "kaufen", "find": "finden", "sell": "verkaufen", "count": "zählen", "draw": "malen"}
THINGS = {"dogs": "hunde", "houses": "häuser", "books": "bücher", "trees": "bäume", "cups": "tassen", "birds": "vögel"}
TIMES = {"": "", "today": "heute", "tomorrow": "morgen", "now": "jetzt"}
ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
EINS = ("ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ZEHN = ("zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig")


def _sentence(drawn: random.Random) -> Row:
    """Such as `we must buy twenty one cups now` → `jetzt müssen wir einundzwanzig tassen kaufen`."""
    person, modal, verb, thing, time = (drawn.choice(list(words)) for words in (PEOPLE, MODALS, VERBS, THINGS, TIMES))
    ten, one = drawn.randrange(8), drawn.randrange(10)
    number = TENS[ten] + (f" {ONES[one - 1]}" if one else "")
    zahl = (f"{EINS[one - 1]}und" if one else "") + ZEHN[ten]
    who, form = PEOPLE[person]
    first = [TIMES[time], MODALS[modal][form], who] if time else [who, MODALS[modal][form]]
    english = [person, modal, verb, number, thing, time]
    return {"english": " ".join(english).strip(), "german": " ".join([*first, zahl, THINGS[thing], VERBS[verb]])}


TASK = Task(
    summary="Translate a short text, or rewrite it: text in, text out",
    example=example,
    example_recipe={
        "inputs": {"english": {"kind": "text", "tokens": "words"}},
        "target": {"columns": ["german"], "tokens": "characters"},
        "model": {"name": "seq2seq", "hidden": 80},
        "train": {"epochs": 12, "batch_size": 32, "learning_rate": 0.007},
    },
    features=features,
    defaults={"model": {"name": "seq2seq"}, "train": {"learning_rate": 0.003}},
    build=build,
    objective=objective,
    losses=("cross_entropy", "focal", "generalised_cross_entropy"),
    outputs={"logits": "categorical"},
    graphs=graphs,
    answer=answer,
    options={"max_length": 256},
    truth=truth,
    correct=correct,
    scores=scores,
    paired="chrf",
    baselines=baselines,
)
