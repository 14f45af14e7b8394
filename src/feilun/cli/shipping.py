"""Verbs that bring a model to its users: predict, serve, export."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feilun.cli.record import Context, Result, Verb, argument
from feilun.cli.words import tell
from feilun.core.errors import InputError

NOTES = {
    "short_windows": "{count} rows have fewer steps before them than a window",
    "cut_texts": "{count} rows have longer texts than are read; the rest of them is left out",
}


def predict(
    context: Context,
    thing: str,
    source: str | None = None,
    *,
    row: Sequence[str] | None = None,
    options: Sequence[str] | None = None,
    output: str | None = None,
) -> Result:
    """Answer the rows of a file, or rows given as JSON."""
    from feilun import lifecycle

    folder = lifecycle.bundle_folder(thing, context.home)
    if (source is None) == (not row):
        raise InputError(
            "Expected a file of rows or --row, one of the two: `feilun predict my new.csv` or "
            """`feilun predict my --row '{"age": 41}'`.""",
            where="predict",
        )
    rows = [_object(text) for text in row or ()]
    out = Path(output) if output else None
    told: dict[str, int] = {}
    answers = lifecycle.call("deployment", "predict", folder, source or rows, options_of(options), out, told)
    warnings = [tell(context.lang, NOTES[name], count=count) for name, count in told.items()]
    if out is None:
        lines = [json.dumps(answer, ensure_ascii=False, default=str) for answer in answers]
        return Result(value=answers, text="\n".join(lines), name=thing, warnings=warnings)
    text = f"{tell(context.lang, '{count} rows answered', count=answers[0]['rows'])}  {out}"
    return Result(value=answers[0], text=text, name=thing, warnings=warnings)


def serve(context: Context, name: str, *, host: str | None = None, port: int | None = None) -> Result:
    """Answer over HTTP until stopped; a new champion is taken over without a failed request."""
    from feilun import console, lifecycle
    from feilun.core import manifest
    from feilun.core.recipe import Recipe

    asked = name
    name, number, folder = lifecycle.find(name, context.home)
    champion = lifecycle.call("improvement", "champion", context.home, name)
    if "@" in asked and number != champion:
        raise InputError(
            f"{asked} is not the version that serves; {name}@{champion} is. Promote it first: feilun promote {asked}",
            where=asked,
            expected=f"{name}@{champion}",
            got=asked,
            fix=f"feilun promote {asked}",
        )
    recipe = Recipe.model_validate(manifest.read_json(folder / "run.json")["recipe"])
    changed = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    settings = recipe.serve.model_copy(update=changed)
    if not 0 <= settings.port <= 65535:
        raise InputError(f"--port is {settings.port}; expected 0 to 65535, where 0 takes a free one.", where="--port")
    lifecycle.call("deployment", "serve", context.home.resolve(), name, settings, console.pages(), context.say)
    return Result(name=name)


def export(context: Context, thing: str, folder: str) -> Result:
    """Copy the bundle, every hash verified: graphs, predict.py, card; runs without Feilun."""
    from feilun import lifecycle

    bundle = lifecycle.bundle_folder(thing, context.home)
    lifecycle.load(bundle)  # verifies every hash, so that nothing damaged leaves the house
    place = Path(folder)
    if place.exists() and not context.yes:
        raise InputError(
            f"{place} is there already. Name another folder, or overwrite it with --yes.", where=str(place)
        )
    size_mb = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) / 1e6
    what = f"copy {bundle} ({size_mb:.1f} MB) to {place}"
    if context.dry_run:
        return Result(text=tell(context.lang, "Would {what}. Nothing was changed (--dry-run).", what=what))
    if place.exists():
        shutil.rmtree(place)
    shutil.copytree(bundle, place)
    text = tell(context.lang, "wrote {path}", path=f"{place} ({size_mb:.1f} MB)")
    value = {"path": str(place), "size_mb": round(size_mb, 3)}
    return Result(value=value, text=f"{text}.", name=thing, next=f"python {place / 'predict.py'} --help")


def _object(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f'--row is not JSON: {error}. Write it like {{"age": 41}}.', where="--row", got=text
        ) from error
    if not isinstance(row, dict):
        raise InputError(f'--row holds {type(row).__name__}; expected an object such as {{"age": 41}}.', where="--row")
    return row


def options_of(options: Sequence[str] | None) -> dict[str, Any]:
    """{key: value} of KEY=VALUE and KEY=@FILE. Raises InputError."""
    from feilun.core import yaml12

    pairs = [option.partition("=") for option in options or ()]
    for name, sign, value in pairs:
        if not sign:
            raise InputError(
                f"--option {name}: expected key=value, such as --option top=5.", where="--option", got=value
            )
    return {name: _file(name, value[1:]) if value[:1] == "@" else yaml12.scalar(value) for name, _, value in pairs}


def _file(name: str, place: str) -> Any:
    """What a file of JSON or YAML holds. Raises InputError."""
    from feilun.core import yaml12

    try:
        return yaml12.load(Path(place).read_text("utf-8-sig"), place).value
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"--option {name}=@{place}: the file cannot be read: {error}. Name a file of JSON or YAML after @.",
            where="--option",
            got=place,
            fix="name a file of JSON or YAML after @",
        ) from error


THING = argument("thing", help="my (its champion), my@3, or a path to a run or bundle")

VERBS = (
    Verb(
        name="export",
        group="Ship",
        summary="copy a bundle, verified, to a folder",
        call=export,
        arguments=(THING, argument("folder", help="where to")),
        changes=True,
        example="feilun export my model/",
    ),
    Verb(
        name="predict",
        group="Ship",
        summary="answer rows",
        call=predict,
        arguments=(
            THING,
            argument("source", nargs="?", help="a file or folder of rows, as for training"),
            argument("--row", action="append", metavar="JSON", help="a row as JSON; may be repeated"),
            argument(
                "--option",
                dest="options",
                action="append",
                metavar="KEY=VALUE",
                help="an option of the task; KEY=@FILE",
            ),
            argument("-o", "--output", metavar="FILE", help="write to this .jsonl or .csv file instead"),
        ),
        example="feilun predict my new.csv",
    ),
    Verb(
        name="serve",
        group="Ship",
        summary="HTTP API and playground",
        call=serve,
        arguments=(
            argument("name", help="such as my; its champion answers"),
            argument("--host", help="address to listen on; default: the recipe's"),
            argument("--port", type=int, help="port; 0 takes a free one; default: the recipe's"),
        ),
        example="feilun serve my",
    ),
)
