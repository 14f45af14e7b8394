"""What a request for a text asks, in OpenAI's words. What we do not carry is refused, unless it changes nothing."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from feilun.core.errors import FeilunError
from feilun.parts.features.turns import ROLES, turns_of
from feilun.parts.ops import next_token
from feilun.stages.deployment.serving.replies import Refused

if TYPE_CHECKING:
    from feilun.core.recipe import Serve

MOST_CHOICES = 8  # n times prompts: each takes a slot
MOST_TOLD = 20  # of top_logprobs, as with OpenAI
UNSAID_TOKENS = 16  # of a completion whose max_tokens is left out, as with OpenAI
DRAWN = {field.name for field in fields(next_token.Drawing)}
BOTH = {"model", "n", "seed", "stop", "stream", "stream_options", "logprobs", "max_tokens", *DRAWN}
CHAT = {*BOTH, "messages", "max_completion_tokens", "top_logprobs", "response_format"}
COMPLETION = {*BOTH, "prompt"}
ANY_OBJECT = {"type": "object"}
FORM = '{"name": "answer", "schema": {"type": "object"}}'
HARMLESS = {"user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"}
# Values that ask for nothing beyond what is done anyway; null is one of them everywhere.
EMPTY: Mapping[str, tuple[Any, ...]] = {
    "store": (False,),
    "service_tier": ("auto", "default"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "logit_bias": ({},),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "audio": (),
    "prediction": (),
    "reasoning_effort": (),
    "verbosity": (),
    "web_search_options": (),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request. prompts: texts, or of a chat its turns (role, said); each is gone on with `n` times."""

    model: str | None
    prompts: Sequence[str | Sequence[tuple[str, str]]]
    n: int
    longest: int
    drawing: next_token.Drawing
    seed: int
    stops: tuple[str, ...]
    told: int | None  # so many of the likeliest tokens are told beside each; None: no log-probabilities
    stream: bool
    include_usage: bool
    schema: Mapping[str, Any] | None = None  # what the texts are held to


def chat(body: Mapping[str, Any], settings: Serve) -> Asked:
    """Raises Refused 400."""
    given = _known(body, CHAT)
    messages = given.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _wrong("messages", "a list of messages, such as [{'role': 'user', 'content': 'Hello'}]", messages)
    for place, message in enumerate(messages):
        extra = sorted(set(message) - {"role", "content", "name"}) if isinstance(message, dict) else []
        if any(message[key] for key in extra):
            raise _unsupported(f"messages[{place}].{extra[0]}")
        try:
            turns_of("messages", [message])
        except FeilunError as error:
            wanted = f"a message such as {{'role': 'user', 'content': 'Hello'}}, of the role {', '.join(ROLES)}"
            raise _wrong(f"messages[{place}]", wanted, message) from error
    turns = turns_of("messages", messages)
    both = [given[name] for name in ("max_completion_tokens", "max_tokens") if name in given]
    if len(both) == 2 and both[0] != both[1]:
        raise _wrong("max_tokens", f"the same as max_completion_tokens, {both[0]!r:.20}, or nothing", both[1])
    told = _whole(given, "top_logprobs", 0, MOST_TOLD, 0)
    logprobs = _flag(given, "logprobs")
    if "top_logprobs" in given and not logprobs:
        raise _wrong("top_logprobs", "`logprobs: true` beside it", told)
    name = "max_completion_tokens" if "max_completion_tokens" in given else "max_tokens"
    longest = _whole(given, name, 1, settings.max_tokens, settings.max_tokens)
    asked = _asked(given, [turns], longest, told if logprobs else None)
    return replace(asked, schema=_schema(given, asked.stops))


def completion(body: Mapping[str, Any], settings: Serve) -> Asked:
    """Raises Refused 400."""
    given = _known(body, COMPLETION)
    prompt = given.get("prompt")
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if not isinstance(prompts, list) or not prompts or not all(isinstance(one, str) for one in prompts):
        raise _wrong("prompt", "a text or a list of texts; token numbers are not taken", prompt)
    longest = _whole(given, "max_tokens", 1, settings.max_tokens, min(UNSAID_TOKENS, settings.max_tokens))
    told = _whole(given, "logprobs", 0, 5, 0) if "logprobs" in given else None
    return _asked(given, prompts, longest, told)


