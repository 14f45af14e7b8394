"""Translation: a text in, a text out, written token by token; any rewriting of short texts is the same problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError, not_one_of
from feilun.core.task import Graph, Json, Row, Rows, Score, State, Task
from feilun.parts.features.text import text_of
from feilun.parts.metrics import expression, money, text
from feilun.parts.ops import next_token
from feilun.tasks.translation.sentences import example

if TYPE_CHECKING:
    from torch import Tensor, nn

    from feilun.core.protocols import Feature, Runner
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features
    from feilun.parts.engine.losses import Loss

ALIASES = ("seq2seq", "text_to_text", "summarisation", "summarization")
MODELS = ("encoder_decoder", "seq2seq")
START, END = 2, 3  # marks of parts/features/text.py
LONGEST = 4096  # tokens, whatever is asked for: one request must not keep a server busy for ever
NEIGHBOURS = 5000  # training rows that the nearest-sentence baseline searches


def features(recipe: Recipe) -> dict[str, Feature]:
    """One text in, with or without a tag before it, one text out. Raises RecipeError for anything else."""
    columns, options = _source(recipe)
    target = _target(recipe)
    money.refuse(recipe, "the answers are texts")
    expression.refuse(recipe.evaluate.metrics, ("chance",), "there is no positive class")
    known: dict[str, type] = {"tokens": str, "vocabulary": int, "max_length": int, "lowercase": bool}
    known |= {"file": str, "reserved": list}  # of published weights
    wanted = {"tokens": "characters", "lowercase": False, **(recipe.target.known(**known) if recipe.target else {})}
    return {
        "source": discover.feature("text", columns=columns, tagged=len(columns) > 1, **options),
        "target": discover.feature("text", columns=(target,), **wanted, marks=True),
    }


def build(recipe: Recipe, features: Features) -> dict[str, nn.Module]:
    """One encoder-decoder. Raises RecipeError for a model that writes nothing."""
    family: Any = discover.find("models", str(recipe.model.name))
    if not hasattr(family, "writer"):
        raise not_one_of("model.name", recipe.model.name, MODELS)
    sizes: list[Any] = [features["source"], features["target"]]
    options = family.MODEL(**recipe.model.options)
    return {"main": family.writer(options, sizes[0].vocabulary_size, sizes[1].vocabulary_size)}


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

    network: Any = networks["main"].eval()
    encoder, step = network.pieces()
    source = {name: batch[name] for name in ("source", "source_length")}
    with torch.no_grad():
        read = encoder(**source)
    token = torch.full((len(batch["source"]),), START)
    given = {"token": token, **read, "source_length": batch["source_length"]}
    rows = {0: "rows"}
    axes = {"source": {0: "rows", 1: "places"}, "source_length": rows, "token": rows, "logits": rows, **network.axes}
    last = ("logits", "next_state")
    step_inputs = {name: given[name] for name in ("token", "state", "memory", "source_length")}
    return {
        "encoder": _graph(encoder, source, ("memory", "state"), axes),
        "step": _graph(step, step_inputs, last, axes),
    }


def _graph(module: nn.Module, inputs: Mapping[str, Tensor], outputs: tuple[str, ...], axes: Mapping[str, Any]) -> Graph:
    own = {name: axes[name] for name in (*inputs, *outputs)}
    return Graph(module=module, inputs=inputs, outputs=outputs, axes=own)


def answer(
    run: Runner,
    inputs: Mapping[str, np.ndarray],
    features: Features,
    state: State,
    *,
    max_length: int = 256,
    beams: int = 1,
    length_penalty: float = 1.0,
    seed: int = 0,
    **drawn: Any,
) -> list[Json]:
    """Token by token until the end, or `max_length` tokens: the likeliest, drawn at random, or the best of `beams`.

    drawn: `min_length`, tokens before which no end is written, and how tokens are drawn, see `next_token.Drawing`.
    Of beams, `length_penalty` above 1 favours longer ones.
    Each answer is `{text, confidence}`: confidence is the geometric mean of the tokens' probabilities. What is drawn
    for a text hangs on the seed and that text alone.  Raises OutOfBoundsError for options out of bounds.
    """
    asked: Any = drawn.pop("min_length", 0)
    drawing = next_token.Drawing(**drawn)
    longest = next_token.bounded("max_length", max_length, LONGEST)
    lengths = (next_token.bounded("min_length", asked, longest, least=0), longest)
    width, words = next_token.bounded("beams", beams, next_token.MOST_BEAMS), next_token.seeded(seed)
    if width > 1 and drawing.temperature:
        raise next_token.OutOfBoundsError("temperature", "0 beside beams, which draw nothing", drawing.temperature)
    penalty = next_token.within("length_penalty", length_penalty)
    read = run("encoder", **inputs)
    going = {"memory": read["memory"], "source_length": inputs["source_length"]}
    if width > 1:
        written = [
            _searched(
                run,
                read["state"][row : row + 1],
                _part(going, [row]),
                width,
                lengths,
                penalty,
            )
            for row in range(len(read["state"]))
        ]
    else:
        texts = zip(inputs["source"], inputs["source_length"], strict=True)
        keys = [[*words, *map(int, row[:length])] for row, length in texts]
        written = _written(run, read["state"], going, lengths, drawing, keys)
    target: Any = features["target"]
    return [{"text": target.decode(ids), "confidence": float(np.exp(mean))} for ids, mean in written]


def _written(
    run: Runner,
    current: np.ndarray,
    going: Mapping[str, np.ndarray],
    lengths: tuple[int, int],
    drawing: next_token.Drawing,
    keys: Sequence[Sequence[int]],
) -> list[tuple[list[int], float]]:
    """(tokens, mean log-probability) of every row. Rows that have ended leave the batch."""
    rows = len(current)
    alive, token = np.arange(rows), np.full(rows, START)
    written: list[list[int]] = [[] for _ in range(rows)]
    logs, steps = np.zeros(rows), np.zeros(rows)
    generators = [np.random.default_rng(key) for key in keys] if drawing.temperature else []
    least, longest = lengths
    for place in range(longest):
        made = run("step", token=token, state=current, **going)
        mine = [generators[row] for row in alive] if generators else []
        token, log = next_token.chosen(
            _allowed(made["logits"], place < least), drawing, [written[row] for row in alive], mine
        )
        logs[alive] += log
        steps[alive] += 1
        stays = token != END
        for row, one in zip(alive[stays], token[stays], strict=True):
            written[row].append(int(one))
        if not stays.any():
            break
        alive, token, current = alive[stays], token[stays], made["next_state"][stays]
        going = going if stays.all() else _part(going, np.flatnonzero(stays))
    return list(zip(written, logs / steps, strict=True))


def _searched(
    run: Runner,
    current: np.ndarray,
    going: Mapping[str, np.ndarray],
    width: int,
    lengths: tuple[int, int],
    penalty: float,
) -> tuple[list[int], float]:
    """The same of one row, by beam search."""
    made = run("step", token=np.array([START]), state=current, **going)
    (least, longest), place = lengths, 0
    first, current = _allowed(made["logits"], least > 0)[0], made["next_state"]

    def step(tokens: np.ndarray, sources: np.ndarray) -> np.ndarray:
        nonlocal current, place
        place += 1
        made = run("step", token=tokens, state=current[sources], **_part(going, np.zeros(len(tokens), np.int64)))
        current = made["next_state"]
        return _allowed(made["logits"], place < least)

    return next_token.beams(first, step, width=width, longest=longest, end=END, length_penalty=penalty)


def _part(arrays: Mapping[str, np.ndarray], rows: Any) -> dict[str, np.ndarray]:
    return {name: array[rows] for name, array in arrays.items()}


def _allowed(logits: np.ndarray, goes_on: bool) -> np.ndarray:
    """Padding, unknown and start are never written; nor is the end where the text has to go on."""
    made = np.array(logits)
    made[:, : END + goes_on] = -np.inf
    return made


def finish(row: Row, answer: Json, features: Features) -> Json:
    """Nothing comes of nothing, whatever a network makes of it; nor of a tag that no training row had."""
    source: Any = features["source"]
    if source.is_empty(row):
        return {**answer, "text": "", "confidence": 1.0}
    asked = text_of(source.columns[-1], row.get(source.columns[-1])) if source.tagged else ""
    if asked and asked not in source.tags:
        reason = f"{source.columns[-1]} {asked[:60]!r} is not one of: {', '.join(source.tags[:50])}"
        return {**answer, "text": "", "confidence": 0.0, "reason": reason}
    return answer


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


def attention(networks: Mapping[str, nn.Module], run: Runner, rows: Rows, features: Features, most: int) -> list[Json]:
    """Per row what it reads, the likeliest text, at most `most` tokens, and which of these looked at which of those:
    `{read: [token], written: [token], shares: [[share of each that is read] of each that is written]}`."""
    import torch

    network: Any = networks["main"]
    source: Any = features["source"]
    target: Any = features["target"]
    if not hasattr(network, "looked") or source.tokens == "grams":
        return []
    encoded, names, found = source.encode(rows), target.pieces, []
    for row, read in enumerate(_tokens(source, rows, encoded)):
        given = {"source": encoded[row][None].astype(np.int64), "source_length": np.array([len(read)])}
        known = run("encoder", **given)
        going = {"memory": known["memory"], "source_length": given["source_length"]}
        written, _ = _written(run, known["state"], going, (0, most), next_token.Drawing(), [])[0]
        prefix = np.array([[START, *written[:-1]]])  # the state behind each of these chose the token that follows
        with torch.no_grad():
            shares = network.looked(*map(torch.from_numpy, (*given.values(), prefix)))
        said = [target.decode([number]) or names[number] for number in written]
        found.append({"read": read, "written": said, "shares": shares[0, : len(said)].tolist()})
    return found


def _tokens(source: Any, rows: Rows, encoded: Any) -> list[list[str]]:
    """What each row's tokens are called: the letters they stand for; a tag, and what is no letter, by its name."""
    names, found = source.pieces, []
    for row, places in enumerate(source.places(rows)):
        text, numbers = str(rows[source.columns[0]][row] or ""), encoded[row]
        before = len(numbers) - len(places)
        letters = [text[start:end] for start, end in places]
        found.append([said or names[number] for said, number in zip([""] * before + letters, numbers, strict=True)])
    return found


