"""The gallery: what each recipe reached on rows that decided nothing, drawn from its record. Run by generate.py."""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"
PROGRAMS = ROOT / "benchmarks" / "results" / "starter_programs.json"
FIRST = "starter-"  # folders of the usual first programs
HEAD = """# Gallery

<!-- Written by docs/gallery.py from recipes/*/scores.json; change those instead. -->

What each recipe reaches on test rows that decided nothing: the median of three seeds, with its 95 % interval, beside
the baselines on the same rows. The blue dot is the recipe, grey squares are the baselines, the dashed line is what was
asked for. A recipe that has not been run from its committed form says so.

`feilun recipes` lists them, `feilun recipes digits` copies one here, and `make prove RECIPE=digits` proves it again.
"""
PROGRAMS_HEAD = """## First programs

The programs that everybody writes first, as recipes of at most ten lines. The seconds are from start to score; the
recipe's hold the baselines, intervals, an exported and checked bundle and the report as well.
"""
TABLE = "| program | lines | seconds | score |\n|---|---|---|---|\n"
STYLE = """<style>
text{font:13px system-ui,-apple-system,"PingFang SC","Microsoft YaHei",sans-serif;fill:#1b1f24}
.n{font-variant-numeric:tabular-nums}
.q{fill:#636c76}
.o{stroke:#0b63c5;fill:#0b63c5}.b{stroke:#636c76;fill:#636c76}.t{stroke:#1a7f37;stroke-dasharray:4 3}.m{stroke:#c4302b}
@media (prefers-color-scheme:dark){text{fill:#e6eaf0}.q{fill:#8b96a3}.o{stroke:#6cb2ff;fill:#6cb2ff}
.b{stroke:#8b96a3;fill:#8b96a3}.t{stroke:#4cc27a}.m{stroke:#ff8a80}}
</style>"""
WIDTH, LEFT, RIGHT, ROW = 640, 170, 470, 26


def page() -> str:
    """docs/gallery.md."""
    parts = [HEAD, *(_entry(folder) for folder in folders() if not folder.name.startswith(FIRST)), PROGRAMS_HEAD]
    parts += [_programs(), *(_entry(folder) for folder in folders() if folder.name.startswith(FIRST))]
    return "\n".join(part for part in parts if part)


def folders() -> list[Path]:
    """Every recipe's folder, by name."""
    return sorted(path.parent for path in RECIPES.glob("*/recipe.yaml"))


def records(folder: Path) -> list[dict[str, Any]]:
    """The recipe's record, the main score first; nothing if it was not proved yet."""
    path = folder / "scores.json"
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return found


def picture(folder: Path) -> str:
    """Interval dots of the main score: the recipe, the baselines, and what was asked. Empty if there is no record."""
    found = records(folder)
    if not found:
        return ""
    main = found[0]
    theirs = main.get("baselines") or {main["baseline"]: {"value": main["baseline_value"]}}
    lower = main.get("better") == "lower" or main["score"] in ("rmse", "mae", "log_loss")
    order = sorted(theirs, key=lambda name: float(theirs[name]["value"]), reverse=not lower)
    lines = [(folder.name, main, "o"), *((name.replace("_", " "), theirs[name], "b") for name in order)]
    marks = [rule["limit"] for rule in main.get("rules", ())] or [main["target"]] * (main["target"] is not None)
    ends = [float(one[key]) for _, one, _ in lines for key in ("value", "low", "high") if key in one] + marks
    low, high = min(ends), max(ends)
    margin = (high - low) * 0.06 or 1.0

    def x(value: float) -> float:
        return round(LEFT + (float(value) - low + margin) / (high - low + 2 * margin) * (RIGHT - LEFT), 1)

    height = 30 + ROW * len(lines)
    title = f"{main['score'].replace('_', ' ')}, {main['n']:,} test rows{', less is better' if lower else ''}"
    met = " m" if main["met"] is False else ""
    drawn = [f'<text class="q" x="8" y="18">{escape(title)}</text>']
    drawn += [f'<path class="t{met}" d="M{x(mark)} 24V{height - 4}"/>' for mark in marks]
    drawn += [_line(x, 40 + ROW * place, *line) for place, line in enumerate(lines)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" width="{WIDTH}">'
    return "\n".join([head, f"<title>{escape(_alternative(folder))}</title>", STYLE, *drawn, "</svg>"]) + "\n"


def _line(x: Any, y: int, name: str, one: dict[str, Any], kind: str) -> str:
    """A name, an interval, a dot (ours) or a square (a baseline), and the numbers."""
    at = x(one["value"])
    interval = (
        f'<path class="{kind}" stroke-width="2" d="M{x(one["low"])} {y}H{x(one["high"])}"/>' if "low" in one else ""
    )
    dot = f'<circle class="o" cx="{at}" cy="{y}" r="5"/>'
    square = f'<rect class="b" x="{round(at - 4, 1)}" y="{y - 4}" width="8" height="8"/>'
    numbers = f"{shown(one['value'])}" + (f" [{shown(one['low'])}, {shown(one['high'])}]" if "low" in one else "")
    label = f'<text x="8" y="{y + 4}">{escape(textwrap.shorten(name, 26, placeholder="…"))}</text>'
    said = f'<text class="n" x="{RIGHT + 10}" y="{y + 4}">{numbers}</text>'
    return f"{label}{interval}{dot if kind == 'o' else square}{said}"


def shown(value: Any) -> str:
    """Three digits after the point, or whole thousands."""
    number = float(value)
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3f}"


