"""The first screen of the report: the verdict, the numbers, and the model beside every baseline on one axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feilun.parts.metrics import wording
from feilun.stages.evaluation import charts, judging, reading
from feilun.stages.evaluation.bilingual import Phrase, joined, known, opening, tell, term, verbatim

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe

MARKS = {"good": "✓", "even": "≈", "bad": "✗"}
LEVELS = {
    "good": "Use it",
    "even": "No better than a simple method",
    "bad": "Do not use it yet",
    "": "Not judged yet",
}
BETTER = {
    "higher": "{score}, higher is better, on {count:,} rows that decided nothing before.",
    "lower": "{score}, lower is better, on {count:,} rows that decided nothing before.",
}
PLAIN = "fp32"  # the variant that answers as the scored network does
BASELINES = 12  # beside the model; one's own metrics may bring more than a page can show


def verdict(scores: Any) -> dict[str, Any]:
    """{level, title, mark, words} of the first screen."""
    found = (scores or {}).get("verdict", {})
    level = str(found.get("level", "")) if found.get("level") in MARKS else ""
    words = [known(found.get("words") or "This run has no scores: nothing here says whether it may be used.")]
    if level == "good":
        main = scores["scores"][scores["main"]]
        words.append(
            tell("Whether {value} is enough is for you to say.", value=wording.shown(main["value"], main["unit"]))
        )
    return {"level": level, "title": tell(LEVELS[level]), "mark": MARKS.get(level, "?"), "words": joined(words)}


def dots(scores: Any, variants: Any, recipe: Recipe) -> list[dict[str, Any]]:
    """The model, the variant that is served where it is another, and every baseline, with what the difference means."""
    if not scores:
        return []
    main, model = scores["main"], recipe.model.name
    ours = tell("this model ({model})", model=model) if model else tell("this model")
    rows: list[dict[str, Any]] = [{"label": ours, "words": "", "score": scores["scores"][main], "kind": "ours"}]
    served = _served(variants)
    if served:
        name, found = served
        label = tell("as served ({variant})", variant=name)
        rows.append({"label": label, "words": "", "score": found["score"], "kind": "served"})
    for name, found in list(scores["baselines"].items())[:BASELINES]:
        rows.append(
            {"label": term(name), "score": found[main], "kind": "theirs", "words": _gap(scores["against"].get(name))}
        )
    drawn = charts.dots([row["score"] for row in rows], [row["kind"] for row in rows])
    return [{**row, "svg": svg} for row, svg in zip(rows, drawn, strict=True)]


def about_dots(scores: Any, variants: Any) -> list[Phrase]:
    """What stands under the dots: what is drawn, on how many rows, of which variant."""
    main = scores["scores"][scores["main"]]
    said = [tell(BETTER[main["better"]], score=opening(term(scores["main"])), count=scores["n"])]
    resampled = str(scores.get("resampled") or main.get("resampled") or "")
    if resampled.startswith("groups of "):
        column = verbatim(resampled.removeprefix("groups of "))
        said.append(
            tell("Intervals are drawn over the groups of {column}: rows of one group are alike.", column=column)
        )
    said.append(
        tell(
            "Bars are 95 % intervals: of a share Wilson's, else {count:,} bootstrap resamples, seed {seed}; "
            "differences are taken row by row.",
            count=scores["resamples"],
            seed=scores["seed"],
        )
    )
    served = _served(variants)
    if served:
        said.append(
            tell(
                "The full disc is the network as it was trained, and every comparison here is with it; what is served "
                "is its {variant} variant, the open disc.",
                variant=served[0],
            )
        )
    return said


def facts(scores: Any, variants: Any) -> list[tuple[str, Phrase]]:
    """The few numbers of the first screen: (value, what it is)."""
    found = []
    if scores:
        main = scores["scores"][scores["main"]]
        found.append((wording.shown(main["value"], main["unit"]), term(scores["main"])))
        found.append((f"{scores['n']:,}", tell("test rows that decided nothing")))
    if variants:
        served = _served(variants)
        if scores and served:  # what is scored above is the network before it was made smaller
            score = served[1]["score"]
            said = wording.shown(score["value"], score.get("unit", ""))
            found.insert(1, (said, tell("of the {variant} variant that is served", variant=served[0])))
        chosen = variants["variants"][variants["chosen"]]
        found.append((f"{chosen['row_ms']:.3g} ms", tell("for one answer, on this computer's processor")))
        found.append((reading.size(chosen["size_bytes"]), tell("to ship")))
    return found


def _served(variants: Any) -> tuple[str, Mapping[str, Any]] | None:
    """(name, what was measured) of the variant that serves, if it answers otherwise than the scored network."""
    if not variants or variants["chosen"] == PLAIN:
        return None
    return str(variants["chosen"]), variants["variants"][variants["chosen"]]


def _gap(gap: Mapping[str, Any] | None) -> Phrase | str:
    if not gap:
        return ""
    unit = judging.points(gap["unit"])
    by = tell("{by} {span}", by=known(wording.shown(gap["difference"], unit, sign=True)), span=judging.span(gap))
    return tell("{words}: {by}", words=known(judging.against_words(gap["words"])), by=by)
