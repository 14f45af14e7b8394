"""Writes docs/reference and the gallery. `--check` writes nothing and exits 1 naming every stale page."""

from __future__ import annotations

import argparse
import ast
import json
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from feilun.cli.record import Argument, Verb
from feilun.cli.table import GROUPS, VERBS
from feilun.core import discover, hints, yaml12
from feilun.core.recipe import Recipe

DOCS = Path(__file__).resolve().parent
CAPABILITIES = (
    *("train", "exact resume", "intervals and baseline", "cross-validation", "explanation", "groups", "robustness"),
    *("privacy", "federated", "adapter/transfer", "prune", "quantize", "distil", "ONNX parity", "serve without torch"),
    *("feedback → retrain → promote", "two processes"),
)
WRITTEN = "<!-- Written by docs/generate.py; change the code instead. -->\n\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pages, or say which are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is stale")
    check = parser.parse_args(argv).check
    stale = []
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    if stale and check:
        print(f"Stale: {', '.join(f'docs/{name}' for name in stale)}. Run: make docs", file=sys.stderr)
    return int(bool(stale and check))


def verbs() -> str:
    """Every verb with its arguments, from the table of the command line."""
    parts = [
        f"# Verbs\n\n{WRITTEN}A thing is named `my` (its champion), `my@3`, a run's folder, or a path, everywhere.\n",
        "Everywhere: `--json -q -v --debug --no-color --lang --home --offline --yes`. "
        "Exit codes: 0 done (also: the champion was kept), 1 our bug, 2 your input, "
        "3 a threshold missed (`--fail-under`), "
        "4 a file is damaged, 5 busy (try again), "
        "130 stopped and resumable.\n",
        "With `--json`, standard output holds one object "
        "`{schema, ok, verb, name, version, run, seconds, result, warnings, error, next}`, "
        "where `error` is `{code, message, where, expected, got, fix}`; "
        "progress goes to standard error, one object a line.\n",
    ]
    for group in GROUPS:
        parts.append(f"## {group}\n")
        parts += [_verb(verb) for verb in VERBS if verb.group == group]
    return "\n".join(parts)


def recipe_keys() -> str:
    """Every key with what it expects, its default and its meaning."""
    head = (
        f"# Recipe keys\n\n{WRITTEN}Keys come in this order; everything may be left out but `data.source`. "
        "YAML is read by the rules of version 1.2, so "
        "`1e-3` is a number and `no` is text. `feilun help train.epochs` prints one of these.\n\n"
        "Short forms: `model: cnn` for `model: {name: cnn}`, `target: churn` for `target: {columns: [churn]}`, "
        "`inputs: {age: number}` for `inputs: {age: {kind: number}}`. The same as a JSON schema, for editors: "
        "[recipe.schema.json](recipe.schema.json).\n"
    )
    rows = [
        f"| `{key.path}` | {'' if key.group else _cell(key.expects)} | {_default(key)} | {_cell(key.meaning)} |"
        for key in hints.all_keys().values()
    ]
    foreign = [
        f"| {whose} | `{name}` | {_ours(ours)} |" for name, (whose, ours) in sorted(hints.FOREIGN.items(), key=_by_tool)
    ]
    listed = [head, "| key | expects | default | meaning |", "|---|---|---|---|", *rows, ""]
    others = ["## Coming from another tool\n", "| tool | its name | here |", "|---|---|---|", *foreign, ""]
    return "\n".join([*listed, *others])


def tasks() -> str:
    """Every task: what it solves, options of its answers, what it cannot and why."""
    parts = [f"# Tasks\n\n{WRITTEN}A task is one file in `src/feilun/tasks/`. Copy one to add your own.\n"]
    spellings = discover.aliases("tasks")
    for name in sorted(discover.names("tasks")):
        task = discover.task(name)
        others = sorted(alias for alias, of in spellings.items() if of == name)
        parts.append(f"## {name}\n\n{task.summary}\n")
        facts = [f"- try it: `feilun init builtin:{name} && feilun run {name}.yaml`"]
        facts += [f"- also called: {', '.join(others)}"] if others else []
        facts += [
            f"- `{option}` when answering, default `{json.dumps(value)}`" for option, value in task.options.items()
        ]
        facts += [f"- cannot {capability}: {reason}" for capability, reason in sorted(task.cannot.items())]
        parts.append("\n".join(facts) + "\n")
        parts.append(f"Its example's recipe:\n\n```yaml\n{yaml12.dump(task.example_recipe, Recipe.model_fields)}```\n")
    return "\n".join(parts)


def models() -> str:
    """Every family of networks with its options, read from the source, so that torch is not needed."""
    parts = [
        f"# Models\n\n{WRITTEN}A family is one file in `src/feilun/parts/models/`. "
        "`model: {name: mlp, depth: 3}` sets an option.\n"
    ]
    for name, module in sorted(discover.names("models").items()):
        parts.append(f"## {name}\n\n{_sentence(discover.summary('models', name))}\n")
        options = _options(DOCS.parent / "src" / Path(*module.split(".")))
        rows = [f"| `{option}` | `{default}` | {_cell(meaning)} |" for option, default, meaning in options]
        parts += ["\n".join(["| option | default | meaning |", "|---|---|---|", *rows]) + "\n"] if rows else []
    return "\n".join(parts)


