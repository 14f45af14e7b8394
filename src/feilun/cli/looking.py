"""Verbs that only look: show, runs, models, catalog, help."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feilun.cli.record import Context, Result, Verb, argument
from feilun.cli.words import tell
from feilun.core.errors import InputError

ROOMS = ("tasks", "models", "metrics", "features")


def show(context: Context, thing: str, *, part: str = "summary") -> Result:
    """A version with its scores, its card or recipe; or a prediction with its lineage."""
    from feilun import lifecycle
    from feilun.core import manifest, yaml12
    from feilun.core.recipe import Recipe

    if not Path(thing).exists() and "@" not in thing and not (context.home / thing).is_dir():
        traced = _prediction(context.home, thing)
        if traced is not None:
            return Result(value=traced, text=_lineage(traced), name=str(traced["name"]))
    folder = Path(thing) if (Path(thing) / "run.json").is_file() else lifecycle.find(thing, context.home)[2]
    name, number = folder.resolve().parent.name, folder.name
    saved = manifest.read_json(folder / "run.json")
    stages = lifecycle.stage_folders(folder)
    told: dict[str, Any] = {"name": name, "version": f"{name}@{number}", "run": f"{name}/{number}"}
    if part == "card":
        whole = folder / "card.md"  # with what only later stages know; a run that was interrupted has none yet
        path = whole if whole.is_file() else stages["evaluation"] / "card.md"
        text = path.read_text(encoding="utf-8")
        return Result(value=text, text=text.rstrip(), **told)
    if part == "recipe":
        return Result(value=saved["recipe"], text=yaml12.dump(saved["recipe"], Recipe.model_fields).rstrip(), **told)
    facts = _facts(folder, stages, saved)
    return Result(value=facts, text=_summary(f"{name}@{number}", facts), next=f"feilun serve {name}", **told)


def runs(context: Context) -> Result:
    """Every run under home, newest last."""
    from feilun.core import manifest

    found = []
    for path in sorted(context.home.glob("*/*/run.json"), key=lambda path: path.stat().st_mtime):
        saved = manifest.read_json(path)
        made = manifest.read(path.parent / "evaluation")
        found.append(
            {
                "version": f"{path.parent.parent.name}@{path.parent.name}",
                "task": saved["recipe"]["task"],
                "model": (saved["recipe"]["model"] or {}).get("name"),
                "finished": saved["finished"],
                "score": _main_score(made.scores) if made else "",
            }
        )
    rows = [
        [run["version"], run["task"], run["model"] or "", run["score"] if run["finished"] else "unfinished"]
        for run in found
    ]
    return Result(value=found, text=columns(rows) or tell(context.lang, "nothing here yet"))


def models(context: Context, name: str | None = None) -> Result:
    """Every name with its versions; the champion is marked."""
    from feilun import lifecycle

    home = context.home.resolve()
    names = [name] if name else sorted({path.parent.parent.name for path in context.home.glob("*/*/run.json")})
    if name:
        lifecycle.find(name, context.home)  # tells nearest names
    found, rows = {}, []
    for each in names:
        champion = lifecycle.call("improvement", "champion", home, each)
        versions = lifecycle.call("improvement", "versions", home, each)
        found[each] = {"champion": champion, "versions": versions}
        for version in versions:
            number = version["number"]
            mark = "champion" if number == champion else str(version.get("state", ""))
            rows.append([f"{each}@{number}", mark, str(version.get("reason", ""))])
    return Result(value=found, text=columns(rows) or tell(context.lang, "nothing here yet"))


def catalog(context: Context, room: str) -> Result:
    """What exists under this word; a name in a recipe is a name in this list."""
    from feilun.core import discover

    found = {name: _summary_of(room, name) for name in discover.names(room)}
    return Result(value=found, text=columns([[name, text] for name, text in sorted(found.items())]))


def explain_key(context: Context, word: str | None = None) -> Result:
    """A recipe key, or a verb."""
    from feilun.core import hints

    if word is None:
        heads = [key for key in hints.all_keys().values() if "." not in key.path]
        text = columns([[key.path, key.meaning] for key in heads])
        return Result(value=[key.path for key in heads], text=text, next="feilun help train")
    key, usage = hints.find_key(word), context.usage(word)
    if key is None and usage is None:
        ours, whose = hints.meant(word)
        hint = f"Did you mean {ours}?" if ours else "`feilun help` lists them."
        hint = f"{whose}'s name; here {ours}." if whose else hint
        raise InputError(f"There is no recipe key or verb {word!r}. {hint}", where="help", got=word, expected=ours)
    texts = [_explained(key) if key else "", usage or ""]
    return Result(value=_as_json(key) if key else {"verb": word}, text="\n\n".join(text for text in texts if text))


def columns(rows: list[list[str]]) -> str:
    """Lines with aligned columns; the last one is free."""
    if not rows:
        return ""
    widths = [max(_width(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)) for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _width(text: str) -> int:
    """Cells on screen: Chinese letters take two."""
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _prediction(home: Path, thing: str) -> dict[str, Any] | None:
    from feilun import lifecycle

    if not home.is_dir():
        return None
    found: dict[str, Any] | None = lifecycle.call("improvement", "trace", home.resolve(), thing)
    return found


def _facts(folder: Path, stages: Mapping[str, Path], saved: dict[str, Any]) -> dict[str, Any]:
    from feilun.core import manifest

    made = {stage: manifest.read(place) for stage, place in stages.items()}
    done = {stage: found for stage, found in made.items() if found is not None}
    evaluation = done.get("evaluation")
    return {
        "folder": str(folder),
        "finished": saved["finished"],
        "task": saved["recipe"]["task"],
        "model": saved["recipe"]["model"],
        "lap": saved["lap"],
        "scores": dict(evaluation.scores) if evaluation else {},
        "facts": {stage: dict(found.facts) for stage, found in done.items()},
        "seconds": {stage: found.seconds for stage, found in done.items()},
        "peak_memory_mb": max((found.peak_memory_mb for found in done.values()), default=0.0),
        "report": str(folder / "report.html"),
        "curves": str(stages["training"]) if "training" in stages else None,
    }


def _summary(version: str, facts: dict[str, Any]) -> str:
    from feilun.core import runs as runs_

    head = f"{version}  task {facts['task']}, model {(facts['model'] or {}).get('name') or 'the task’s own'}"
    scores = [[f"  {name}", _score(score)] for name, score in facts["scores"].items()]
    cost = "  ".join(f"{stage} {seconds:.1f} s" for stage, seconds in facts["seconds"].items())
    cost = f"{cost}; peak memory {facts['peak_memory_mb']:.0f} MB"
    state = [] if facts["finished"] else ["unfinished: the same `feilun run` goes on"]
    profile = (facts["facts"].get("training", {}).get("profile") or {}).get("words", [])
    chosen = runs_.chosen(facts["facts"].get("training", {}))
    measured = [f"  chosen by measurement: {chosen}"] if chosen else []
    curves = (
        [f"curves of all versions: tensorboard --logdir {Path(facts['curves']).parents[1]}"] if facts["curves"] else []
    )
    return "\n".join([head, *state, columns(scores), *measured, cost, *profile, *curves, facts["report"]])


def _main_score(scores: Mapping[str, Any]) -> str:
    return next((f"{name} {_score(score)}" for name, score in scores.items()), "")


def _score(score: Mapping[str, Any]) -> str:
    """`91.4 % [90.2, 92.5]`."""
    scale, unit = (100, " %") if score.get("unit") == "%" else (1, f" {score['unit']}" if score.get("unit") else "")
    if score.get("value") is None:
        return "not measured"
    low, high = score.get("low"), score.get("high")
    interval = "" if low is None or high is None else f" [{low * scale:.4g}, {high * scale:.4g}]"
    return f"{score['value'] * scale:.4g}{unit}{interval}"


def _summary_of(room: str, name: str) -> str:
    from feilun.core import discover

    text = discover.summary(room, name)
    return text.split(": ", 1)[1] if text.lower().startswith(f"{name}: ") else text


def _as_json(key: Any) -> dict[str, Any]:
    return {name: getattr(key, name) for name in ("path", "meaning", "expects", "default", "group")}


def _explained(key: Any) -> str:
    from feilun.core import hints

    if not key.group:
        default = "found out or empty" if key.default is None else key.default
        return f"{key.path}  {key.meaning}\n  expects  {key.expects}\n  default  {default}"
    inside = [item for item in hints.all_keys().values() if item.path.startswith(f"{key.path}.")]
    rows = [[f"  {item.path}", "" if item.default is None else str(item.default), item.meaning] for item in inside]
    return f"{key.path}  {key.meaning}\n" + columns(rows)


def _lineage(traced: Mapping[str, Any]) -> str:
    """What was asked, what was answered by which version, what the user said, and which lap learnt from it."""
    from datetime import datetime

    when = datetime.fromtimestamp(float(traced["at"])).astimezone().isoformat(" ", "seconds")
    said = traced["feedback"]
    lap = said and said["lap"]
    use = f"lap {lap}, {'kept for judging' if said['held'] else 'learnt from'}" if lap else "no lap used it yet"
    rows = [
        ["prediction", str(traced["id"])],
        ["asked", f"{when}  {short(traced['row'], 500)}"],
        ["answered", f"{traced['name']}@{traced['version']}  {short(traced['answer'], 500)}"],
        ["user said", f"{short(said['correction'], 500)}  ({use})" if said else "nothing"],
    ]
    return columns(rows)


def short(value: Any, most: int = 60) -> str:
    """A JSON value on one line, cut to so many letters; the label alone of an answer that has one."""
    import json

    if isinstance(value, Mapping) and "label" in value:
        value = value["label"]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else f"{text[: most - 3]}..."


VERBS = (
    Verb(
        name="show",
        group="Look",
        summary="print a version, its card or recipe, or a prediction",
        call=show,
        arguments=(
            argument("thing", help="my (its champion), my@3, a run's folder, or a prediction id"),
            argument("part", nargs="?", choices=("summary", "card", "recipe"), default="summary", help="what of it"),
        ),
        example="feilun show my@1 card",
    ),
    Verb(name="runs", group="House", summary="list runs", call=runs, example="feilun runs"),
    Verb(
        name="models",
        group="House",
        summary="list versions and champions",
        call=models,
        arguments=(argument("name", nargs="?", help="only this one"),),
        example="feilun models",
    ),
    Verb(
        name="catalog",
        group="House",
        summary="list tasks, models, metrics or features",
        call=catalog,
        arguments=(argument("room", choices=ROOMS, help="what to list"),),
        example="feilun catalog tasks",
    ),
    Verb(
        name="help",
        group="House",
        summary="explain a recipe key or a verb",
        call=explain_key,
        arguments=(argument("word", nargs="?", help="such as train.epochs"),),
        example="feilun help train.epochs",
    ),
)
