"""report.html: one self-contained page about a run, from nothing but the manifests and files its stages left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from feilun.core import manifest, runs
from feilun.core.language import LANGUAGES, spoken
from feilun.core.manifest import Manifest, write_bytes
from feilun.parts.metrics import wording
from feilun.stages.evaluation import (
    bilingual,
    card,
    certainty,
    costs,
    first,
    gallery,
    judged,
    looked,
    loop,
    mislabelled,
    network,
    phrases,
    reading,
    reasons,
)

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe

FILE = "report.html"
MOST_BYTES = 3_000_000
PICTURES_BYTES = 2_000_000  # of them for pictures; words, tables and our own drawings fit the rest
INLINE_ROWS = 4  # cards of a group in a notebook
LABEL = 80  # letters of a label or a name in a table


def report(run_folder: Path, stages: Mapping[str, Path], recipe: Recipe, lang: str | None = None) -> Path:
    """Write report.html and card.md into the run's folder, and the newest page above it. Missing stages leave gaps.

    lang: the language that shows first, en or zh; the system's where left out. The page holds both.
    """
    made = _made(stages)
    page = html(run_folder, stages, made, recipe, lang).encode()
    for folder in (run_folder, run_folder.parent):
        write_bytes(folder / FILE, page)
    scores = reading.json_of(stages, "evaluation", "scores.json")
    if scores:
        write_bytes(
            run_folder / card.FILE, card.of_run(run_folder, stages, made, recipe, scores, _language(lang)).encode()
        )
    return run_folder / FILE


def html(
    run_folder: Path, stages: Mapping[str, Path], made: Mapping[str, Manifest], recipe: Recipe, lang: str | None = None
) -> str:
    """The page. Everything from the data is escaped; drawings by tasks are reduced to what only draws."""
    context = _context(run_folder, stages, made, recipe, lang)
    return phrases.visible(_environment().get_template("report.jinja.html").render(context))


def inline(run_folder: Path, stages: Mapping[str, Path], recipe: Recipe, lang: str | None = None) -> str:
    """The verdict, the dots and some rows for a notebook, in one language; the styles touch nothing else."""
    context = _context(run_folder, stages, _made(stages), recipe, lang)
    style = Markup((Path(__file__).parent / "inline.css").read_text(encoding="utf-8"))
    few = [{**group, "rows": group["rows"][:INLINE_ROWS]} for group in context["examples"]]
    page = _environment().get_template("inline.jinja.html").render({**context, "style": style, "examples": few})
    return bilingual.only(phrases.visible(page), context["lang"])


def _language(lang: str | None) -> str:
    return lang if lang in LANGUAGES else spoken()


def _made(stages: Mapping[str, Path]) -> dict[str, Manifest]:
    return {stage: found for stage, folder in stages.items() if (found := manifest.read(folder)) is not None}


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = lambda value: f"{value:,}" if isinstance(value, int) else value
    environment.filters["label"] = lambda value: phrases.cut(str(value), LABEL) if isinstance(value, str) else value
    environment.filters.update(full=wording.full, shown=wording.shown, said=phrases.said)
    environment.filters["is_small"] = gallery.is_small
    environment.filters.update(term=bilingual.term, known=bilingual.known)
    environment.globals["t"] = bilingual.tell
    return environment


def _context(
    run_folder: Path, stages: Mapping[str, Path], made: Mapping[str, Manifest], recipe: Recipe, lang: str | None
) -> dict[str, Any]:
    """Everything the page shows."""
    name = run_folder.parent.name
    scores = reading.json_of(stages, "evaluation", "scores.json")
    variants = reading.json_of(stages, "optimization", "variants.json")
    examples = reading.json_of(stages, "evaluation", "examples.json")
    data = reading.data(stages)
    labels = {str(row["label"]) for row in (scores or {}).get("classes") or ()}
    budget = gallery.Budget(left=PICTURES_BYTES)
    return {
        "style": Markup((Path(__file__).parent / "report.css").read_text(encoding="utf-8")),
        "lang": _language(lang),
        "name": name,
        "version": f"{name}@{run_folder.name}",
        "recipe": recipe,
        "purpose": reading.purpose(recipe),
        "joined": bilingual.joined,
        "verdict": first.verdict(scores),
        "scores": scores,
        "score_title": judged.score_title,
        "meanings": judged.meanings(scores),
        "dots": first.dots(scores, variants, recipe),
        "about_dots": first.about_dots(scores, variants) if scores else [],
        "facts": first.facts(scores, variants),
        "loop": loop.drawing(loop.places(made, scores, variants, data["splits"])),
        "examples": gallery.examples(examples, budget),
        "moved_threshold": gallery.moved_threshold(examples),
        "pictures": gallery.pictures(reading.json_of(stages, "evaluation", "pictures.json"), budget, labels),
        "budget": budget,
        **_judgement(stages, scores, recipe, data),
        "data": data,
        "label_noise": mislabelled.drawn(reading.beside(run_folder, "label-noise.json")),
        **_cost(run_folder, stages, made, recipe),
        "variants": costs.variants(variants),
        "made": made,
        "code": reading.recipe_text(recipe),
        "chosen": runs.chosen(made["training"].facts) if "training" in made else "",
        "hashes": reading.hashes(made),
        "parent": next((found.parent for found in made.values() if found.parent), ""),
    }


def _judgement(stages: Mapping[str, Path], scores: Any, recipe: Recipe, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "classes": judged.classes(scores),
        "money": judged.money(scores, recipe),
        "business": judged.business(scores),
        "weak_spots": judged.weak_spots(scores),
        "certainty": certainty.asking(stages),
        "groups": judged.groups(scores, recipe),
        "attention": looked.figures(reading.json_of(stages, "evaluation", "attention.json")),
        "why": reasons.why(reading.json_of(stages, "evaluation", "why.json"), scores, data["columns"]),
    }


def _cost(run_folder: Path, stages: Mapping[str, Path], made: Mapping[str, Manifest], recipe: Recipe) -> dict[str, Any]:
    return {
        "network": network.drawing(reading.shapes(stages), recipe),
        "curves": costs.curves(reading.json_of(stages, "training", "curves.json") or []),
        "bottleneck": costs.bottleneck(made),
        "profiled": costs.profiled(made),
        "spent": costs.spent(made),
        "tried": costs.tried(reading.beside(run_folder, "auto.json")),
        "folds": costs.folds(reading.beside(run_folder, "folds.json")),
        "learning": costs.learning(reading.beside(run_folder, "learning.json")),
    }
