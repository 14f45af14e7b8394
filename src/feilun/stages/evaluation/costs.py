"""Cost for the report: where the time went and what that means, variants, the models tried, folds, more rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from feilun.core.manifest import Manifest
from feilun.parts.metrics import wording
from feilun.stages.evaluation import charts, plots, studied
from feilun.stages.evaluation.bilingual import Phrase, joined, known, tell, term, verbatim
from feilun.stages.evaluation.phrases import cut

FINISHED_EARLY = 0.7  # share of the epochs after which the rest bought nothing
WORDS = 200  # letters of a remark or an error
LOTS = 0.5  # share of the time that makes a stage the bottleneck


def curves(epochs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """{chart, words}: loss by epoch, the kept epoch marked."""
    lines = {tell("training"): "loss", tell("validation"): "validation_loss"}
    named = {
        name: [(row["epoch"], row[key]) for row in epochs if row.get(key) is not None] for name, key in lines.items()
    }
    there = [row for row in epochs if charts.known(row.get("validation_loss"))]
    best = min(there, key=lambda row: float(row["validation_loss"]))["epoch"] if len(there) > 1 else None
    axes = plots.Axes(x=tell("epoch"), y=tell("loss"), least=1.0)
    chart = plots.curves(named, axes, marks=[(best, tell("lowest"))] if best is not None else [])
    words: Phrase | str = ""
    if best is not None and epochs:
        words = tell("Validation loss was lowest after epoch {best} of {last}.", best=best, last=epochs[-1]["epoch"])
    return {"chart": chart, "words": words}


def bottleneck(made: Mapping[str, Manifest]) -> Phrase | str:
    """Which stage took the time and what would save most of it, in plain words."""
    total = sum(item.seconds for item in made.values())
    if not made or total <= 0:
        return ""
    stage = max(made, key=lambda name: made[name].seconds)
    share = made[stage].seconds / total
    head = tell(
        "{stage} took {share} of {total}.",
        stage=term(stage.capitalize()),
        share=f"{100 * share:.0f} %",
        total=duration(total),
    )
    if share < LOTS:
        return joined([head, tell("No stage takes most of the time.")])
    return joined([head, *_advice(stage, made[stage].facts)])


def _advice(stage: str, facts: Mapping[str, Any]) -> list[Phrase]:
    if stage == "training":
        epochs, best = facts.get("epochs"), facts.get("best_epoch")
        said = []
        if charts.known(facts.get("rows_per_s")):
            rate, threads = f"{facts['rows_per_s']:,.0f}", facts.get("threads", "?")
            said.append(
                tell("It learnt from {rate} rows a second (CPU threads: {threads}).", rate=rate, threads=threads)
            )
        if charts.known(epochs) and charts.known(best) and best < FINISHED_EARLY * epochs:
            said.append(
                tell(
                    "The best epoch was {best} of {epochs}; a lower train.epochs or train.patience saves the rest.",
                    best=best,
                    epochs=epochs,
                )
            )
        else:
            said.append(tell("A smaller model, a larger train.batch_size or fewer epochs would save most."))
        return said
    return [tell(ADVICE[stage])] if stage in ADVICE else []


ADVICE = {
    "data": "Reading and encoding rows is the bottleneck; it is done once and kept until the data change.",
    "evaluation": "Answering, fitting the baselines and drawing the intervals take the time; evaluate.bootstrap "
    "lowers it.",
    "optimization": "Measuring the variants takes the time; optimize.quantize: none leaves the int8 one out.",
    "deployment": "Packing the model takes the time; training was quick.",
}


def profiled(made: Mapping[str, Manifest]) -> Phrase | str:
    """Where a step's time went, where `--profile` measured it."""
    found = made["training"].facts.get("profile") if "training" in made else None
    return joined([known(sentence) for sentence in found["words"]]) if found else ""


