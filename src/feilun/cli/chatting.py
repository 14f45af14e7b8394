"""The verb that talks: a dialogue in the terminal with a bundle that writes."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from feilun.cli.record import Context, Result, Verb, argument
from feilun.cli.shipping import THING, options_of
from feilun.cli.words import tell
from feilun.core.errors import DataError

COMMANDS = "/new  /system TEXT  /quit"
KNOWN = ("/new", "/system", "/quit")  # a file may hold other lines that begin with a slash
CUT = "stopped"  # by Ctrl-C


@dataclass(kw_only=True, slots=True)
class _Dialogue:
    """What was said so far."""

    talk: Any  # a Talk of the deployment stage
    lang: str
    shows: bool  # answers, as they come
    system: str = ""
    turns: list[tuple[str, str]] = field(default_factory=list)
    told: list[dict[str, str]] = field(default_factory=list)

    def command(self, line: str) -> str | None:
        """What is said to a line that begins with a slash; None: it was the last."""
        word, _, rest = line.partition(" ")
        if word == "/quit":
            return None
        if word == "/new":
            self.turns.clear()
            return tell(self.lang, "A new dialogue.")
        if word == "/system" and self.talk.form == "chat":
            self.system = rest.strip()
            self.turns.clear()
            return tell(self.lang, "A new dialogue, which begins with that.")
        if word == "/system":
            return tell(self.lang, "This model was taught no dialogues, and takes no system message.")
        return tell(self.lang, "There is no command {word}. Commands: {commands}", word=word, commands=COMMANDS)

    def answer(self, line: str) -> str:
        """Ask, and show the answer as it comes; Ctrl-C ends it. -> stop, length or stopped."""
        said: list[str] = []

        def show(new: str) -> None:
            said.append(new)
            if self.shows:
                print(new, end="", flush=True)

        before = [("system", self.system)] if self.system else []
        try:
            finish = str(self.talk.say([*before, *self.turns, ("user", line)], show))
        except KeyboardInterrupt:
            finish = CUT
        if self.shows:
            print(flush=True)
        text = "".join(said)
        if finish != CUT or text:
            self.turns += [("user", line), ("assistant", text)]
        self.told.append({"asked": line, "text": text, "finish": finish})
        return finish


def chat(
    context: Context,
    thing: str,
    *,
    system: str | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    max_length: int | None = None,
    options: Sequence[str] | None = None,
) -> Result:
    """Talk until /quit, the end of the input, or Ctrl-C at the prompt; without a terminal a line is a question."""
    from feilun import lifecycle

    named = {"temperature": temperature, "seed": seed, "max_length": max_length}
    asked = {**options_of(options), **{name: value for name, value in named.items() if value is not None}}
    talk = lifecycle.call("deployment", "talk", lifecycle.bundle_folder(thing, context.home), asked)
    if isinstance(sys.stdin, io.TextIOWrapper):  # whatever the system speaks, such as ASCII or a Windows code page
        sys.stdin.reconfigure(encoding="utf-8", errors="strict")
    if system and talk.form != "chat":
        raise DataError(
            f"{talk.called} was taught no dialogues, and takes no system message. Leave --system out.",
            where="--system",
            fix="leave --system out",
        )
    at_desk = sys.stdin.isatty() and sys.stdout.isatty() and not context.json
    dialogue = _Dialogue(talk=talk, lang=context.lang, shows=not context.json, system=system or "")
    if at_desk and not context.quiet:
        print(_greeting(talk, context.lang))
    for line in _lines(at_desk):
        if line.startswith("/") and (at_desk or line.partition(" ")[0] in KNOWN):
            reply = dialogue.command(line)
            if reply is None:
                break
            if not context.json and not context.quiet:
                print(reply, file=sys.stdout if at_desk else sys.stderr)
            continue
        finish = dialogue.answer(line)
        if at_desk and not context.quiet and finish == "length":
            print(tell(context.lang, "(as long as --max-length allows)"))
        if not at_desk and finish == CUT:
            break
    return Result(value=dialogue.told, name=thing)


def _lines(at_desk: bool) -> Iterator[str]:
    """What is typed, a line at a time, until it ends."""
    if at_desk:
        with contextlib.suppress(ImportError):
            import readline

            readline.set_auto_history(True)  # lines can be edited and called back
    while True:
        try:
            line = input("> ") if at_desk else sys.stdin.readline()
        except (EOFError, KeyboardInterrupt):
            if at_desk:
                print(flush=True)
            return
        except UnicodeDecodeError as error:
            raise DataError(
                f"What was typed is no UTF-8: {error}. Send text in UTF-8.",
                where="standard input",
                expected="UTF-8",
                got=str(error)[:100],
                fix="iconv -t UTF-8",
            ) from error
        if not at_desk and not line:
            return
        if line.strip():
            yield line.strip()


def _greeting(talk: Any, lang: str) -> str:
    forms = {
        "chat": "{called} keeps the dialogue.",
        "question": "{called} answers every question for itself.",
        "text": "{called} goes on with what you write, every line for itself.",
    }
    return f"{tell(lang, forms[talk.form], called=talk.called)}  {COMMANDS}"


VERBS = (
    Verb(
        name="chat",
        group="Ship",
        summary="talk with a language model",
        call=chat,
        arguments=(
            THING,
            argument("--system", metavar="TEXT", help="what the dialogue begins with"),
            argument("--temperature", type=float, help="0 takes the likeliest token, more draws more freely"),
            argument("--seed", type=int, help="of what is drawn"),
            argument("--max-length", type=int, help="most tokens of an answer"),
            argument("--option", dest="options", action="append", metavar="KEY=VALUE", help="any option of the task"),
        ),
        example="feilun chat my --temperature 0.7",
    ),
)
