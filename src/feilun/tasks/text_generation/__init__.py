"""Text generation: learn to go on with texts, or to answer what is asked; then write, token by token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import DataError, not_one_of
from feilun.core.task import Graph, Rows, State, Task
from feilun.parts.features import dialogue
from feilun.parts.metrics import expression, money
from feilun.parts.ops.ragged import Ragged
from feilun.tasks.text_generation import preferring
from feilun.tasks.text_generation.columns import columns_of, preference_of, role_of
from feilun.tasks.text_generation.judging import baselines, compare, correct, scores, truth
from feilun.tasks.text_generation.stories import example
from feilun.tasks.text_generation.writing import answer, foretell, pen

if TYPE_CHECKING:
    from torch import Tensor, nn

    from feilun.core.protocols import Feature, Runner
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features
    from feilun.parts.engine.losses import Loss

ALIASES = ("language_model", "causal_lm", "gpt")
MODELS = ("decoder",)
WIDE = 64  # a table of symbols has a multiple of so many rows: what a GPU multiplies fast


def features(recipe: Recipe) -> dict[str, Feature]:
    """Texts to go on with; where the recipe has a target, questions and their answers. Raises RecipeError."""
    asked, target = columns_of(recipe)
    money.refuse(recipe, "the answers are texts")
    expression.refuse(recipe.evaluate.metrics, ("score", "chance"), "the answers are texts")
    options = {key: value for one in recipe.inputs.values() for key, value in one.options.items()}
    if target is None:
        return {"text": discover.feature("dialogue", columns=asked, role=role_of(recipe), **options)}
    rejected = preference_of(recipe).rejected
    options |= {"learns_from": (*asked, target, *([rejected] if rejected else []))}
    made = {
        "text": discover.feature("dialogue", columns=asked, role="question", **options),
        "answer": discover.feature("dialogue", columns=(target,), role="answer", **options),
    }
    if rejected:
        made["rejected"] = discover.feature("dialogue", columns=(rejected,), role="answer", **options)
    return made


def examples(arrays: Mapping[str, Any], recipe: Recipe) -> tuple[dict[str, Any], np.ndarray]:
    """Windows of as many tokens as the network sees at once: a longer text is several, and no token is left out.

    `learnt` is 1 where a token is to be foretold: all of a plain text and its end, of an answer the answer alone.
    Of preferences see `preferring.examples`.
    """
    text, answer = arrays["text"], arrays.get("answer", arrays["text"])
    asked: Any = features(recipe)["text"]
    context, role, end = asked.context, role_of(recipe), np.array([asked.closing], np.int32)
    preference = preference_of(recipe)
    if preference.rejected:
        made, owners = preferring.examples(arrays, context, preference.beta)
        if not len(owners):
            raise _nothing_to_learn(recipe)
        return made, owners
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
    made: dict[str, nn.Module] = {"main": decoder.build(options, symbols, text.context)}
    if preference_of(recipe).rejected:
        still = replace(options, dropout=0.0, drop_path=0.0)
        made[preferring.REFERENCE] = decoder.build(still, symbols, text.context).requires_grad_(False)
    return made


def objective(
    networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str, *, loss: Loss | None = None
) -> Tensor:
    """Every token that is to be learnt from those before it; cross-entropy, or another loss of a token."""
    from feilun.parts.engine import losses
    from feilun.parts.models import decoder

    of_token = loss or losses.cross_entropy
    if preferring.REFERENCE in networks:
        return preferring.loss(networks, batch, player, of_token)
    return decoder.loss(networks[player], batch, of_token)


def graphs(networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Graph]:
    """`step` reads new tokens behind what a cache holds, which may be nothing; `reference` tells likelihoods alone."""
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
    made = {"step": Graph(module=step, inputs=inputs, outputs=("logits", "fresh", "nats"), axes=axes)}
    if preferring.REFERENCE in networks:
        still: Any = networks[preferring.REFERENCE].eval()
        read = {name: inputs[name] for name in ("tokens", "length")}
        own = {name: axes[name] for name in (*read, "nats")}
        made[preferring.REFERENCE] = Graph(module=decoder.Told(still), inputs=read, outputs=("nats",), axes=own)
    return made


def settle(run: Runner, rows: Mapping[str, Rows], features: Features, recipe: Recipe) -> State:
    """The sizes of the cache."""
    from feilun.parts.models import decoder

    sizes, layers = decoder.sizes_of(decoder.MODEL(**recipe.model.options))
    return {"layers": layers, "groups": sizes.groups, "head": sizes.head}


def _nothing_to_learn(recipe: Recipe) -> DataError:
    column = next(iter(recipe.inputs))
    return DataError(
        f"There is no answer to learn from in any row: column {column!r} has no turn of an assistant, or is empty.",
        where=column,
        expected="a turn of the role assistant",
        got="none",
        fix="give dialogues that an assistant ends",
    )


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
    targets=("answer", "rejected"),
    defaults={"model": {"name": "decoder"}, "train": {"optimizer": "muon", "learning_rate": 0.01, "batch_size": 16}},
    build=build,
    objective=objective,
    losses=("cross_entropy", "focal", "generalised_cross_entropy"),
    examples=examples,
    graphs=graphs,
    settle=settle,
    answer=answer,
    foretell=foretell,
    writes=pen,
    options={
        "max_length": 200,
        "temperature": 0.0,
        "top_k": 0,
        "top_p": 1.0,
        "repetition_penalty": 1.0,
        "stop": (),
        "schema": {},
        "seed": 0,
    },
    truth=truth,
    correct=correct,
    compare=compare,
    scores=scores,
    paired="text_bits",
    baselines=baselines,
)