def promises() -> str:
    """The promise table as the last promise run wrote it."""
    path = DOCS / "promises.json"
    found: Mapping[str, Mapping[str, str]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    head = (
        f"# Promises\n\n{WRITTEN}What works for which task. A cell is **yes** only if its test ran for that task, "
        "on the task's built-in example, when this page was written; otherwise it says why not, or that it is "
        "planned. `FEILUN_WRITE_PROMISES=1 pytest tests/promises` writes it, and a run that finds something else "
        "fails.\n"
    )
    if not found:
        return f"{head}\nThe promise run has not written its table yet.\n"
    names = sorted(found)
    notes: list[str] = []
    rows = [
        f"| {capability} | {' | '.join(_promise(found[name].get(capability, 'planned'), notes) for name in names)} |"
        for capability in CAPABILITIES
    ]
    kept = sum(cell == "yes" for row in found.values() for cell in row.values())
    explained = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    table = [f"| | {' | '.join(name.replace('_', ' ') for name in names)} |", "|---" * (len(names) + 1) + "|", *rows]
    return "\n".join(
        [head, f"{kept} of {len(names) * len(CAPABILITIES)} cells are kept today.\n", *table, "", *explained, ""]
    )


def schema() -> str:
    """The JSON schema of a recipe, with the short forms."""
    made = Recipe.model_json_schema()
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
    names = {"type": "array", "items": {"type": "string"}}
    made["properties"]["model"] = {"anyOf": [{"type": "string"}, made["properties"]["model"]]}
    made["properties"]["target"] = {"anyOf": [{"type": "string"}, names, made["properties"]["target"]]}
    columns = made["properties"]["inputs"]["additionalProperties"]
    made["properties"]["inputs"]["additionalProperties"] = {"anyOf": [{"type": "string"}, columns]}
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def gallery() -> dict[str, Callable[[], Any]]:
    """The page of what recipes reached, and a picture for each that was proved."""
    made = runpy.run_path(str(Path(__file__).with_name("gallery.py")))
    proved = [folder for folder in made["folders"]() if made["records"](folder)]
    pictures = {f"images/gallery/{folder.name}.svg": partial(made["picture"], folder) for folder in proved}
    return {"gallery.md": made["page"], **pictures}


def _verb(verb: Verb) -> str:
    words = " ".join(["feilun", verb.name, *(_usage(item) for item in verb.arguments)])
    rows = [
        f"| `{', '.join(item.names)}` | {_cell(str(item.options['help']))}{_choices(item)} |" for item in verb.arguments
    ]
    if verb.changes:
        rows.append("| `--dry-run` | say what would change, and change nothing |")
    table = "\n".join(["| | |", "|---|---|", *rows]) + "\n" if rows else ""
    example = f"\nFor example `{verb.example}`.\n" if verb.example else ""
    return f"### {verb.name}\n\n{_sentence(verb.summary)}\n\n```sh\n{words}\n```\n\n{table}{example}"


def _usage(item: Argument) -> str:
    name = item.names[-1]
    value = str(item.options.get("metavar") or item.parameter.upper())
    if name.startswith("-"):
        return f"[{name}]" if item.options.get("action") in ("store_true", "append_const") else f"[{name} {value}]"
    shown = "|".join(item.options["choices"]) if "choices" in item.options else value
    return f"[{shown}]" if item.options.get("nargs") == "?" else shown


def _choices(item: Argument) -> str:
    told = [f"one of {', '.join(item.options['choices'])}"] if "choices" in item.options else []
    default = item.options.get("default")
    told += [f"default {default}"] if default is not None else []
    return f" ({'; '.join(told)})" if told else ""


def _default(key: hints.Key) -> str:
    return "" if key.group or key.default is None else f"`{json.dumps(key.default, ensure_ascii=False)}`"


def _by_tool(item: tuple[str, tuple[str, str]]) -> tuple[str, str]:
    return item[1][0], item[0]


def _ours(ours: str) -> str:
    return f"`{ours}`" if hints.find_key(ours) else _cell(ours)


def _promise(cell: str, notes: list[str]) -> str:
    """yes, a dash for planned, or a number that leads to the reason below the table."""
    if cell in ("yes", "planned"):
        return "**yes**" if cell == "yes" else "planned"
    if cell not in notes:
        notes.append(cell)
    return f"no [{notes.index(cell) + 1}]"


def _options(module: Path) -> list[tuple[str, str, str]]:
    """(option, default, meaning) of the dataclass that a file calls MODEL; the meaning is the comment beside it."""
    path = module.with_suffix(".py") if module.with_suffix(".py").is_file() else module / "__init__.py"
    text = path.read_text(encoding="utf-8")
    tree, lines = ast.parse(text), text.splitlines()
    assigned = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and any(_named(target, "MODEL") for target in node.targets)
    ]
    name = assigned[0].id if assigned and isinstance(assigned[0], ast.Name) else ""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    fields = [node for found in classes for node in found.body if isinstance(node, ast.AnnAssign)]
    return [
        (ast.unparse(node.target), ast.unparse(node.value) if node.value else "", _comment(lines[node.lineno - 1]))
        for node in fields
        if "ClassVar" not in ast.unparse(node.annotation)
    ]


def _named(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


def _comment(line: str) -> str:
    return line.partition("  # ")[2].strip()


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!")) else ".")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


PAGES: dict[str, Callable[[], Any]] = {
    "reference/verbs.md": verbs,
    "reference/recipe.md": recipe_keys,
    "reference/recipe.schema.json": schema,
    "reference/tasks.md": tasks,
    "reference/models.md": models,
    "reference/promises.md": promises,
    **gallery(),
}


if __name__ == "__main__":
    sys.exit(main())