def tried(found: Any) -> dict[str, Any]:
    """The models that `model: auto` tried, on validation rows, as dots on one axis."""
    models = (found or {}).get("models") or []
    if not models:
        return {}
    drawn = charts.dots(models, ["ours" if row.get("chosen") else "theirs" for row in models])
    rows = [
        {
            "model": str(row["model"]),
            "options": ", ".join(f"{name} {value}" for name, value in (row.get("options") or {}).items()),
            "value": _full(row),
            "parameters": row.get("parameters"),
            "seconds": row.get("seconds"),
            "chosen": bool(row.get("chosen")),
            "words": known(cut(str(row.get("error") or row.get("words") or ""), WORDS)),
            "svg": svg,
        }
        for row, svg in zip(models, drawn, strict=True)
    ]
    head = tell(
        "Compared by {score} on {rows:,} validation rows; test rows decided nothing.",
        score=term(found.get("score", "")),
        rows=found.get("rows", 0),
    )
    return {"rows": rows, "head": head}


def folds(found: Any) -> dict[str, Any]:
    """Cross-validation: the mean with its interval beside the baselines, and every fold."""
    if not found:
        return {}
    unit = found.get("unit", "")
    words = tell(
        "Trained {count} times, each time tested on rows the others left out: {score} {value} over {n:,} rows.",
        count=len(found["folds"]),
        score=term(found["score"]),
        value=_full(found),
        n=found["n"],
    )
    named = [(tell("this model"), found), *((term(name), row) for name, row in found.get("baselines", {}).items())]
    drawn = charts.dots([row for _, row in named])
    rows = [
        {"label": label, "value": wording.full({"unit": unit, **row}), "svg": svg}
        for (label, row), svg in zip(named, drawn, strict=True)
    ]
    words = joined([words, *map(known, studied.chosen(found["folds"]))])
    each = [(row["fold"] + 1, f"{row['n']:,}", wording.shown(row["value"], unit)) for row in found["folds"]]
    return {"words": words, "rows": rows, "folds": each}


def learning(found: Any) -> dict[str, Any]:
    """The score by the number of training rows, and what more rows would bring."""
    points = (found or {}).get("points") or []
    if not points:
        return {}
    unit, name = found.get("unit", ""), term(found["score"])
    points = sorted(points, key=lambda row: row["rows"])
    chart = plots.curves(
        {name: [(row["rows"], row["value"]) for row in points]},
        plots.Axes(x=tell("training rows"), y=name, y_percent=unit == "%", log=True),
        band=[(row["rows"], row.get("low"), row.get("high")) for row in points],
    )
    more = found.get("more") or {}
    rows = [(f"{row['rows']:,}", wording.full({"unit": unit, **row})) for row in points]
    said = [*map(known, [more["words"]] if more.get("words") else []), *map(known, studied.chosen(points))]
    return {"chart": chart, "words": joined(said) if said else "", "rows": rows, "name": name}


def variants(found: Any) -> dict[str, Any]:
    """The table of the ways to serve it, and why one is served."""
    if not found:
        return {}
    rows = [
        {
            "name": name,
            "chosen": name == found["chosen"],
            "size": f"{row['size_bytes'] / 1e6:.3g} MB",
            "row_ms": f"{row['row_ms']:.3g} ms",
            "batch_ms": f"{row['batch_row_ms']:.3g} ms",
            "score": wording.full(row["score"]),
            "agreement": f"{100 * row['agreement']:.1f} %",
        }
        for name, row in found["variants"].items()
    ]
    return {"rows": rows, "why": known(found.get("why", "")), "score": term(found.get("score", ""))}


def spent(made: Mapping[str, Manifest]) -> list[dict[str, Any]]:
    """Seconds and memory of each stage, with its share as a bar."""
    most = max((item.seconds for item in made.values()), default=0.0) or 1.0
    return [
        {
            "stage": term(stage),
            "seconds": f"{item.seconds:,.1f}",
            "share": f"{100 * item.seconds / most:.0f}",
            "worked": f"{item.cpu_seconds:,.1f}" if item.cpu_seconds else "",
            "memory": f"{item.peak_memory_mb:,.0f} MB",
        }
        for stage, item in made.items()
    ]


def duration(seconds: float) -> Phrase:
    """`42 s`, `3.5 minutes`, `2.1 hours`."""
    if seconds < 90:
        return tell("{count} s", count=f"{seconds:.3g}")
    if seconds < 5400:
        return tell("{count} minutes", count=f"{seconds / 60:.2g}")
    return tell("{count} hours", count=f"{seconds / 3600:.3g}")


def _full(row: Mapping[str, Any]) -> Any:
    if not charts.known(row.get("value")):
        return Markup("–")
    return verbatim(wording.full({"unit": "", **row}))
