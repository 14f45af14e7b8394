"""Chat templates as published models bring them: Jinja in a sandbox, bounded, and where in it assistants speak."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from feilun.core.errors import DataError

OPEN, CLOSE = "\udc01", "\udc02"  # around {% generation %}; halves of letters, which no text has
SAID = "\udc03"  # in the place of what was said
LONGEST_TEMPLATE, MOST_LETTERS = 100_000, 50_000_000
Turns = Sequence[tuple[str, str]]
PLAIN = """{% for message in messages %}### {{ message.role | capitalize }}:
{{ message.content }}{% if message.role == "assistant" %}{{ eos_token }}{% endif %}

{% endfor %}{% if add_generation_prompt %}### Assistant:
{% endif %}"""


def prepared(template: str, bos: str, eos: str) -> str:
    """With the marks that it may name written into it. Raises DataError for one that cannot be read."""
    marks = {"bos_token": bos, "eos_token": eos}
    whole = "".join(f"{{% set {name} = {json.dumps(mark)} %}}" for name, mark in marks.items()) + template
    if len(whole) > LONGEST_TEMPLATE:
        raise _wrong(f"it has {len(whole):,} letters, more than {LONGEST_TEMPLATE:,}")
    _compiled(whole)
    return whole


def rendered(template: str, turns: Turns, *, goes_on: bool) -> str:
    """The dialogue as one text. goes_on: it is the assistant's turn at its end.  Raises DataError."""
    return _rendered(template, turns, goes_on=goes_on).replace(OPEN, "").replace(CLOSE, "")


def spoken(template: str, turns: Turns, text: str) -> list[tuple[int, int]]:
    """[first letter, behind the last) in the rendered `text` of what each assistant said, its end mark included.

    What {% generation %} encloses, where the template has that; else what comes behind the dialogue up to there,
    rendered with the assistant to go on.  Raises DataError for a template that tells neither.
    """
    marked = _rendered(template, turns, goes_on=False)
    if OPEN in marked:
        return _enclosed(marked)
    found = []
    for place, (role, said) in enumerate(turns):
        if role != "assistant":
            continue
        before = _common(rendered(template, turns[:place], goes_on=True), text)
        least = len(rendered(template, turns[:place], goes_on=False)) if place else 0
        if before < least:
            raise _wrong("what it writes of the first turns changes when others follow, and it has no generation marks")
        end = _end(template, turns[: place + 1], turns[place + 1 :], text)
        if said.strip() and end <= before:
            raise _wrong("what it writes of an assistant's turn does not show what was said")
        found.append((before, end))
    return found


def _end(template: str, turns: Turns, others: Turns, text: str) -> int:
    """Behind what the last of these turns said, and its end mark, in the `text` of all of them and others.

    Some templates write a turn in another way once others follow, such as without its thoughts: then it is sought
    between what stands around it.
    """
    alone = rendered(template, turns, goes_on=False)
    if text.startswith(alone):
        return len(alone)
    marked = [*turns[:-1], (turns[-1][0], SAID)]
    before, _, behind = rendered(template, [*marked, *others], goes_on=False).partition(SAID)
    mark = rendered(template, marked, goes_on=False).rpartition(SAID)[2]
    end = len(text) - len(behind)
    if end < len(before) or not text.startswith(before) or not text.endswith(behind):
        raise _wrong("what it writes of the first turns changes when others follow, and it has no generation marks")
    return end + _common(mark, behind)


def _enclosed(marked: str) -> list[tuple[int, int]]:
    found, count, start = [], 0, 0
    for letter in marked:
        if letter == OPEN:
            start = count
        elif letter == CLOSE:
            found.append((start, count))
        else:
            count += 1
    return found


def _rendered(template: str, turns: Turns, *, goes_on: bool) -> str:
    import jinja2

    messages = [{"role": role, "content": said} for role, said in turns]
    bound = MOST_LETTERS + 100 * sum(len(said) for _, said in turns)
    parts, letters = [], 0
    try:
        for part in _compiled(template).generate(messages=messages, add_generation_prompt=goes_on, tools=None):
            parts.append(part)
            letters += len(part)
            if letters > bound:
                raise _wrong(f"it writes more than {bound:,} letters")
    except (jinja2.TemplateError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise _wrong(str(error)) from error
    return "".join(parts)


@cache
def _compiled(template: str) -> Any:
    import jinja2

    try:
        return _environment().from_string(template)
    except jinja2.TemplateError as error:
        raise _wrong(str(error)) from error


@cache
def _environment() -> Any:
    """Templates come from others: they reach no attribute that is not theirs, change nothing, and multiply no texts."""
    from jinja2 import nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            open_, close = (nodes.Output([nodes.TemplateData(mark)], lineno=line) for mark in (OPEN, CLOSE))
            return [open_, *body, close]

    Generation.tags = {"generation"}

    class Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset(["*", "**"])

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if not all(isinstance(one, int | float) and abs(one) < 1_000_000 for one in (left, right)):
                raise ValueError(f"{operator} is for small numbers here")
            return super().call_binop(context, operator, left, right)

    made = Environment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    made.globals["raise_exception"] = _refused
    return made


def _refused(said: Any) -> Callable[..., Any]:
    raise _wrong(str(said))


def _common(one: str, other: str) -> int:
    """Letters that both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (mine, theirs) in pairs if mine != theirs), min(len(one), len(other)))


def _wrong(why: str) -> DataError:
    return DataError(
        f"The chat template of the published tokens does not take this dialogue: {why}.",
        where="chat_template",
        expected="a dialogue that the template knows",
        got=why[:200],
        fix="give turns in the order that the model was taught, or correct chat_template.jinja beside tokenizer.json",
    )
