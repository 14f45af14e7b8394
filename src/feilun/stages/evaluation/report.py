"""report.html: one self-contained page about a run, from nothing but the manifests and files its stages left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from feilun.core import manifest
from feilun.core.manifest import Manifest, write_bytes
from feilun.parts.metrics import wording
from feilun.stages.evaluation import charts, judging, markup, phrases, reading

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe

FILE = "report.html"
SECTIONS = ("examples", "mistakes", "certainty", "groups", "why", "stress", "data", "cost")  # where pictures may stand
MARKS = {"good": "✓", "even": "≈", "bad": "✗"}
MOST_BYTES = 3_000_000
SMALL = 64  # pixels: pictures up to this are enlarged with their pixels showing
LEVELS = {
    "good": "Use it",
    "even": "No better than a simple method",
    "bad": "Do not use it yet",
    "": "Not judged yet",
}


def report(run_folder: Path, stages: Mapping[str, Path], recipe: Recipe) -> Path:
    """Write report.html into the run's folder, and the newest above it. Stages that are missing leave gaps."""
    made = {stage: found for stage, folder in stages.items() if (found := manifest.read(folder)) is not None}
    page = html(run_folder, stages, made, recipe).encode()
    for folder in (run_folder, run_folder.parent):
        write_bytes(folder / FILE, page)
    return run_folder / FILE


def html(run_folder: Path, stages: Mapping[str, Path], made: Mapping[str, Manifest], recipe: Recipe) -> str:
    """The page. Everything from the data is escaped; drawings by tasks are reduced to what only draws."""
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = lambda value: f"{value:,}" if isinstance(value, int) else value
    environment.filters.update(title=wording.title, full=wording.full, shown=wording.shown, said=phrases.said)
    scores = reading.json_of(stages, "evaluation", "scores.json")
    context = {
        "style": Markup((folder / "report.css").read_text(encoding="utf-8")),
        "name": run_folder.parent.name,
        "version": run_folder.name,
        "recipe": recipe,
        "purpose": reading.purpose(recipe),
        "verdict": _verdict(scores),
        "scores": scores,
        "dots": _dots(scores, recipe),
        "facts": _facts(stages, scores),
        "examples": _examples(reading.json_of(stages, "evaluation", "examples.json")),
        "pictures": _pictures(reading.json_of(stages, "evaluation", "pictures.json")),
        "curves": _curves(reading.json_of(stages, "training", "curves.json") or []),
        "variants": reading.json_of(stages, "optimization", "variants.json"),
        "made": made,
        "data": reading.data(stages),
        "code": reading.recipe_text(recipe),
        "hashes": reading.hashes(made),
        "parent": next((found.parent for found in made.values() if found.parent), ""),
    }
    return environment.get_template("report.jinja.html").render(context)


def _verdict(scores: Any) -> dict[str, str]:
    """What the first screen says."""
    found = (scores or {}).get("verdict", {})
    level = str(found.get("level", ""))
    main = scores["scores"][scores["main"]] if scores else {}
    enough = (
        f"Whether {wording.shown(main['value'], main['unit'])} is enough is for you to say." if level == "good" else ""
    )
    words = str(found.get("words", "This run has no scores: nothing here says whether it may be used."))
    return {"level": level, "title": LEVELS[level], "mark": MARKS.get(level, "?"), "words": f"{words} {enough}".strip()}


def _dots(scores: Any, recipe: Recipe) -> list[dict[str, Any]]:
    """The model and every baseline on one axis, with what the difference means."""
    if not scores:
        return []
    main = scores["main"]
    ours = {"label": f"this model ({recipe.model.name})" if recipe.model.name else "this model", "words": ""}
    rows = [{**ours, "score": scores["scores"][main]}]
    for name, found in scores["baselines"].items():
        gap = scores["against"][name]
        by = wording.shown(gap["difference"], judging.points(gap["unit"]), sign=True)
        words = f"{judging.against_words(gap['words'])}: {by} {judging.span(gap)}"
        rows.append({"label": wording.title(name), "score": found[main], "words": words})
    drawn = charts.dots([row["score"] for row in rows])
    return [{**row, "svg": svg, "ours": place == 0} for place, (row, svg) in enumerate(zip(rows, drawn, strict=True))]


def _facts(stages: Mapping[str, Path], scores: Any) -> list[tuple[str, str]]:
    """The few numbers of the first screen: (value, what it is)."""
    facts = []
    if scores:
        main = scores["scores"][scores["main"]]
        facts.append((wording.shown(main["value"], main["unit"]), wording.title(scores["main"])))
        facts.append((f"{scores['n']:,}", "test rows that decided nothing"))
    variants = reading.json_of(stages, "optimization", "variants.json")
    if variants:
        chosen = variants["variants"][variants["chosen"]]
        if scores and variants["chosen"] != "fp32":  # what is scored above is the network before it was made smaller
            served = chosen["score"]
            facts.insert(1, (wording.full(served), f"of the {variants['chosen']} variant that is served"))
        facts.append((f"{chosen['row_ms']:.3g} ms", "for one answer, on this computer's processor"))
        facts.append((reading.size(chosen["size_bytes"]), "to ship"))
    return facts


def _examples(groups: Any) -> list[dict[str, Any]]:
    titles = {"wrong": "Worst mistakes, worst first", "right": "Answered well, drawn at random"}
    found = []
    for group, title in titles.items():
        rows = [_example(row) for row in (groups or {}).get(group, [])]
        if rows:
            only = all(cell["png"] and not cell["boxes"] for row in rows for cell in row["cells"])
            found.append({"group": group, "title": title, "rows": rows, "pictures_only": only})
    return found


def _example(row: dict[str, Any]) -> dict[str, Any]:
    cells = []
    for cell in row["columns"]:
        boxes = phrases.boxed(cell["png"], tuple(cell["size"]), row["answer"], row["truth"]) if "png" in cell else ""
        small = max(cell.get("size", (0,))) <= SMALL
        found = {"png": cell.get("png", ""), "text": cell.get("text", ""), "small": small, "boxes": boxes}
        cells.append({"name": cell["name"], **found})
    shown = {word: (row[word], phrases.picture(row[word])) for word in ("answer", "truth")}
    return {"id": row["id"], "cells": cells, "more": row["more"], **shown}


def _pictures(drawn: Any) -> dict[str, list[dict[str, Any]]]:
    """{section: pictures}; a section nobody knows counts as mistakes, a drawing that is not plain is left out."""
    found: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    room = MOST_BYTES
    for picture in drawn or []:
        svg = markup.safe(picture["svg"]) if picture["svg"] else ""
        room -= len(svg) + len(picture["png"])
        if (svg or picture["png"]) and room > 0:
            section = picture["where"] if picture["where"] in found else "mistakes"
            found[section].append({**picture, "svg": Markup(svg)})
    return found


def _curves(epochs: list[dict[str, Any]]) -> Markup:
    lines = {"training loss": "loss", "validation loss": "validation_loss"}
    named = {
        name.removesuffix(" loss"): [(row["epoch"], row[key]) for row in epochs if row.get(key) is not None]
        for name, key in lines.items()
    }
    return charts.curves({name: line for name, line in named.items() if line}, "epoch")