def _entry(folder: Path) -> str:
    """One recipe: title, problem, picture, what was reached, and the recipe itself."""
    readme = (folder / "README.md").read_text(encoding="utf-8")
    title = readme.partition("\n")[0].removeprefix("# ").strip()
    problem = readme.partition("## Problem\n")[2].partition("\n## ")[0].strip().partition("\n\n")[0]
    parts = [f"### {title}\n", _plain(problem) + "\n"]
    if records(folder):
        parts += [f"![{_alternative(folder)}](images/gallery/{folder.name}.svg)\n", _proved(folder) + "\n"]
    else:
        parts.append("*Not proved yet.*\n")
    recipe = (folder / "recipe.yaml").read_text(encoding="utf-8").strip()
    return "\n".join([*parts, f"```yaml\n{recipe}\n```\n"])


def _plain(text: str) -> str:
    """Links of a recipe's page lead nowhere from here: their words only."""
    return re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)


def _alternative(folder: Path) -> str:
    main = records(folder)[0]
    return (
        f"{folder.name}: {main['score'].replace('_', ' ')} {shown(main['value'])} "
        f"from {shown(main['low'])} to {shown(main['high'])}; "
        f"{main['baseline'].replace('_', ' ')} {shown(main['baseline_value'])}"
    )


def _proved(folder: Path) -> str:
    """Whether what was asked is met, at which commit, and whether recipe or code are other than those."""
    main = records(folder)[0]
    words = {True: "What was asked is met.", False: "**What was asked is missed.**", None: ""}[main["met"]]
    chosen = f" `auto` chose {main['model']}." if main.get("auto") else ""
    commit = main["commit"]
    state = f"`{commit[:10]}`{', with changes that were not committed' if commit.endswith('+') else ''}"
    same = hashlib.sha256((folder / "recipe.yaml").read_bytes()).hexdigest() == main["recipe_sha256"]
    since = "" if same else " **The recipe below has changed since.**"
    return f"{words}{chosen} Proved at {state}, data `{main['data_sha256'][:10]}`.{since}".strip()


def _programs() -> str:
    """The table of plain programs beside recipes, if it was measured."""
    if not PROGRAMS.is_file():
        return "*The plain programs beside them are not measured yet:* `python benchmarks/starter_programs.py`.\n"
    rows = []
    for one in json.loads(PROGRAMS.read_text(encoding="utf-8")):
        name, score = one["title"], one["score"].replace("_", " ")
        for kind, seconds in (("plain", one["peer"]), ("recipe", one["ours"])):
            words = "plain PyTorch" if kind == "plain" else "recipe"
            value = shown(one["scores"][kind])
            rows.append(f"| {name}, {words} | {one['lines'][kind]} | {seconds:,.0f} | {score} {value} |")
    return TABLE + "\n".join(rows) + "\n"