def _asked(given: Mapping[str, Any], prompts: Sequence[Any], longest: int, told: int | None) -> Asked:
    n = _whole(given, "n", 1, MOST_CHOICES, 1)
    if n * len(prompts) > MOST_CHOICES:
        raise _wrong("n" if n > 1 else "prompt", f"at most {MOST_CHOICES} texts in all", n * len(prompts))
    options = given.get("stream_options")
    stream = _flag(given, "stream")
    if options is not None and (
        not isinstance(options, dict) or set(options) - {"include_usage", "include_obfuscation"}
    ):
        raise _wrong("stream_options", '{"include_usage": true}', options)
    model = given.get("model")
    if model is not None and not isinstance(model, str):
        raise _wrong("model", "the name of a model", model)
    drawn = {name: value for name, value in given.items() if name in DRAWN}
    try:
        drawing = next_token.Drawing(**{"temperature": 1.0, **drawn})
        stops = next_token.stops(given.get("stop", ()))
    except next_token.OutOfBoundsError as error:
        raise _wrong(error.name, error.expected, given.get(error.name)) from None
    return Asked(
        model=model,
        prompts=prompts,
        n=n,
        longest=longest,
        drawing=drawing,
        seed=_whole(given, "seed", -next_token.SEEDS, next_token.SEEDS - 1, secrets.randbits(32)),
        stops=stops,
        told=told,
        stream=stream,
        include_usage=stream and _flag(options or {}, "include_usage"),
    )


def _schema(given: Mapping[str, Any], stops: tuple[str, ...]) -> Mapping[str, Any] | None:
    """What response_format asks for; None: text."""
    form = given.get("response_format", {"type": "text"})
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "text":
        return None
    inner = form.get("json_schema") if kind == "json_schema" else {"schema": ANY_OBJECT}
    if kind not in ("json_schema", "json_object") or not isinstance(inner, dict):
        raise _wrong("response_format", f'text, json_object, or {{"type": "json_schema", "json_schema": {FORM}}}', form)
    if not isinstance(inner.get("schema"), dict):
        raise _wrong("response_format.json_schema.schema", "a JSON schema", inner.get("schema"))
    if stops:
        raise _wrong("stop", "nothing beside response_format: what is cut off is no JSON", list(stops))
    schema: Mapping[str, Any] = inner["schema"]
    return schema


def _known(body: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """What was said of the parameters that we carry; null is the same as nothing."""
    for name, value in body.items():
        if value is None or name in known or name in HARMLESS or any(value == one for one in EMPTY.get(name, ())):
            continue
        if name in EMPTY:
            raise _unsupported(name)
        raise Refused(
            400,
            f"There is no parameter {name[:80]!r}.",
            where=name,
            expected=", ".join(sorted(known)),
            got=name,
            fix="leave it out",
        )
    return {name: value for name, value in body.items() if name in known and value is not None}


def _whole(given: Mapping[str, Any], name: str, least: int, most: int, unsaid: int) -> int:
    value = given.get(name, unsaid)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _wrong(name, f"a whole number from {least} to {most}", value)
    return value


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise _wrong(name, "true or false", value)
    return bool(value)


def _wrong(name: str, expected: str, got: Any) -> Refused:
    said = (
        "missing"
        if got is None
        else f"{got!r:.100}"
        if not isinstance(got, float) or math.isfinite(got)
        else "no number"
    )
    return Refused(400, f"{name} is {said}; expected {expected}.", where=name, expected=expected, got=said)


def _unsupported(name: str) -> Refused:
    return Refused(
        400,
        f"This server does not carry the parameter {name!r}. Leave it out.",
        where=name,
        expected="left out",
        got=name,
        fix="leave it out",
    )
