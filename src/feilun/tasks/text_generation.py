"""Text generation: learn to go on with texts, or to answer what is asked; then write, token by token."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError, not_one_of
from feilun.core.task import Graph, Json, Row, Rows, Score, State, Task
from feilun.parts.features import dialogue
from feilun.parts.features.turns import turns_of
from feilun.parts.metrics import expression, likelihood, money
from feilun.parts.ops import continuing, next_token
from feilun.parts.ops.ragged import Ragged

if TYPE_CHECKING:
    from torch import Tensor, nn

    from feilun.core.protocols import Feature, Runner
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features
    from feilun.parts.engine.losses import Loss

ALIASES = ("language_model", "causal_lm", "gpt")
MODELS = ("decoder",)
LONGEST = 4096  # tokens, whatever is asked for: one request must not keep a server busy for ever
WIDE = 64  # a table of symbols has a multiple of so many rows: what a GPU multiplies fast
AT_ONCE = 32  # windows whose likelihood is read together


def features(recipe: Recipe) -> dict[str, Feature]:
    """Texts to go on with; where the recipe has a target, questions and their answers. Raises RecipeError."""
    asked, target = _columns(recipe)
    money.refuse(recipe, "the answers are texts")
    expression.refuse(recipe.evaluate.metrics, ("score", "chance"), "the answers are texts")
    options = {key: value for one in recipe.inputs.values() for key, value in one.options.items()}
    if target is None:
        return {"text": discover.feature("dialogue", columns=asked, role=_role(recipe), **options)}
    options |= {"learns_from": (*asked, target)}
    return {
        "text": discover.feature("dialogue", columns=asked, role="question", **options),
        "answer": discover.feature("dialogue", columns=(target,), role="answer", **options),
    }


def examples(arrays: Mapping[str, Any], recipe: Recipe) -> tuple[dict[str, Any], np.ndarray]:
    """Windows of as many tokens as the network sees at once: a longer text is several, and no token is left out.

    `learnt` is 1 where a token is to be foretold: all of a plain text and its end, of an answer the answer alone.
    """
    text, answer = arrays["text"], arrays.get("answer", arrays["text"])
    asked: Any = features(recipe)["text"]
    context, role, end = asked.context, _role(recipe), np.array([asked.closing], np.int32)
    windows: list[np.ndarray] = []
    learnt: list[np.ndarray] = []
    rows: list[int] = []
    for row in range(len(text)):
        behind = {"chat": end[:0], "text": end}.get(role)
        tokens = np.concatenate([text[row], answer[row] if behind is None else behind])
        counts, tokens = dialogue.taught(tokens).astype(np.int32), dialogue.plain(tokens)
        for start in range(0, len(tokens) - 1, context):
            part = slice(start, start + context + 1)
            if counts[part][1:].any():
                windows.append(tokens[part])
                learnt.append(counts[part])
                rows.append(row)
    if not rows:
        raise _nothing_to_learn(recipe)
    made = {"text": Ragged.of(windows)}
    return made if role == "text" else {**made, "learnt": Ragged.of(learnt)}, np.array(rows, np.int64)


def build(recipe: Recipe, features: Features) -> dict[str, nn.Module]:
    """One decoder. Raises RecipeError for a model that writes nothing."""
    if recipe.model.name not in MODELS:
        raise not_one_of("model.name", recipe.model.name, MODELS)
    from feilun.parts.models import decoder

    text: Any = features["text"]
    options = decoder.MODEL(**recipe.model.options)
    symbols = text.vocabulary_size if options.symbols else -(-text.vocabulary_size // WIDE) * WIDE
    return {"main": decoder.build(options, symbols, text.context)}


def objective(
    networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str, *, loss: Loss | None = None
) -> Tensor:
    """Every token that is to be learnt from those before it; cross-entropy, or another loss of a token."""
    from feilun.parts.engine import losses
    from feilun.parts.models import decoder

    return decoder.loss(networks[player], batch, loss or losses.cross_entropy)


def graphs(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Graph]:
    """`step` reads new tokens behind what a cache holds, which may be nothing."""
    import torch

    from feilun.parts.models import decoder

    network: Any = networks["main"].eval()
    rows = len(batch["text"])
    cache = torch.zeros(len(network.layers), 2, rows, network.sizes.groups, 3, network.sizes.head)
    inputs = {
        "tokens": batch["text"].to(torch.int64),
        "length": batch["text_length"],
        "past": torch.full((rows,), 3),
        "cache": cache,
    }
    axes = {
        "tokens": {0: "rows", 1: "new"},
        "length": {0: "rows"},
        "past": {0: "rows"},
        "cache": {2: "rows", 4: "held"},
        "logits": {0: "rows"},
        "fresh": {2: "rows", 4: "new"},
        "nats": {0: "rows", 1: "new"},
    }
    step = decoder.Step(network)
    return {"step": Graph(module=step, inputs=inputs, outputs=("logits", "fresh", "nats"), axes=axes)}


def settle(run: Runner, rows: Mapping[str, Rows], features: Features, recipe: Recipe) -> State:
    """The sizes of the cache."""
    from feilun.parts.models import decoder

    sizes, layers = decoder.sizes_of(decoder.MODEL(**recipe.model.options))
    return {"layers": layers, "groups": sizes.groups, "head": sizes.head}


def answer(
    run: Runner,
    inputs: Mapping[str, np.ndarray],
    features: Features,
    state: State,
    *,
    max_length: int = 200,
    stop: Sequence[str] = (),
    seed: int = 0,
    **drawn: Any,
) -> list[Json]:
    """`{text, finish, tokens, confidence}`: what comes next, until the end, a stop, or `max_length` tokens.

    The likeliest tokens, or drawn ones if `temperature` is not 0, see `next_token.Drawing`; what is drawn hangs on the
    seed and that text alone.
    finish: "stop" or "length"; confidence: the geometric mean of the tokens' probabilities. Text from a stop on is
    left out.  Raises OutOfBoundsError for options out of bounds.
    """
    drawing = next_token.Drawing(**drawn)
    longest, stops = next_token.bounded("max_length", max_length, LONGEST), next_token.stops(stop)
    text: Any = features["text"]
    prompts = [dialogue.plain(row[:count]).tolist() for row, count in zip(inputs["text"], inputs["text_length"], strict=True)]
    found = continuing.gone_on(
        _step(run),
        prompts,
        _sizes(state, text),
        longest=longest,
        drawing=drawing,
        seeds=[[seed & 0xFFFFFFFF, *prompt] for prompt in prompts],
        ends=text.stops,
        stop=lambda tokens: bool(stops) and any(one in text.decode(tokens) for one in stops),
    )
    return [_answer(one, text, stops) for one in found]


def foretell(run: Runner, inputs: Mapping[str, np.ndarray], features: Features, state: State) -> list[Json]:
    """`{nats, tokens}` of every text that is there, or of its answer: how unlikely it was, summed over its tokens.

    Windows are those of `examples`, so that every token counts once; the end of a plain text does not.
    """
    text: Any = features["text"]
    windows: list[tuple[int, np.ndarray, np.ndarray]] = []  # row, tokens, which of them count
    for row, count in enumerate(inputs["text_length"]):
        tokens = inputs["text"][row, :count]
        if "answer" in inputs:
            tokens = np.concatenate([tokens, inputs["answer"][row, : inputs["answer_length"][row]]])
        counts, tokens = dialogue.taught(tokens), dialogue.plain(tokens)
        for start in range(0, len(tokens) - 1, text.context):
            part = slice(start, start + text.context + 1)
            windows.append((row, tokens[part], counts[part]))
    found = np.zeros((len(inputs["text"]), 2))
    for start in range(0, len(windows), AT_ONCE):
        some = windows[start : start + AT_ONCE]
        nats = _nats(run, [tokens for _, tokens, _ in some], state)
        for (row, tokens, counts), own in zip(some, nats, strict=True):
            found[row] += own[1 : len(tokens)][counts[1:]].sum(), counts[1:].sum()
    return [{"nats": round(float(nats), 4), "tokens": int(tokens)} for nats, tokens in found]


def truth(row: Row, recipe: Recipe) -> Json:
    """The text that was to be foretold."""
    asked, target = _columns(recipe)
    return _foretold(row[target or asked[0]], asked[0], recipe)


def correct(row: Row, feedback: Json, recipe: Recipe) -> Row:
    """Feedback is what should have been written, or `{"text": it}`. Raises DataError for anything else."""
    said = feedback.get("text") if isinstance(feedback, dict) else feedback
    if not isinstance(said, str) or not said.strip():
        raise DataError(
            f"The correction is {feedback!r}; expected the text that should have been written, such as "
            "{'text': 'Yes.'}.",
            where="correction",
            expected="a text",
            got=repr(feedback)[:100],
            fix="send the whole text",
        )
    asked, target = _columns(recipe)
    if target is not None:
        return {**row, target: said}
    before = row.get(asked[0])
    if _role(recipe) == "text":
        return {**row, asked[0]: str(before or "") + said}
    turns = [{"role": role, "content": content} for role, content in turns_of(asked[0], before)]
    return {**row, asked[0]: [*turns, {"role": "assistant", "content": said}]}


def scores(answers: Sequence[Json], truths: Sequence[Json], recipe: Recipe) -> dict[str, Score]:
    """Bits a letter over all, of each text, and perplexity."""
    nats, tokens = likelihood.columns(answers)
    letters = np.array([len(one) for one in truths], float)
    each = nats / np.maximum(1, letters) / np.log(2)
    found = {
        "bits_per_letter": Score(statistic=likelihood.bits(nats, letters), better="lower"),
        "text_bits": Score(rows=each, better="lower"),
    }
    return found | {"perplexity": Score(statistic=likelihood.perplexity(nats, tokens), better="lower")}


def baselines(rows: Rows, recipe: Recipe) -> dict[str, Callable[[Rows], list[Json]]]:
    """N-grams of up to five letters, and how often each letter comes; their tokens are letters."""
    asked, target = _columns(recipe)
    column = target or asked[0]
    texts = [_foretold(one, column, recipe) for one in rows[column]]

    def told(order: int) -> Callable[[Rows], list[Json]]:
        nats = likelihood.n_grams(texts, order)

        def answers(given: Rows) -> list[Json]:
            asked = [_foretold(one, column, recipe) for one in given[column]]
            return [{"nats": round(nats(one), 4), "tokens": len(one)} for one in asked]

        return answers

    return {"five_letters": told(likelihood.ORDER), "letter_counts": told(0)}


def example(seed: int) -> list[Row]:
    """500 little stories, and what follows from each."""
    drawn = random.Random(seed)
    return [_story(drawn) for _ in range(500)]


def _columns(recipe: Recipe) -> tuple[tuple[str, ...], str | None]:
    """(columns that ask, the column that answers). Raises RecipeError for other inputs."""
    kinds = {name: item.kind for name, item in recipe.inputs.items()}
    target = recipe.target.columns if recipe.target else ()
    alone = list(kinds.values()) in (["text"], ["dialogue"]) and not target
    if not alone and (set(kinds.values()) != {"text"} or len(target) != 1):
        raise RecipeError(
            "Text generation takes one column of kind text to go on with, one of kind dialogue, or columns of text "
            f"that ask and one target that answers; inputs is {kinds}, target {list(target)}.",
            where="inputs",
            expected="texts",
            got=str(kinds),
            fix="inputs: {text: text}, or inputs: {messages: dialogue}, or inputs: {question: text}, target: answer",
        )
    return tuple(kinds), target[0] if target else None


def _role(recipe: Recipe) -> str:
    """Of the column "text": chat, text or question."""
    asked, target = _columns(recipe)
    if target is not None:
        return "question"
    return "chat" if recipe.inputs[asked[0]].kind == "dialogue" else "text"


def _foretold(value: Any, column: str, recipe: Recipe) -> str:
    """Of a cell what counts: of a dialogue what the assistant said."""
    if _role(recipe) != "chat":
        return str(value or "")
    return "".join(said for role, said in turns_of(column, value) if role == "assistant")


def _nothing_to_learn(recipe: Recipe) -> DataError:
    column = next(iter(recipe.inputs))
    return DataError(
        f"There is no answer to learn from in any row: column {column!r} has no turn of an assistant, or is empty.",
        where=column,
        expected="a turn of the role assistant",
        got="none",
        fix="give dialogues that an assistant ends",
    )


def _step(run: Runner) -> continuing.Step:
    def step(**given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        made = run("step", "logits", "fresh", **given)
        return made["logits"], made["fresh"]

    return step


def _sizes(state: State, text: Any) -> continuing.Sizes:
    sizes = {name: int(state[name]) for name in ("layers", "groups", "head")}
    return continuing.Sizes(**sizes, context=text.context, symbols=text.vocabulary_size, banned=text.banned)


def _nats(run: Runner, windows: Sequence[np.ndarray], state: State) -> np.ndarray:
    length = np.array([len(one) for one in windows], np.int64)
    tokens = np.zeros((len(windows), int(length.max())), np.int64)
    for place, one in enumerate(windows):
        tokens[place, : len(one)] = one
    cache = np.zeros((int(state["layers"]), 2, len(windows), int(state["groups"]), 0, int(state["head"])), np.float32)
    return run("step", "nats", tokens=tokens, length=length, past=np.zeros_like(length), cache=cache)["nats"]


def _answer(one: continuing.Written, text: Any, stops: Sequence[str]) -> Json:
    said = text.decode(one.tokens)
    ends = [place for place in (said.find(stop) for stop in stops) if place >= 0]
    count = len(one.tokens) + (one.ended and not ends)
    return {
        "text": said[: min(ends, default=len(said))],
        "finish": "stop" if one.ended else "length",
        "tokens": len(one.tokens),
        "confidence": round(float(np.exp(one.log / max(1, count))), 4),
    }


PEOPLE = ("Anna", "Bo", "Chen", "Dina", "Emil", "Fatima", "Gus", "Hana")
THINGS = ("cats", "cups", "keys", "maps", "pens", "ropes")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


def _story(drawn: random.Random) -> Row:
    """Such as `Anna has five cats and gives Bo two.` -> `Anna keeps three cats.`"""
    one, other = drawn.sample(PEOPLE, 2)
    has = drawn.randrange(2, 9)
    given = drawn.randrange(1, has + 1)
    thing = drawn.choice(THINGS)
    told = f"{one} has {NUMBERS[has]} {thing} and gives {other} {NUMBERS[given]}."
    return {"told": told, "follows": f"{one} keeps {NUMBERS[has - given]} {thing}."}


TASK = Task(
    summary="Write: go on with a text, answer what is asked",
    example=example,
    example_recipe={
        "inputs": {"told": {"kind": "text", "tokens": "characters", "context": 96}},
        "target": {"columns": ["follows"]},
        "model": {"name": "decoder", "size": "tiny", "width": 64, "depth": 2},
        "train": {"epochs": 10, "batch_size": 16, "optimizer": "adamw", "learning_rate": 0.004},
    },
    features=features,
    reads={"text": "dialogue"},
    targets=("answer",),
    defaults={"model": {"name": "decoder"}, "train": {"optimizer": "muon", "learning_rate": 0.01, "batch_size": 16}},
    build=build,
    objective=objective,
    losses=("cross_entropy", "focal", "generalised_cross_entropy"),
    examples=examples,
    graphs=graphs,
    settle=settle,
    answer=answer,
    foretell=foretell,
    options={
        "max_length": 200,
        "temperature": 0.0,
        "top_k": 0,
        "top_p": 1.0,
        "repetition_penalty": 1.0,
        "stop": (),
        "seed": 0,
    },
    truth=truth,
    correct=correct,
    scores=scores,
    paired="text_bits",
    baselines=baselines,
)
