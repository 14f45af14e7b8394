"""Deployment: pack the bundle, prove that it answers without torch, open it, ask it, serve it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core import manifest
from feilun.core.recipe import Recipe
from feilun.core.work import Made, Work
from feilun.parts.bundle import layout, loading, packing

if TYPE_CHECKING:
    from feilun.core.protocols import Say
    from feilun.core.recipe import Serve
    from feilun.core.task import Json
    from feilun.parts.bundle.loading import Bundle
    from feilun.stages.deployment.talking import Talk

USES = tuple(Recipe.model_fields)  # the bundle carries the whole recipe
CODE = ("features",)
BUNDLE = "bundle"


def make(work: Work) -> Made:
    """Pack `bundle/` from what the earlier stages made, then let it answer test rows, with and without torch around."""
    from feilun.stages.deployment import smoke

    optimized, evaluated = work.before["optimization"], work.before["evaluation"]
    folder = work.folder / BUNDLE
    about = manifest.read_json(optimized / "variants.json")
    parts = packing.Parts(
        recipe=work.recipe,
        task=work.task,
        version=work.version,
        features=work.before["data"] / "features.json",
        weights=work.before["training"] / "weights.safetensors",
        state=evaluated,
        graphs=optimized / "graphs",
        about=about,
        card=_card(work.folder, evaluated / layout.CARD, about),
        adapter=work.before["training"] / "adapter",
    )
    packing.pack(folder, parts)
    facts = smoke.check(folder, work.before["data"], evaluated)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    sealed = manifest.read_json(folder / layout.MANIFEST)
    work.say.line(f"packed {work.recipe.name}@{work.version}, {size / 1e6:.1f} MB, {sealed['variant']}")
    return Made(facts={**facts, "size_bytes": size, "variant": sealed["variant"], "sha256": sealed["sha256"]})


def _card(folder: Path, card: Path, about: Mapping[str, Any]) -> Path:
    """The card of evaluation; where the int8 variant is served, with that variant's own score below it."""
    if about["chosen"] != "int8" or not card.is_file():
        return card
    score = about["variants"]["int8"]["score"]
    said = f"{score['name']} {score['value']:.4g} [{score['low']:.4g}, {score['high']:.4g}]"
    note = f"\n**Served as int8**: on the same test rows {said}. The scores above are of the network before that.\n"
    text = card.read_text(encoding="utf-8") + note
    manifest.write_bytes(folder / layout.CARD, text.encode())
    return folder / layout.CARD


def load(folder: Path, variant: str | None = None, threads: int | None = None) -> Bundle:
    """The bundle in this folder or in its `bundle/`, every hash verified."""
    folder = Path(folder)
    inner = folder / BUNDLE
    return loading.load(inner if (inner / layout.MANIFEST).is_file() else folder, variant, threads)


def predict(
    folder: Path,
    source: Any,
    options: Mapping[str, Any] | None = None,
    out: Path | None = None,
    told: dict[str, int] | None = None,
) -> list[dict[str, Any] | Json]:
    """Answers to the rows of a file, folder of pictures, JSON text or list of rows, in order.

    out: a .jsonl or .csv file; then answers are written there block by block, and `[{file, rows}]` comes back.
    told: gets what is counted of the rows, such as `cut_texts`, those with longer texts than are read.
    """
    from feilun.stages.deployment import asking

    return asking.predict(load(folder), source, dict(options or {}), out, {} if told is None else told)


def talk(folder: Path, options: Mapping[str, Any]) -> Talk:
    """The bundle, ready to talk with these options of its task. Raises InputError if it does not write."""
    from feilun.stages.deployment import talking

    return talking.talk(load(folder), options)


def serve(home: Path, name: str, settings: Serve, pages: Mapping[str, bytes], say: Say) -> None:
    """Serve the champion of this name over HTTP until stopped; a new champion is taken up without a failed request."""
    from feilun.stages.deployment.serving import server

    server.serve(home, name, settings, pages, say)
