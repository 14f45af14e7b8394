"""The command line: find the verb, call it, print its result; a mistake of the user never shows a traceback."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from feilun import __version__
from feilun.cli import say as drawing
from feilun.cli.record import Context, Result, Verb
from feilun.cli.table import GROUPS, VERBS
from feilun.cli.words import tell
from feilun.core import language
from feilun.core.errors import FeilunError, InputError, Stopped

SCHEMA = "feilun.cli/1"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 done, 1 our bug, 2 your input, 3 threshold, 4 integrity, 5 busy, 130 stopped."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # a Windows code page cannot print Chinese
            stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    try:
        code = _command(words)
        sys.stdout.flush()  # here, where a reader that went away is expected
        return code
    except BrokenPipeError:  # `feilun runs | head`
        _say_no_more()
        return 0


def _say_no_more() -> None:
    """The reader of our output went away; Python would complain once more when it closes the stream."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> argparse.ArgumentParser:
    """All verbs and flags, from the table."""
    top = _Parser(
        prog="feilun",
        description=_listing(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="feilun VERB ... [options]",
        parents=[_flags(top=True)],
    )
    top.add_argument("--version", action="version", version=f"feilun {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", help=argparse.SUPPRESS, parser_class=_Parser, prog="feilun")
    for verb in VERBS:
        inner = verbs.add_parser(
            verb.name,
            description=verb.summary[0].upper() + verb.summary[1:] + ".",
            epilog=(verb.example and f"example:\n  {verb.example}\n\n") + "`feilun --help` lists the global options.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[_flags(top=False)],
        )
        for item in verb.arguments:
            inner.add_argument(*item.names, **item.options)
        if verb.changes:
            inner.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    return top


def usage(name: str) -> str | None:
    """What `feilun VERB --help` prints; None if there is no such verb."""
    [verbs] = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return verbs.choices[name].format_help().rstrip() if name in verbs.choices else None


class _Parser(argparse.ArgumentParser):
    """argparse, telling its complaints through our errors, so that `--json` gets them too."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{self.prog}: {message}. `{self.prog} --help` explains.", where=self.prog, got=message)


def _flags(*, top: bool) -> _Parser:
    """The global flags. They may also stand after the verb, where they neither reset those before nor fill its help."""
    flags = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = flags.add_argument_group("global options")
    for names, options in _GLOBAL:
        told = options["help"] if top else argparse.SUPPRESS
        group.add_argument(*names, **{**options, "help": told})
    return flags


_ON: dict[str, Any] = {"action": "store_true", "default": argparse.SUPPRESS}
_GLOBAL: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--json",), {**_ON, "help": "one JSON object on standard output, progress on standard error"}),
    (("-q", "--quiet"), {**_ON, "help": "only the result"}),
    (("-v", "--verbose"), {**_ON, "help": "also what is usually left out"}),
    (("--debug",), {**_ON, "help": "show the traceback of an error"}),
    (("--no-color",), {**_ON, "help": "no colours"}),
    (
        ("--lang",),
        {"choices": ("en", "zh"), "help": "language of messages and reports; default: FEILUN_LANG, else the system's"},
    ),
    (("--home",), {"metavar": "FOLDER", "help": "where runs are kept; default: FEILUN_HOME, else ./runs"}),
    (("--offline",), {**_ON, "help": "never use the network"}),
    (("-y", "--yes"), {**_ON, "help": "do not ask, overwrite"}),
)


def _command(words: list[str]) -> int:
    started = time.monotonic()
    as_json, debug = "--json" in words, "--debug" in words
    verb: Verb | None = None
    lang = language.spoken()
    try:
        arguments = vars(_parsed(words))
        flags = {name: arguments.pop(name, None) for name in _FLAGS}
        lang = language.spoken(flags["lang"])
        name = arguments.pop("verb")
        if name is None:
            parser().print_help()
            return 0
        verb = next(verb for verb in VERBS if verb.name == name)
        result = _called(verb, arguments, flags, lang)
    except SystemExit as stop:  # --help, --version
        return int(stop.code or 0)
    except BrokenPipeError:  # in the middle of the verb: it did not come to its end
        _say_no_more()
        return Stopped.exit_code
    except KeyboardInterrupt:
        _fail(Stopped(tell(lang, "Stopped. The same command goes on from here.")), verb, as_json, started)
        return 130
    except Exception as error:
        if debug:
            raise
        _fail(error, verb, as_json, started, lang)
        if isinstance(error, OSError) and error.errno in _PLACES:
            return InputError.exit_code
        return error.exit_code if isinstance(error, FeilunError) else 1
    _show(result, verb, as_json, started, lang)
    return result.exit_code


_FLAGS = ("json", "quiet", "verbose", "debug", "no_color", "lang", "home", "offline", "yes")


def _parsed(words: list[str]) -> argparse.Namespace:
    known = [verb.name for verb in VERBS]
    asked = next((word for word in words if not word.startswith("-")), None)
    if asked is not None and asked not in known and words[0] == asked:
        near = difflib.get_close_matches(asked, known, n=1)
        hint = f"Did you mean `feilun {near[0]}`?" if near else "`feilun --help` lists the verbs."
        raise InputError(f"There is no verb {asked!r}. {hint}", where="feilun", got=asked, expected=", ".join(known))
    return parser().parse_args(words)


def _called(verb: Verb, arguments: dict[str, Any], flags: dict[str, Any], lang: str) -> Result:
    if flags["offline"]:
        os.environ["HF_HUB_OFFLINE"] = "1"
    say = drawing.default_say(as_json=bool(flags["json"]), quiet=bool(flags["quiet"]))
    context = Context(
        home=Path(flags["home"] or os.environ.get("FEILUN_HOME") or "runs"),
        say=say,
        lang=lang,
        json=bool(flags["json"]),
        quiet=bool(flags["quiet"]),
        verbose=bool(flags["verbose"]),
        yes=bool(flags["yes"]),
        usage=usage,
        dry_run=bool(arguments.pop("dry_run", False)),
    )
    before = os.environ.get(language.ASKED)
    os.environ[language.ASKED] = lang  # what a verb writes, such as the report, opens in it too
    try:
        return verb.call(context, **arguments)
    finally:
        os.environ.pop(language.ASKED)
        if before is not None:
            os.environ[language.ASKED] = before
        if isinstance(say, drawing.TerminalSay):
            say.close()


def _show(result: Result, verb: Verb, as_json: bool, started: float, lang: str) -> None:
    if as_json:
        fields = {"name": result.name, "version": result.version, "run": result.run, "result": result.value}
        print(_envelope(verb.name, started, ok=True, warnings=list(result.warnings), next=result.next, **fields))
        return
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    text = "  ".join(
        part for part in (result.text, result.next and tell(lang, "Next: {next}", next=result.next)) if part
    )
    if text:
        print(text)


_PLACES = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)),
        "free some space there, then type the same again",
    ),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "choose a folder you may write to (--home)"),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR), "choose a folder that exists (--home, -o)"),
}


def _place_error(error: OSError) -> InputError:
    """A disk that is full or a folder that cannot be used is no bug of ours; what was saved before stays."""
    where, fix = str(error.filename or "the disk"), _PLACES[error.errno or 0]
    message = f"{where}: {error.strerror}. What was saved before is whole; {fix}."
    return InputError(message, where=where, got=str(error.strerror), fix=fix)


def _fail(error: Exception, verb: Verb | None, as_json: bool, started: float, lang: str = "en") -> None:
    if isinstance(error, OSError) and error.errno in _PLACES:
        error = _place_error(error)
    if not isinstance(error, FeilunError):
        what = f"{type(error).__name__}: {error}"
        template = "This is a bug in Feilun: {what}. Run again with --debug for the traceback, and please report it."
        error = FeilunError(tell(lang, template, what=what.splitlines()[0]))
    if as_json:
        print(_envelope(verb.name if verb else "", started, ok=False, error=error.to_json()))
    else:
        print(str(error), file=sys.stderr)


def _envelope(verb: str, started: float, **fields: Any) -> str:
    empty: dict[str, Any] = {
        "name": "",
        "version": "",
        "run": "",
        "result": None,
        "warnings": [],
        "error": None,
        "next": "",
    }
    seconds = round(time.monotonic() - started, 3)
    whole = {"schema": SCHEMA, "ok": False, "verb": verb, **empty, "seconds": seconds, **fields}
    return json.dumps(whole, ensure_ascii=False, default=str)


def _listing() -> str:
    lines = ["Train a deep model on your own data, put it in production, and let its users make it better.", ""]
    for group in GROUPS:
        lines += [f"{group}:", *(f"  {verb.name:10} {verb.summary}" for verb in VERBS if verb.group == group), ""]
    return "\n".join([*lines, "`feilun help train.epochs` explains a recipe key, `feilun help run` a verb."])


if __name__ == "__main__":
    sys.exit(main())
