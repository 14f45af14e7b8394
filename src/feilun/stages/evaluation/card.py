"""card.md: what a model is for, what it is worth and where it comes from, with the Hugging Face header."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core import manifest, yaml12
from feilun.parts.metrics import wording
from feilun.stages.evaluation import judging, reading

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe

FILE = "card.md"
NOT_STATED = "not stated"
PIPELINES = {  # the hub's words for tasks, where it has one
    "translation": "translation",
    "image_generation": "unconditional-image-generation",
    "object_detection": "object-detection",
}
KINDS = {"image": "image", "text": "text"}


def text(recipe: Recipe, stages: Mapping[str, Path], scores: Mapping[str, Any], lineage: Mapping[str, Any]) -> str:
    """The card. stages: finished ones before evaluation.  lineage: {version, parent, lap}; empty fields say so."""
    data = reading.data(stages)
    made = {stage: found for stage, folder in stages.items() if (found := manifest.read(folder)) is not None}
    parts = [
        _header(recipe, scores),
        f"# {recipe.name}@{lineage['version']}\n\n{reading.purpose(recipe)}",
        _section("Purpose", [reading.purpose(recipe), f"Intended use by its owner: {NOT_STATED}."]),
        _section(
            "Not for",
            [
                f"{NOT_STATED[0].upper()}{NOT_STATED[1:]}. Until its owner says more: not for decisions",
                "about people without a person who checks them, and not for data unlike the training rows.",
            ],
        ),
        _section("Owner", [NOT_STATED]),
        _section("Score", _score_lines(scores)),
        _section("Data", _data_lines(recipe, data)),
        _section("Lineage", _lineage_lines(recipe, lineage, made)),
    ]
    return "\n\n".join(parts) + "\n"


def _header(recipe: Recipe, scores: Mapping[str, Any]) -> str:
    """YAML that model hubs read."""
    main = scores["main"]
    pipeline = pipeline_tag(recipe)
    metric = {"type": main, "name": wording.title(main), "value": _number(scores["scores"][main]["value"])}
    content = {
        "library_name": "feilun",
        "tags": ["feilun", "onnx", str(recipe.task)],
        **({"pipeline_tag": pipeline} if pipeline else {}),
        "model-index": [
            {
                "name": str(recipe.name),
                "results": [
                    {
                        "task": {"type": pipeline or str(recipe.task)},
                        "dataset": {"name": str(recipe.name), "type": "private", "split": "test"},
                        "metrics": [metric],
                    }
                ],
            }
        ],
    }
    return f"---\n{yaml12.dump(content).strip()}\n---"


def pipeline_tag(recipe: Recipe) -> str:
    """The hub's word for this task over these inputs; "" if it has none."""
    if recipe.task in PIPELINES:
        return PIPELINES[recipe.task]
    kinds = {item.kind for item in recipe.inputs.values()}
    if recipe.task in ("classification", "regression"):
        if len(kinds) == 1 and (kind := next(iter(kinds))) in KINDS and recipe.task == "classification":
            return f"{KINDS[kind]}-classification"
        if kinds and kinds <= {"number", "category"}:
            return f"tabular-{recipe.task}"
    return ""


def _score_lines(scores: Mapping[str, Any]) -> list[str]:
    main = scores["main"]
    lines = [
        f"{wording.title(main)} on {scores['n']:,} test rows that decided nothing, with 95 % bootstrap interval "
        f"({scores['resamples']:,} resamples):",
        "",
        f"| | {wording.title(main)} | against this model |",
        "|---|---|---|",
        f"| this model | {wording.full(scores['scores'][main])} | |",
    ]
    for name, found in scores["baselines"].items():
        gap = scores["against"][name]
        words = f"{judging.against_words(gap['words'])} ({judging.span(gap)})"
        lines.append(f"| {_cell(wording.title(name))} | {wording.full(found[main])} | {words} |")
    others = [
        f"{wording.title(name)} {wording.full(found)}" for name, found in scores["scores"].items() if name != main
    ]
    return [*lines, "", scores["verdict"]["words"], *(["", f"Also: {'; '.join(others)}."] if others else [])]


def _data_lines(recipe: Recipe, data: Mapping[str, Any]) -> list[str]:
    counts = ", ".join(f"{split} {count:,}" for split, count in data["splits"].items()) or NOT_STATED
    lines = [f"- Source: {recipe.data.source or NOT_STATED}", f"- Rows: {counts}"]
    if data["feedback"]:
        lines.append(f"- From feedback: {data['feedback']:,} rows")
    lines += [f"- {what[0].upper()}{what[1:]}: {said}" for what, said in data["facts"] if what]
    return [
        *lines,
        "- The test rows decided nothing: no stopping, no threshold, no variant. A lap scores the same rows again.",
    ]


def _lineage_lines(recipe: Recipe, lineage: Mapping[str, Any], made: Mapping[str, manifest.Manifest]) -> list[str]:
    grown = f"{lineage['parent']} with the feedback of lap {lineage['lap']}" if lineage.get("parent") else "none"
    versions = next((item.versions for item in reversed(list(made.values()))), {})
    return [
        f"- Parent: {grown}",
        f"- Model: {recipe.model.name or NOT_STATED}; seed {recipe.seed}",
        f"- Versions: {', '.join(f'{name} {number}' for name, number in versions.items()) or NOT_STATED}",
        f"- Recipe SHA-256: {reading.recipe_hash(recipe)}",
        *(f"- {what} SHA-256: {digest}" for what, digest in reading.hashes(made)),
    ]


def _section(title: str, lines: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines)


def _cell(text: str) -> str:
    """Text that cannot break out of a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def _number(value: float) -> float:
    return float(f"{value:.6g}")