def baselines(rows: Rows, recipe: Recipe) -> dict[str, Callable[[Rows], list[Json]]]:
    """The source as it is; and the translation of the training sentence that shares most words with it."""
    name, target = _source(recipe)[0][0], _target(recipe)
    known = [frozenset(text.tokens(str(source or ""))) for source in rows[name][:NEIGHBOURS]]
    said = [str(one or "") for one in rows[target][:NEIGHBOURS]]

    def copy(asked: Rows) -> list[Json]:
        return [{"text": str(source or "")} for source in asked[name]]

    def nearest(asked: Rows) -> list[Json]:
        return [{"text": said[_nearest(frozenset(text.tokens(str(source or ""))), known)]} for source in asked[name]]

    return {"nearest_sentence": nearest, "copy": copy}


def _source(recipe: Recipe) -> tuple[tuple[str, ...], dict[str, Any]]:
    """((the column that is read, and the one of tags if there is one), options). Raises RecipeError."""
    kinds = {name: column.kind for name, column in recipe.inputs.items()}
    texts, tags = ([name for name, kind in kinds.items() if kind == wanted] for wanted in ("text", "category"))
    if len(texts) != 1 or len(tags) > 1 or len(kinds) != len(texts) + len(tags):
        raise RecipeError(
            "Translation reads one text column, and beside it at most one category, such as the language that is "
            f"wanted; inputs is {kinds}.",
            where="inputs",
            expected="one column of kind text, at most one of kind category",
            got=str(kinds),
            fix="inputs: {english: text}, or inputs: {text: text, language: category}",
        )
    options = {"tokens": "words", **recipe.inputs[texts[0]].options}
    return (*texts, *tags), options


def _target(recipe: Recipe) -> str:
    if recipe.target is None or len(recipe.target.columns) != 1:
        raise RecipeError(
            "Translation writes one text column: name it as target.", where="target", fix="target: COLUMN"
        )
    return recipe.target.column


def _nearest(words: frozenset[str], known: Sequence[frozenset[str]]) -> int:
    """Place of the sentence with the largest share of common words (Jaccard); the first of equals."""
    return max(range(len(known)), key=lambda place: len(words & known[place]) / (len(words | known[place]) or 1))


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
    finish=finish,
    options={
        "max_length": 256,
        "min_length": 0,
        "beams": 1,
        "length_penalty": 1.0,
        "temperature": 0.0,
        "top_k": 0,
        "top_p": 1.0,
        "seed": 0,
    },
    truth=truth,
    correct=correct,
    scores=scores,
    paired="chrf",
    baselines=baselines,
    attention=attention,
)
