"""Answering and judging with a decoder: going on with a text, and telling how likely a text was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.errors import DataError
from feilun.core.task import Json, Row, State
from feilun.parts.features import dialogue
from feilun.parts.ops import continuing, held_text, next_token, step_graph
from feilun.parts.ops.ragged import together

if TYPE_CHECKING:
    from feilun.core.protocols import Runner
    from feilun.core.task import Features

LETTERS = 128  # of the longest token, as people write
AT_ONCE = 4096  # tokens of windows whose likelihood is read together,
NUMBERS = 1 << 24  # and of numbers that foretell them: 64 MB


def answer(
    run: Runner,
    inputs: Mapping[str, np.ndarray],
    features: Features,
    state: State,
    *,
    max_length: int = 200,
    stop: Sequence[str] = (),
    schema: Mapping[str, Any] | None = None,
    seed: int = 0,
    **drawn: Any,
) -> list[Json]:
    """`{text, finish, tokens, confidence}`: what comes next, until the end, a stop, or `max_length` tokens.

    The likeliest tokens, or drawn ones if `temperature` is not 0, see `next_token.Drawing`; what is drawn hangs on the
    seed and that text alone.
    finish: "stop" or "length"; confidence: the geometric mean of the tokens' probabilities. Text from a stop on is
    left out.  schema: the text is JSON that fits it wherever finish is "stop"; None or {}: it is free.
    Raises OutOfBoundsError for options out of bounds.
    """
    drawing = next_token.Drawing(**drawn)
    longest, stops = next_token.bounded("max_length", max_length, next_token.MOST_TOKENS), next_token.stops(stop)
    words = next_token.seeded(seed)
    text: Any = features["text"]
    if schema and stops:
        raise next_token.OutOfBoundsError("stop", "nothing beside schema: what is cut off is no JSON", stop)
    holding = [_hold(text, schema, longest) if schema else None for _ in inputs["text"]]
    given = zip(inputs["text"], inputs["text_length"], strict=True)
    prompts = [dialogue.plain(row[:count]).tolist() for row, count in given]
    wishes = [
        continuing.Wish(
            prompt=prompt,
            longest=longest,
            drawing=drawing,
            seed=[*words, *prompt],
            allowed=form.allowed if form else None,
            whole=form.whole if form else None,
        )
        for prompt, form in zip(prompts, holding, strict=True)
    ]
    found = continuing.gone_on(
        step_graph.step(run),
        wishes,
        _sizes(state, text),
        ends=text.stops,
        stop=lambda tokens: bool(stops) and any(one in text.decode(tokens) for one in stops),
    )
    return [_answer(one, text, stops) for one in found]


def pen(run: Runner, features: Features, state: State) -> continuing.Pen:
    """What a server needs to write for many at once."""
    text: Any = features["text"]

    def prompt(row: Mapping[str, Any]) -> list[int]:
        most = LETTERS * (text.context + 1)  # letters that may matter: of a longer text only the last tokens are seen
        read = {column: [_last(row[column], most)] for column in text.columns}
        tokens: list[int] = dialogue.plain(text.encode(read)[0]).tolist()
        return tokens

    return continuing.Pen(
        step=step_graph.step(run),
        sizes=_sizes(state, text),
        ends=text.stops,
        decode=text.decode,
        written=lambda token: text.pieces.written[token],
        row=lambda asked: _row(text, asked),
        prompt=prompt,
        hold=lambda schema, longest: _hold(text, schema, longest),
    )


def foretell(run: Runner, inputs: Mapping[str, np.ndarray], features: Features, state: State) -> list[Json]:
    """`{nats, tokens}` of every text that is there, or of its answer: how unlikely it was, summed over its tokens.

    Every token counts once, the end of a plain text does not. What is longer than the context is read in windows that
    overlap by half, so that all behind the first one is foretold from half a context at least.
    Of preferences `gain` too: by how many nats the preferred answer became likelier than it was before training, less
    the same of the other answer; None where one of them is missing.
    """
    text: Any = features["text"]
    sizes = _sizes(state, text)
    step = partial(step_graph.nats, run, sizes=sizes)
    found = _summed(step, inputs, "answer", sizes)
    made = [{"nats": round(float(nats), 4), "tokens": int(tokens)} for nats, tokens in found]
    if "rejected" not in inputs:
        return made
    still = partial(step_graph.nats_before, run)
    gains = _summed(still, inputs, "answer", sizes)[:, 0] - found[:, 0]
    gains -= (_summed(still, inputs, "rejected", sizes) - _summed(step, inputs, "rejected", sizes))[:, 0]
    pairs = (inputs["answer_length"] > 0) & (inputs["rejected_length"] > 0)
    told = [round(float(gain), 4) if pair else None for gain, pair in zip(gains, pairs, strict=True)]
    return [{**one, "gain": gain} for one, gain in zip(made, told, strict=True)]


def _summed(
    nats_of: Callable[[Sequence[np.ndarray]], list[np.ndarray]],
    inputs: Mapping[str, np.ndarray],
    answer: str,
    sizes: continuing.Sizes,
) -> np.ndarray:
    """(nats, tokens) of each row, (B, 2), over the tokens that count."""
    windows: list[tuple[int, np.ndarray, np.ndarray]] = []  # row, tokens, which of them count
    for row, count in enumerate(inputs["text_length"]):
        tokens = inputs["text"][row, :count]
        if answer in inputs:
            tokens = np.concatenate([tokens, inputs[answer][row, : inputs[f"{answer}_length"][row]]])
        counts, tokens = dialogue.taught(tokens), dialogue.plain(tokens)
        windows += [(row, tokens[part], counts[part] & fresh) for part, fresh in _windows(len(tokens), sizes.context)]
    windows = sorted((one for one in windows if one[2][1:].any()), key=lambda one: len(one[1]))
    found = np.zeros((len(inputs["text"]), 2))
    lengths = np.array([len(tokens) for _, tokens, _ in windows], np.int64)
    for part in together(lengths, min(AT_ONCE, NUMBERS // sizes.symbols)):
        some = windows[part]
        nats = nats_of([tokens for _, tokens, _ in some])
        for (row, _, counts), own in zip(some, nats, strict=True):
            found[row] += own[counts[1:]].sum(), counts[1:].sum()
    return found


def _windows(count: int, context: int) -> Iterator[tuple[slice, np.ndarray]]:
    """(place, which of its tokens no window before it foretold) of every window of a text of so many tokens."""
    seen = 0  # the last token that was foretold
    while seen < count - 1:
        start = max(0, seen - context + max(1, context // 2)) if seen else 0
        behind = min(count, start + context + 1)
        yield slice(start, behind), np.arange(start, behind) > seen
        seen = behind - 1


def _last(value: Any, most: int) -> Any:
    """So many letters at the end of a text, or of everything that was said in a dialogue."""
    if isinstance(value, str):
        return value[-most:]
    if not isinstance(value, list):
        return value
    return [{**one, "content": one["content"][-most:]} if isinstance(one.get("content"), str) else one for one in value]


def _row(text: Any, asked: str | Sequence[tuple[str, str]]) -> Row:
    """A row of this model's columns that asks this text, or this dialogue. Raises DataError if it was taught none."""
    if text.role == "chat":
        turns = [("user", asked)] if isinstance(asked, str) else asked
        return {text.columns[0]: [{"role": role, "content": said} for role, said in turns]}
    if text.role == "text" and not isinstance(asked, str):
        raise DataError(
            "This model was taught to go on with texts, not to answer messages. Ask /v1/completions.",
            where="messages",
            expected="a prompt",
            got="messages",
            fix="send the text as prompt to /v1/completions",
        )
    # Taught are single questions: what was said before is part of the question.
    question = asked if isinstance(asked, str) else dialogue.BETWEEN.join(said for _, said in asked)
    return {**dict.fromkeys(text.columns, ""), text.columns[0]: question}


def _hold(text: Any, schema: Mapping[str, Any], longest: int) -> held_text.Holding:
    return held_text.Holding(held_text.to_schema(schema, text.pieces, text.stops[0]), longest)


def _sizes(state: State, text: Any) -> continuing.Sizes:
    sizes = {name: int(state[name]) for name in ("layers", "groups", "head")}
    return continuing.Sizes(**sizes, context=text.context, symbols=text.vocabulary_size, banned=text.banned)


def _answer(one: continuing.Written, text: Any, stops: Sequence[str]) -> Json:
    said = text.decode(one.tokens).removesuffix(dialogue.STRANGE)  # a character cut off in its middle
    ends = [place for place in (said.find(stop) for stop in stops) if place >= 0]
    count = len(one.tokens) + (one.ended and not ends)
    return {
        "text": said[: min(ends, default=len(said))],
        "finish": "stop" if one.ended else "length",
        "tokens": len(one.tokens),
        "confidence": round(float(np.exp(one.log / max(1, count))), 4),
    }
