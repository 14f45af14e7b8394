"""Verbs that close the loop: feedback, monitor, improve, promote, rollback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from feilun.cli.record import Context, Result, Verb, argument
from feilun.cli.words import tell
from feilun.core.errors import InputError


def feedback(context: Context, action: str, name: str, source: str | None = None) -> Result:
    """List what users said, or add what they said elsewhere from a JSON lines file."""
    from feilun import lifecycle
    from feilun.cli.looking import columns, short

    home = context.home.resolve()
    lifecycle.find(name, home)
    if action == "list":
        given = lifecycle.call("improvement", "feedback", home, name)
        rows = [
            [item["id"], f"{name}@{item['version']}", short(item["given"]), short(item["answer"])] for item in given
        ]
        return Result(value=given, text=columns(rows) or tell(context.lang, "nothing here yet"), name=name)
    if source is None:
        raise InputError("feedback add needs a file: `feilun feedback add my answers.jsonl`.", where="feedback")
    if context.dry_run:
        return _would(context, f"add the answers in {source} to {name}")
    added = lifecycle.call("improvement", "add_feedback", home, name, source)
    return Result(value=added, text=f"{added['added']} added, {added['known']} known already", name=name)


def monitor(context: Context, name: str) -> Result:
    """Traffic, latency, confidence and input drift of the champion."""
    from feilun import lifecycle

    home = context.home.resolve()
    name, number, folder = lifecycle.find(name, home)
    told = lifecycle.call("improvement", "monitor", home, name, folder)
    return Result(value=told, text=_report(told), name=name, version=f"{name}@{number}", next=str(told.get("next", "")))


def improve(context: Context, name: str) -> Result:
    """One lap: learn from feedback, compare with the champion, promote only what is better."""
    from feilun import lifecycle

    if context.dry_run:
        lifecycle.find(name, context.home)
        return _would(context, f"retrain {name} on its feedback and promote the new version if it is better")
    told = lifecycle.improve(name, home=context.home, say=context.say)
    template = "promote {version}: {reason}" if told["decision"] == "promote" else "keep {version}: {reason}"
    serving = told["challenger"] if told["decision"] == "promote" else told["champion"]
    text = tell(context.lang, template, version=serving, reason=told["reason"])
    value = {key: item for key, item in told.items() if key != "run"}
    return Result(value=value, text=text, name=name, version=serving, next=f"feilun show {told['challenger']}")


def promote(context: Context, thing: str, *, reason: str) -> Result:
    """Make a version the champion by hand."""
    from feilun import lifecycle

    home = context.home.resolve()
    if "@" not in thing:
        raise InputError(f"promote needs a version, such as {thing}@2. `feilun models {thing}` lists them.", got=thing)
    name, number, _ = lifecycle.find(thing, home)
    if context.dry_run:
        return _would(context, f"make {name}@{number} the champion")
    lifecycle.call("improvement", "promote", home, name, number, reason)
    return _serves(context, name, number)


def rollback(context: Context, name: str, *, reason: str) -> Result:
    """Back to the champion before this one, or to the version named."""
    from feilun import lifecycle

    home = context.home.resolve()
    plain, at, _ = name.partition("@")
    number = lifecycle.find(name, home)[1] if at else None
    lifecycle.find(plain, home)
    if context.dry_run:
        return _would(context, f"go back to {name if at else 'the champion before this one'}")
    lifecycle.call("improvement", "rollback", home, plain, number, reason)
    return _serves(context, plain, lifecycle.call("improvement", "champion", home, plain))


def _serves(context: Context, name: str, number: int) -> Result:
    version = f"{name}@{number}"
    text = tell(context.lang, "{name} serves {version}", name=name, version=version)
    return Result(value={"champion": number}, text=text, name=name, version=version)


def _would(context: Context, what: str) -> Result:
    return Result(text=tell(context.lang, "Would {what}. Nothing was changed (--dry-run).", what=what))


def _report(told: Mapping[str, Any]) -> str:
    """The monitor's own sentences if it has any, else its values."""
    if told.get("lines"):
        return "\n".join(str(line) for line in told["lines"])
    from feilun.cli.looking import columns

    return columns([[str(key), _value(item)] for key, item in told.items() if key != "next"])


def _value(item: Any) -> str:
    if isinstance(item, float):
        return f"{item:.4g}"
    if isinstance(item, Mapping):
        return ", ".join(f"{key} {_value(inner)}" for key, inner in item.items())
    if isinstance(item, list):
        return "; ".join(_value(inner) for inner in item)
    return str(item)


_REASON = argument("--reason", default="by hand", help="why; it is kept in the audit log")

VERBS = (
    Verb(
        name="feedback",
        group="Improve",
        summary="list or add what users said",
        call=feedback,
        arguments=(
            argument("action", choices=("list", "add"), help="what to do"),
            argument("name", help="such as my"),
            argument("source", nargs="?", help="for add: a JSON lines file of {id, answer}"),
        ),
        changes=True,
        example="feilun feedback list my",
    ),
    Verb(
        name="monitor",
        group="Improve",
        summary="traffic, latency, confidence, drift",
        call=monitor,
        arguments=(argument("name", help="such as my"),),
        example="feilun monitor my",
    ),
    Verb(
        name="improve",
        group="Improve",
        summary="learn from feedback; promote only what is better",
        call=improve,
        arguments=(argument("name", help="such as my"),),
        changes=True,
        example="feilun improve my",
    ),
    Verb(
        name="promote",
        group="Improve",
        summary="make a version the champion",
        call=promote,
        arguments=(argument("thing", help="a version, such as my@2"), _REASON),
        changes=True,
        example="feilun promote my@2 --reason 'agreed with the clinic'",
    ),
    Verb(
        name="rollback",
        group="Improve",
        summary="back to the champion before",
        call=rollback,
        arguments=(argument("name", help="such as my, or my@1"), _REASON),
        changes=True,
        example="feilun rollback my --reason 'complaints'",
    ),
)
