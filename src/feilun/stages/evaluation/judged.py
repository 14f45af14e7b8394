"""Mistakes and groups for the report: which classes, which answers for which money, which groups lose."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feilun.core import discover
from feilun.core.recipe import Costs
from feilun.parts.metrics import wording
from feilun.parts.metrics.money import ALWAYS, NEVER, break_even
from feilun.stages.evaluation import charts, judging, plots
from feilun.stages.evaluation import groups as parts
from feilun.stages.evaluation.bilingual import Phrase, joined, known, listed, tell, term, verbatim
from feilun.stages.evaluation.phrases import cut

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe

CLASSES, GROUPS, COLUMNS = 40, 30, 12  # rows and tables a person still reads; the JSON beside the page has all
LABEL = 80  # letters of a class or a group
FEW = 30  # rows of a group below which its score says little


def classes(scores: Any) -> dict[str, Any]:
    """{rows: the classes with the lowest F1 first, more: how many are not shown, spans: whether spans have them}."""
    found = sorted((scores or {}).get("classes") or [], key=lambda row: _value(row.get("f1")))
    rows = [
        {
            "label": cut(str(row["label"]), LABEL),
            "n": row["n"],
            "said": row.get("said", ""),
            **{key: _full(row.get(key), "%" if key != "f1" else "") for key in ("precision", "recall", "f1")},
            "few": row["n"] < FEW,
        }
        for row in found[:CLASSES]
    ]
    spans = "span_f1" in (scores or {}).get("scores", {})
    return {"rows": rows, "more": len(found) - len(rows), "spans": spans}


def money(scores: Any, recipe: Recipe) -> dict[str, Any]:
    """{chart, words, rows: [(what, money)]} of answers with a price; {hint} where the recipe names none."""
    found = (scores or {}).get("money")
    if not found:
        two = scores and recipe.task == "classification" and "auc" in scores.get("scores", {})
        hint = "evaluate: {costs: {false_positive: 1, false_negative: 5}}"
        return {"hint": hint} if two else {}
    per_row, threshold = found["per_row"], found["threshold"]
    words = joined(
        [
            *_rule(threshold, break_even(Costs.model_validate(found["costs"])), str(found.get("positive", ""))),
            tell(
                "On the test rows it makes {value} {interval} a row.",
                value=wording.shown(per_row["value"], sign=True),
                interval=wording.interval(per_row.get("low"), per_row.get("high"), sign=True),
            ),
        ]
    )
    best = max(found.get("others", {}).items(), key=lambda item: float(item[1]), default=("", float("-inf")))
    if best[1] > per_row["value"]:
        more = tell("On these test rows the rule “{words}” would have made more.", words=known(best[0]))
        words = joined([words, more])
    line = [(float(x), float(y)) for x, y in found.get("curve", ()) if charts.known(x) and charts.known(y)]
    chart = plots.curves(
        {tell("profit per row"): line},
        plots.Axes(x=tell("threshold"), y=tell("profit per row")),
        marks=[(float(threshold), tell("chosen"))] if line else [],
    )
    rows = [(tell("this threshold"), wording.shown(per_row["value"], sign=True))]
    rows += [(known(name), wording.shown(value, sign=True)) for name, value in found.get("others", {}).items()]
    rows += [
        (
            tell("{baseline} from {threshold} on", baseline=term(name), threshold=f"{one['threshold']:.3g}"),
            wording.shown(one["value"], sign=True),
        )
        for name, one in found.get("baselines", {}).items()
    ]
    costs = listed([tell("{score} {value}", score=term(name), value=f"{x:g}") for name, x in found["costs"].items()])
    return {"chart": chart, "words": words, "rows": rows, "costs": costs}


def _rule(threshold: float, even: float, positive: str) -> list[Phrase]:
    """When to say yes, and how that was found."""
    label, at = cut(positive, LABEL), f"{threshold:.3g}"
    if threshold <= ALWAYS or threshold >= NEVER:
        said = (
            tell("Always say {label}.", label=label) if threshold <= ALWAYS else tell("Never say {label}.", label=label)
        )
        why = tell("By your costs the other answer never pays.")
    else:
        said = tell("Say {label} from a probability of {threshold} on.", label=label, threshold=at)
        why = tell(
            "By your costs both answers are worth the same there (break-even), and no other threshold made clearly "
            "more on the validation rows."
        )
    if threshold != even:
        why = tell(
            "On the validation rows that made clearly more than {even}, the break-even of your costs.",
            even=f"{even:.3g}",
        )
    return [said, why]


def groups(scores: Any, recipe: Recipe) -> dict[str, Any]:
    """{tables: one per column, worst group first; worst: the sentence above them; hint: what to add to the recipe}."""
    found = (scores or {}).get("groups") or []
    silent = [
        tell("{column}: {words}.", column=str(row["column"]), words=known(row["words"]))
        for row in (scores or {}).get("silent_groups") or []
    ]
    if not found and silent:
        return {"tables": [], "silent": silent}
    if not found:
        column = next((name for name, item in recipe.inputs.items() if item.kind == "category"), "")
        name = column if re.fullmatch(r"[A-Za-z_]\w*", column) else json.dumps(column, ensure_ascii=False)
        return {"hint": f"evaluate: {{groups: [{name}]}}"} if column else {}
    main = scores["scores"][scores["main"]]
    by_column: dict[str, list[Mapping[str, Any]]] = {}
    for row in found:
        by_column.setdefault(str(row["column"]), []).append(row)
    tables = [_group_table(column, rows, main) for column, rows in list(by_column.items())[:COLUMNS]]
    return {"tables": tables, "worst": _worst(found), "more": len(by_column) - len(tables), "silent": silent}


def weak_spots(scores: Any) -> dict[str, Any]:
    """{rows: [{where, n, score, others, svg, words}], head, title} of the slices that are answered worst."""
    found = (scores or {}).get("slices") or {}
    if not found.get("rows"):
        return {}
    unit = found["rows"][0]["score"]["unit"]
    drawn = charts.dots([row["score"] for row in found["rows"]], ["theirs"] * len(found["rows"]))
    rows = [
        {
            "where": listed([where(*pair) for pair in row["where"]]),
            "n": row["n"],
            "score": wording.full(row["score"]),
            "others": wording.shown(row["others"], unit),
            "svg": svg,
            "words": tell("clearly worse, even as the worst of {count:,}", count=found["looked_at"])
            if row["clear"]
            else tell("could be the worst of {count:,} by chance", count=found["looked_at"]),
        }
        for row, svg in zip(found["rows"], drawn, strict=True)
    ]
    head = tell(
        "The weakest of {count:,} slices of the test rows, by one column or two. They were picked because they look "
        "worst, so on new rows expect them a little better.",
        count=found["looked_at"],
    )
    return {"rows": rows, "head": head, "title": term(found["score"])}


def where(column: str, value: str) -> Phrase:
    """A group by its column and its part of it."""
    return tell("{column} = {value}", column=cut(column, LABEL), value=_part(value))


def _part(value: str) -> Phrase:
    """A part of a column: data as it is, but for the names that are ours."""
    ours = value in (parts.MISSING, parts.REST) or value.endswith(" characters")
    return known(value) if ours else verbatim(cut(value, LABEL))


def weakest(scores: Any, most: int = 3) -> list[tuple[Phrase, int, Phrase]]:
    """(slice, rows, score) of the slices, or else the groups or the classes, with the lowest score."""
    spots = weak_spots(scores)
    if spots:
        full = [tell("{score} {value}", score=spots["title"], value=row["score"]) for row in spots["rows"]]
        return [(row["where"], row["n"], said) for row, said in zip(spots["rows"][:most], full, strict=False)]
    found = [row for row in (scores or {}).get("groups") or [] if row["n"] >= FEW]
    if found:
        lower = found[0]["score"].get("better") == "lower"
        found.sort(key=lambda row: -_value(row["score"]) if lower else _value(row["score"]))
        return [
            (where(str(row["column"]), str(row["value"])), row["n"], verbatim(wording.full(row["score"])))
            for row in found[:most]
        ]
    rows = sorted((scores or {}).get("classes") or [], key=lambda row: _value(row.get("recall")))
    return [
        (
            tell("class {label}", label=cut(str(row["label"]), LABEL)),
            row["n"],
            tell("{score} {value}", score=term("recall"), value=_full(row["recall"], "%")),
        )
        for row in rows[:most]
    ]


def _group_table(column: str, rows: list[Mapping[str, Any]], main: Mapping[str, Any]) -> dict[str, Any]:
    lower = main["better"] == "lower"
    rows = sorted(rows, key=lambda row: -_value(row["score"]) if lower else _value(row["score"]))
    shown = rows[:GROUPS]
    drawn = charts.dots([main, *(row["score"] for row in shown)], ["ours"])
    listed: list[dict[str, Any]] = [
        {"value": tell("all rows"), "n": "", "score": wording.full(main), "gap": "", "few": False}
    ]
    listed[0]["svg"] = drawn[0]
    for row, svg in zip(shown, drawn[1:], strict=True):
        listed.append(
            {
                "value": _part(str(row["value"])),
                "n": row["n"],
                "score": wording.full(row["score"]),
                "gap": _gap(row.get("gap"), row["score"]),
                "svg": svg,
                "few": row["n"] < FEW,
            }
        )
    return {"column": column, "rows": listed, "more": len(rows) - len(shown)}


def _gap(gap: Mapping[str, Any] | None, score: Mapping[str, Any]) -> Phrase | str:
    """`clearly worse by 5.2 points [3.1, 7.0]`, or that there is no clear difference."""
    if not gap:
        return ""
    if gap.get("difference") is None:
        return known(gap["words"])
    unit = judging.points(str(gap.get("unit", score.get("unit", ""))))
    by = known(wording.shown(gap["difference"], unit, sign=True))
    span = wording.interval(gap.get("low"), gap.get("high"), unit, sign=True)
    return tell("{words}: {by}", words=known(gap["words"]), by=tell("{by} {span}", by=by, span=span))


def _worst(found: list[Mapping[str, Any]]) -> Phrase:
    clear = [row for row in found if (row.get("gap") or {}).get("words") == judging.WORSE]
    if not clear:
        return tell("No group is clearly worse than all other rows; small groups could hide a difference.")
    worst = max(clear, key=lambda row: abs(_value({"value": row["gap"]["difference"]})))
    return tell(
        "{count} of {all} groups are clearly worse than all other rows, most of all {column} = {value} ({n:,} rows).",
        count=len(clear),
        all=len(found),
        column=str(worst["column"]),
        value=cut(str(worst["value"]), LABEL),
        n=worst["n"],
    )


def business(scores: Any) -> list[tuple[str, Phrase, str]]:
    """(name, value, expression) of one's own metrics."""
    return [
        (name, stated(found), str(found.get("expression", "")))
        for name, found in (scores or {}).get("scores", {}).items()
        if found.get("of") == "business"
    ]


def meanings(scores: Any) -> list[tuple[Phrase, Phrase]]:
    """(score, what it says in one line) of every score that is shown."""
    said = {name: line for kind in discover.names("metrics") for name, line in _lines(kind).items()}
    return [
        (term(name), known(said[name]))
        for name, found in (scores or {}).get("scores", {}).items()
        if name in said and found.get("of") != "business"
    ]


def _lines(kind: str) -> Mapping[str, str]:
    lines: Mapping[str, str] = discover.find("metrics", kind).SCORES
    return lines


def score_title(name: str, found: Mapping[str, Any]) -> Phrase:
    """A score's name; one's own metrics keep theirs."""
    return verbatim(name) if found.get("of") == "business" else term(name)


def stated(score: Mapping[str, Any]) -> Phrase:
    """A score with its interval, or the words that say why there is none."""
    return known(score["words"]) if score.get("words") else verbatim(wording.full(score))


def _full(score: Any, unit: str) -> str:
    return wording.full({"unit": unit, **score}) if isinstance(score, Mapping) and charts.known(score["value"]) else "–"


def _value(score: Any) -> float:
    value = score.get("value") if isinstance(score, Mapping) else None
    return float(value) if charts.known(value) else float("inf")
