"""Talking with a bundle that writes: the answer to a dialogue, told as it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from feilun.core.errors import InputError
from feilun.parts.bundle import answering, checks
from feilun.parts.ops import next_token
from feilun.parts.ops.continuing import Batch, Pen, Wish
from feilun.parts.ops.telling import Telling

if TYPE_CHECKING:
    from feilun.parts.bundle.loading import Bundle


@dataclass(frozen=True, kw_only=True, slots=True)
class Talk:
    """One to talk with. form: "chat" where a dialogue is answered, "question" where one question is, "text" where a
    text is gone on with."""

    called: str
    form: str
    pen: Pen
    wished: Callable[[Sequence[int]], Wish]  # behind a prompt
    stops: tuple[str, ...]

    def say(self, turns: Sequence[tuple[str, str]], told: Callable[[str], None]) -> str:
        """Write the answer to (role, what was said), of which only a chat sees more than the last; "stop" or "length".

        told: gets what is new, again and again; what it raises ends the answer.  Raises DataError for a wrong text.
        """
        prompt = self.pen.prompt(self.pen.row(list(turns) if self.form == "chat" else turns[-1][1]))
        batch, telling = (
            Batch(self.pen.step, self.pen.sizes, self.pen.ends),
            Telling(decode=self.pen.decode, stops=self.stops),
        )
        row, seen = batch.add(self.wished(prompt)), 0
        while batch.rows:
            batch.advance()
            if row.problem:
                raise answering.refused(row.problem)
            for token in row.tokens[seen:]:
                told(telling.add(token))
            seen = len(row.tokens)
            if telling.stopped:
                batch.drop(row)
        told(telling.end())
        return "stop" if row.ended or telling.stopped else "length"


def talk(bundle: Bundle, options: Mapping[str, Any]) -> Talk:
    """Ready, with these options of the task. Raises InputError for a bundle that does not write, or a wrong option."""
    if bundle.task.writes is None:
        raise InputError(
            f"{bundle.called} does {bundle.manifest['task']}: it does not talk. Ask it with `feilun predict`.",
            where=bundle.called,
            expected="text_generation",
            got=str(bundle.manifest["task"]),
            fix="ask it with `feilun predict`",
        )
    checks.options(options, bundle.task.options)
    pen: Pen = bundle.task.writes(bundle.run, bundle.features, bundle.state)
    drawn = {**bundle.task.options, **options}
    try:
        longest = next_token.bounded("max_length", drawn.pop("max_length"), next_token.MOST_TOKENS)
        stops, schema = next_token.stops(drawn.pop("stop")), drawn.pop("schema")
        words = next_token.seeded(drawn.pop("seed"))
        drawing = next_token.Drawing(**drawn)
        if schema:
            pen.hold(schema, longest)
    except next_token.OutOfBoundsError as error:
        raise answering.refused(error) from None

    def wished(prompt: Sequence[int]) -> Wish:
        plain = Wish(prompt=prompt, longest=longest, drawing=drawing, seed=[*words, *prompt])
        holding = pen.hold(schema, longest) if schema else None
        return replace(plain, allowed=holding.allowed, whole=holding.whole) if holding else plain

    text: Any = bundle.features["text"]
    form = text.role if text.role in ("chat", "text") else "question"
    return Talk(called=bundle.called, form=form, pen=pen, wished=wished, stops=stops)
