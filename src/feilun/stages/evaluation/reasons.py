"""Why for the report: sanity looks, which columns matter, and columns that may tell too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from feilun.parts.metrics import wording
from feilun.stages.evaluation import charts
from feilun.stages.evaluation.bilingual import Phrase, known, tell, term, verbatim
from feilun.stages.evaluation.phrases import cut

MOST, LOOKS = 20, 20  # columns with a bar; looks
LABEL, WORDS = 60, 600  # letters of a column's name; of a remark


def why(found: Any, scores: Any, columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """{looks, importance, words, warnings} from why.json and the profile of the columns; {} if there is nothing."""
    found = found if isinstance(found, Mapping) else {}
    looks = [
        {
            "ok": bool(look.get("ok")),
            "title": known(look.get("title", "")),
            "words": known(cut(str(look.get("words", "")), WORDS)),
        }
        for look in (found.get("looks") or [])[:LOOKS]
    ]
    warnings = [(row["column"], known(row["warning"])) for row in columns if row.get("warning")]
    rows = _importance(found, scores)
    made = {"looks": looks, "warnings": warnings, **rows}
    return made if looks or warnings or rows["bars"] else {}


def _importance(found: Mapping[str, Any], scores: Any) -> dict[str, Any]:
    """Bars with intervals on one axis with 0, the column that matters most first."""
    rows = sorted(found.get("importance") or [], key=lambda row: -_number(row.get("value")))
    shown, unit = rows[:MOST], _unit(found, scores)
    drawn = charts.dots(shown, ["theirs" if _number(row.get("low")) <= 0 else "ours" for row in shown], zero=True)
    bars = [
        {
            "input": verbatim(cut(str(row["input"]), LABEL)),
            "svg": svg,
            "value": f"{wording.shown(row['value'], unit, sign=True)} "
            f"{wording.interval(row.get('low'), row.get('high'), unit, sign=True)}",
            "matters": _number(row.get("low")) > 0,
        }
        for row, svg in zip(shown, drawn, strict=True)
    ]
    words: Phrase | str = known(cut(str(found["words"]), WORDS)) if found.get("words") else ""
    title = tell(
        "How much worse {score} gets when a column is shuffled among the test rows", score=term(found.get("score", ""))
    )
    return {"bars": bars, "more": len(rows) - len(shown), "words": words, "title": title}


def _unit(found: Mapping[str, Any], scores: Any) -> str:
    score = (scores or {}).get("scores", {}).get(found.get("score"), {})
    return "points" if score.get("unit") == "%" else str(score.get("unit", ""))


def _number(value: Any) -> float:
    return float(value) if charts.known(value) else 0.0
