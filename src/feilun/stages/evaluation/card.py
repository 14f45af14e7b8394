"""card.md: what a model is for, what it is worth and where it comes from, with the Hugging Face header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core import manifest, yaml12
from feilun.parts.metrics import wording
from feilun.stages.evaluation import judged, judging, reading, studied
from feilun.stages.evaluation.markdown import escaped
from feilun.stages.evaluation.phrases import cut

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe

FILE = "card.md"
NOT_STATED = "not stated"
PIPELINES = {  # the hub's words for tasks, where it has one
    "translation": "translation",
    "image_generation": "unconditional-image-generation",
    "object_detection": "object-detection",
}
GROUPS = 12  # lines of the table of groups: a card is one page
KINDS = {"image": "image", "text": "text"}


def text(
    recipe: Recipe,
    stages: Mapping[str, Path],
    scores: Mapping[str, Any],
    lineage: Mapping[str, Any],
    later: Mapping[str, Any] | None = None,
) -> str:
    """The card. stages: finished ones.  lineage: {version, parent, lap}; empty fields say so.

    later: {folds, learning, variants, dates}: what is known only after evaluation.
    """
    data, purpose = reading.data(stages), escaped(reading.purpose(recipe).of("en"))
    made = {stage: found for stage, folder in stages.items() if (found := manifest.read(folder)) is not None}
    parts = [
        _header(recipe, scores),
        f"# {escaped(str(recipe.name))}@{lineage['version']}\n\n{purpose}",
        _section("Purpose", [purpose, f"Intended use by its owner: {NOT_STATED}."]),
        _section(
            "Not for",
            [
                f"{NOT_STATED[0].upper()}{NOT_STATED[1:]}. Until its owner says more: not for decisions",
                "about people without a person who checks them, and not for data unlike the training rows.",
            ],
        ),
        _section("Owner", [NOT_STATED]),
        _section("Score", [*_score_lines(scores), *_later_lines(later or {})]),
        _section("Three weakest slices", _weak_lines(scores)),
        _section("Groups", _group_lines(scores)),
        _section("Data", _data_lines(recipe, data, (later or {}).get("dates", ""))),
        _section("Lineage", _lineage_lines(recipe, lineage, made)),
    ]
    return "\n\n".join(parts) + "\n"


def of_run(
    run_folder: Path,
    stages: Mapping[str, Path],
    made: Mapping[str, manifest.Manifest],
    recipe: Recipe,
    scores: Mapping[str, Any],
) -> str:
    """The card of a finished run, with what only its later stages know."""
    parent = next((Path(item.parent) for item in made.values() if item.parent), None)
    about = reading.beside(run_folder, "run.json") or {}
    lineage = {
        "version": run_folder.name,
        "parent": f"{parent.parent.name}@{parent.name}" if parent else "",
        "lap": about.get("lap") or "",
    }
    later = {
        "folds": reading.beside(run_folder, "folds.json"),
        "learning": reading.beside(run_folder, "learning.json"),
        "variants": reading.json_of(stages, "optimization", "variants.json"),
        "dates": reading.made_on(stages),
    }
    return text(recipe, stages, scores, lineage, later)


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
        f"{wording.title(main)} on {scores['n']:,} test rows that decided nothing, with its 95 % interval:",
        "",
        f"| | {wording.title(main)} | against this model |",
        "|---|---|---|",
        f"| this model | {wording.full(scores['scores'][main])} | |",
    ]
    for name, found in scores["baselines"].items():
        gap = scores["against"][name]
        words = f"{judging.against_words(gap['words'])} ({judging.span(gap)})"
        lines.append(f"| {escaped(wording.title(name))} | {wording.full(found[main])} | {words} |")
    others = [
        f"{escaped(wording.title(name))} {wording.full(found)}"
        for name, found in scores["scores"].items()
        if name != main
    ]
    return [*lines, "", escaped(scores["verdict"]["words"]), *(["", f"Also: {'; '.join(others)}."] if others else [])]


def _later_lines(later: Mapping[str, Any]) -> list[str]:
    """Cross-validation, what more rows would bring, and the variant that serves."""
    lines = []
    if folds := later.get("folds"):
        value, name = wording.full({"unit": "", **folds}), wording.title(folds["score"])
        lines.append(f"Cross-validation over {len(folds['folds'])} folds, {folds['n']:,} rows: {name} {value}.")
        lines += map(escaped, studied.chosen(folds["folds"]))
    if words := ((later.get("learning") or {}).get("more") or {}).get("words"):
        lines.append(f"More rows: {escaped(words)}")
    if (variants := later.get("variants")) and variants["chosen"] != "fp32":
        name = variants["chosen"]
        served = wording.full(variants["variants"][name]["score"])
        lines.append(f"Served is the {name} variant: {wording.title(variants['score'])} {served} on the test rows.")
    return [line for words in lines for line in ("", words)]


def _weak_lines(scores: Mapping[str, Any]) -> list[str]:
    found = judged.weakest(scores)
    if not found:
        return [f"{NOT_STATED[0].upper()}{NOT_STATED[1:]}: no groups and no classes were scored."]
    return [f"- {escaped(cut(name, 80))}: {score} ({rows:,} rows)" for name, rows, score in found]


def _group_lines(scores: Mapping[str, Any]) -> list[str]:
    found = scores.get("groups") or []
    silent = [f"\n{escaped(row['column'])}: {row['words']}." for row in scores.get("silent_groups") or []]
    if not found:
        return silent or ["None were asked for (`evaluate.groups`)."]
    main = wording.title(scores["main"])
    lines = [f"| group | rows | {main} | against all other rows |", "|---|---|---|---|"]
    for row in found[:GROUPS]:
        gap = row.get("gap") or {}
        name = escaped(cut(f"{row['column']} = {row['value']}", 80))
        lines.append(f"| {name} | {row['n']:,} | {wording.full(row['score'])} | {gap.get('words', '')} |")
    return lines + ([f"\nand {len(found) - GROUPS:,} more"] if len(found) > GROUPS else []) + silent


def _data_lines(recipe: Recipe, data: Mapping[str, Any], dates: str) -> list[str]:
    counts = ", ".join(f"{split} {count:,}" for split, count in data["splits"].items()) or NOT_STATED
    lines = [f"- Source: {escaped(_source(recipe))}", f"- Rows: {counts}", f"- Read on: {dates or NOT_STATED}"]
    lines.append(f"- Collected when and by whom: {NOT_STATED}")
    if data["feedback"]:
        lines.append(f"- From feedback: {data['feedback']:,} rows")
    lines += [f"- {escaped(what[0].upper() + what[1:])}: {escaped(said)}" for what, said in data["facts"] if what]
    if data["drift"]:
        columns = ", ".join(row["column"] for row in data["drift"][:5])
        lines.append(f"- Training and test rows differ most in: {escaped(columns)}")
    return [
        *lines,
        "- The test rows decided nothing: no stopping, no threshold, no variant. A lap scores the same rows again.",
    ]


def _lineage_lines(recipe: Recipe, lineage: Mapping[str, Any], made: Mapping[str, manifest.Manifest]) -> list[str]:
    grown = (
        escaped(f"{lineage['parent']} with the feedback of lap {lineage['lap']}") if lineage.get("parent") else "none"
    )
    versions = next((item.versions for item in reversed(list(made.values()))), {})
    return [
        f"- Parent: {grown}",
        f"- Model: {escaped(recipe.model.name or NOT_STATED)}; seed {recipe.seed}",
        f"- Versions: {', '.join(f'{name} {number}' for name, number in versions.items()) or NOT_STATED}",
        f"- Recipe SHA-256: {reading.recipe_hash(recipe)}",
        *(f"- {what} SHA-256: {digest}" for what, digest in reading.hashes(made)),
    ]


def _source(recipe: Recipe) -> str:
    """Where the rows come from, without a name or a password in an address."""
    return re.sub(r"//[^/@]*@", "//", recipe.data.source) if recipe.data.source else NOT_STATED


def _section(title: str, lines: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines)


def _number(value: float) -> float:
    return float(f"{value:.6g}")
