"""card.md: what a model is for, what it is worth and where it comes from, with the Hugging Face header."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core import manifest, yaml12
from feilun.parts.metrics import wording
from feilun.stages.evaluation import judged, judging, reading, studied
from feilun.stages.evaluation.bilingual import Said, known, listed, opening, term
from feilun.stages.evaluation.markdown import as_it_is, escaped, marked, written
from feilun.stages.evaluation.phrases import cut

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe

FILE = "card.md"
NOT_STATED = marked("not stated")
UNTIL = (
    "Not stated. Until its owner says more: not for decisions about people without a person who checks them, and not "
    "for data unlike the training rows."
)
PRIVACY = (
    "Trained without differential privacy: no ε was counted, so nothing bounds what answers tell of a training row."
)
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
    lang: str = "en",
) -> str:
    """The card. stages: finished ones.  lineage: {version, parent, lap}; empty fields say so.

    later: {folds, learning, variants, dates}: what is known only after evaluation.  lang: en or zh; the header is the
    hub's and stays as it is.
    """
    data, purpose = reading.data(stages), reading.purpose(recipe)
    made = {stage: found for stage, folder in stages.items() if (found := manifest.read(folder)) is not None}
    parts: list[tuple[Said, list[Said]]] = [
        (marked("Purpose"), [purpose, marked("Intended use by its owner: {words}.", words=NOT_STATED)]),
        (marked("Not for"), [marked(UNTIL)]),
        (marked("Owner"), [NOT_STATED]),
        (marked("Score"), [*_score_lines(scores), *_later_lines(later or {})]),
        (marked("Three weakest slices"), _weak_lines(scores)),
        (marked("Groups"), _group_lines(scores)),
        (marked("Data"), _data_lines(recipe, data, (later or {}).get("dates", ""))),
        (marked("Privacy"), [marked(PRIVACY)]),
        (marked("Lineage"), _lineage_lines(recipe, lineage, made)),
    ]
    name = f"# {escaped(str(recipe.name))}@{lineage['version']}"
    sections = [
        f"## {written(title, lang)}\n\n" + "\n".join(written(line, lang) for line in lines).strip()
        for title, lines in parts
    ]
    return "\n\n".join([_header(recipe, scores), name, written(purpose, lang), *sections]) + "\n"


def of_run(
    run_folder: Path,
    stages: Mapping[str, Path],
    made: Mapping[str, manifest.Manifest],
    recipe: Recipe,
    scores: Mapping[str, Any],
    lang: str = "en",
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
    return text(recipe, stages, scores, lineage, later, lang)


def _header(recipe: Recipe, scores: Mapping[str, Any]) -> str:
    """YAML that model hubs read."""
    main = scores["main"]
    pipeline = pipeline_tag(recipe)
    metric = {"type": main, "name": wording.title(main), "value": _short(scores["scores"][main]["value"])}
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


def _score_lines(scores: Mapping[str, Any]) -> list[Said]:
    main = term(scores["main"])
    lines: list[Said] = [
        marked(
            "{score} on {count:,} test rows that decided nothing, with its 95 % interval:",
            score=opening(main),
            count=scores["n"],
        ),
        "",
        marked("| | {score} | against this model |", score=main),
        as_it_is("|---|---|---|"),
        marked("| this model | {value} | |", value=_number(scores["scores"][scores["main"]])),
    ]
    for name, found in scores["baselines"].items():
        gap = scores["against"][name]
        lines.append(
            marked(
                "| {baseline} | {value} | {words} ({span}) |",
                baseline=term(name),
                value=_number(found[scores["main"]]),
                words=known(judging.against_words(gap["words"])),
                span=as_it_is(judging.span(gap)),
            )
        )
    others = [
        marked("{score} {value}", score=judged.score_title(name, found), value=_number(found))
        for name, found in scores["scores"].items()
        if name != scores["main"]
    ]
    also: list[Said] = ["", marked("Also: {words}.", words=as_it_is(listed(others)))] if others else []
    return [*lines, "", known(scores["verdict"]["words"]), *also]


def _later_lines(later: Mapping[str, Any]) -> list[Said]:
    """Cross-validation, what more rows would bring, and the variant that serves."""
    lines: list[Said] = []
    if folds := later.get("folds"):
        lines.append(
            marked(
                "Cross-validation over {count} folds, {n:,} rows: {score} {value}.",
                count=len(folds["folds"]),
                n=folds["n"],
                score=term(folds["score"]),
                value=_number({"unit": "", **folds}),
            )
        )
        lines += map(known, studied.chosen(folds["folds"]))
    if words := ((later.get("learning") or {}).get("more") or {}).get("words"):
        lines.append(marked("More rows: {words}", words=known(words)))
    if (variants := later.get("variants")) and variants["chosen"] != "fp32":
        name = variants["chosen"]
        served = _number(variants["variants"][name]["score"])
        lines.append(
            marked(
                "Served is the {variant} variant: {score} {value} on the test rows.",
                variant=name,
                score=term(variants["score"]),
                value=served,
            )
        )
    return _apart(lines)


def _weak_lines(scores: Mapping[str, Any]) -> list[Said]:
    found = judged.weakest(scores)
    if not found:
        return [marked("Not stated: no groups and no classes were scored.")]
    lines: list[Said] = [
        marked("- {where}: {value} ({n:,} rows)", where=where, value=as_it_is(score), n=rows)
        for where, rows, score in found
    ]
    return [*lines, "", spots["head"]] if (spots := judged.weak_spots(scores)) else lines


def _group_lines(scores: Mapping[str, Any]) -> list[Said]:
    found = scores.get("groups") or []
    silent = [
        marked("{column}: {words}.", column=cut(str(row["column"]), judged.LABEL), words=known(row["words"]))
        for row in scores.get("silent_groups") or []
    ]
    if not found:
        return _apart(silent) or [marked("None were asked for (`evaluate.groups`).")]
    lines: list[Said] = [
        marked("| group | rows | {score} | against all other rows |", score=term(scores["main"])),
        as_it_is("|---|---|---|---|"),
    ]
    for row in found[:GROUPS]:
        lines.append(
            marked(
                "| {column} | {n:,} | {value} | {words} |",
                column=judged.where(str(row["column"]), str(row["value"])),
                n=row["n"],
                value=_number(row["score"]),
                words=known((row.get("gap") or {}).get("words", "")),
            )
        )
    more = [marked("and {count:,} more", count=len(found) - GROUPS)] if len(found) > GROUPS else []
    return [*lines, *_apart([*more, *silent])]


def _data_lines(recipe: Recipe, data: Mapping[str, Any], dates: str) -> list[Said]:
    counts = listed([marked("{kind} {count:,}", kind=term(split), count=n) for split, n in data["splits"].items()])
    lines: list[Said] = [
        marked("- Source: {value}", value=_source(recipe) or NOT_STATED),
        marked("- Rows: {words}", words=as_it_is(counts) if data["splits"] else NOT_STATED),
        marked("- Read on: {value}", value=dates or NOT_STATED),
        marked("- Collected when and by whom: {words}", words=NOT_STATED),
    ]
    if data["feedback"]:
        lines.append(marked("- From feedback: {count:,} rows", count=data["feedback"]))
    lines += [
        marked("- {kind}: {value}", kind=opening(known(what)), value=said) for what, said in data["facts"] if what
    ]
    if data["drift"]:
        columns = ", ".join(row["column"] for row in data["drift"][:5])
        lines.append(marked("- Training and test rows differ most in: {value}", value=columns))
    return [
        *lines,
        marked(
            "- The test rows decided nothing: no stopping, no threshold, no variant. A lap scores the same rows again."
        ),
    ]


def _lineage_lines(recipe: Recipe, lineage: Mapping[str, Any], made: Mapping[str, manifest.Manifest]) -> list[Said]:
    grown: Said = marked("none")
    if lineage.get("parent"):
        grown = marked("{value} with the feedback of lap {count}", value=lineage["parent"], count=lineage["lap"])
    versions = next((item.versions for item in reversed(list(made.values()))), {})
    return [
        marked("- Parent: {words}", words=grown),
        marked("- Model: {value}; seed {seed}", value=recipe.model.name or NOT_STATED, seed=recipe.seed),
        marked("- Promoted by: {words}", words=NOT_STATED),
        marked(
            "- Versions: {words}",
            words=", ".join(f"{name} {number}" for name, number in versions.items()) or NOT_STATED,
        ),
        marked("- Recipe SHA-256: {value}", value=reading.recipe_hash(recipe)),
        *(marked("- {what} SHA-256: {value}", what=known(what), value=digest) for what, digest in reading.hashes(made)),
    ]


def _source(recipe: Recipe) -> str:
    """Where the rows come from, without a name or a password in an address; "" if unknown."""
    return re.sub(r"//[^/@]*@", "//", recipe.data.source) if recipe.data.source else ""


def _apart(paragraphs: Sequence[Said]) -> list[Said]:
    return [line for paragraph in paragraphs for line in ("", paragraph)]


def _number(score: Mapping[str, Any]) -> Said:
    return as_it_is(judged.stated(score))


def _short(value: float) -> float:
    return float(f"{value:.6g}")
