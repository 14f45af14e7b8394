"""Labels that look wrong: every row is judged by a model that never saw it, and some say another class with confidence.

Confident learning (Northcutt, Jiang & Chuang 2021): a class is *confident* in a row whose chance of it is at least the
mean chance of that class over the rows that were given its label, so that classes that the model finds hard have lower
bars than easy ones. Counted over these rows, the classes that were given against the confident ones tell how many rows
of each class should have another; so many are listed, those with the least chance of their label.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.parts.dataset import Table
from feilun.stages.evaluation.bilingual import tell

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe

KINDS = ("number", "category", "text", "time")  # columns that a person can read in a table
SHOWN, LISTED = 5, 20  # rows on the terminal, and in the report


def check(recipe: Recipe, data: Path | None) -> None:
    """Raises RecipeError unless every row has one label of several. data: None while the recipe alone is known."""
    features = Table.open(data).features if data else discover.task(str(recipe.task)).features(recipe)
    target: Any = features.get("target")
    if target is None or target.kind != "labels" or target.several:
        got = "a row may have several labels" if target is not None and target.kind == "labels" else "it has no classes"
        raise RecipeError(
            f"--label-noise looks for rows with the wrong one of several labels; task {recipe.task}: {got}.",
            where="--label-noise",
            expected="a classification with one label per row",
            got=got,
            fix="feilun evaluate RECIPE --folds 5",
        )


def report(lines: Sequence[Mapping[str, Any]], table: Table, recipe: Recipe) -> dict[str, Any]:
    """label-noise.json: {n, share, suspects, classes, rows: [{id, given, suggested, chance, chance_of_given, columns}]}

    lines: {id, answer, truth} of every row, answered by a model that never saw it.  classes: `{given, suggested, rows}`
    by pair, the most frequent first.  columns: what the row says, as far as it can be read in a table.
    """
    labels = sorted({str(name) for line in lines for name in line["answer"]["scores"]})
    chances = np.array([[line["answer"]["scores"].get(label, 0.0) for label in labels] for line in lines], np.float64)
    kept = [place for place, line in enumerate(lines) if line["truth"] in labels]  # the rarest may be in no fold's rows
    given = np.array([labels.index(lines[place]["truth"]) for place in kept], np.int64)
    suggested, share = find(chances[kept], given)
    gap = chances[kept, suggested] - chances[kept, given]
    wrong = np.flatnonzero(suggested != given)
    wrong = wrong[np.argsort(-gap[wrong], kind="stable")]
    seen = _columns(table, recipe, {str(lines[kept[place]]["id"]) for place in wrong})
    rows = [
        {
            "id": lines[kept[place]]["id"],
            "given": labels[given[place]],
            "suggested": labels[suggested[place]],
            "chance": round(float(chances[kept[place], suggested[place]]), 4),
            "chance_of_given": round(float(chances[kept[place], given[place]]), 4),
            "columns": seen.get(str(lines[kept[place]]["id"]), {}),
        }
        for place in wrong
    ]
    pairs, counts = np.unique(np.stack([given[wrong], suggested[wrong]], 1), axis=0, return_counts=True)
    return {
        "n": len(kept),
        "share": round(share, 4),
        "suspects": len(rows),
        "classes": [
            {"given": labels[pairs[place][0]], "suggested": labels[pairs[place][1]], "rows": int(counts[place])}
            for place in np.argsort(-counts, kind="stable")
        ],
        "rows": rows,
    }


def find(chances: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, float]:
    """(the class of each row, its own where nothing speaks against it; the estimated share of wrong labels).

    chances: (N, classes), from models that never saw the row.  given: int64 (N,).  The estimate is the confident joint,
    each class scaled to as many rows as were given it (equation 3 of the paper); the rows are pruned by class: of those
    given i, as many as should be another, with the least chance of i.
    """
    rows, classes = chances.shape
    counts = np.bincount(given, minlength=classes)
    own = chances[np.arange(rows), given]
    bars = np.where(counts > 0, np.bincount(given, weights=own, minlength=classes) / np.maximum(counts, 1), np.inf)
    confident = chances >= bars
    sure = confident.any(1)
    joint = np.zeros((classes, classes))
    np.add.at(joint, (given[sure], np.where(confident, chances, -1.0).argmax(1)[sure]), 1.0)
    joint *= (counts / np.maximum(joint.sum(1), 1))[:, None]
    suggested = given.copy()
    for label in np.flatnonzero(counts):
        mine = np.flatnonzero(given == label)
        doubted = mine[np.argsort(own[mine], kind="stable")][: round(float(joint[label].sum() - joint[label, label]))]
        suggested[doubted] = chances[doubted].argmax(1)
    return suggested, float((joint.sum() - joint.trace()) / max(joint.sum(), 1.0))


def spreadsheet(found: Mapping[str, Any]) -> str:
    """label-noise.csv: a line a row, to correct by hand; the last column is empty, for the label that is right."""
    columns = list(dict.fromkeys(name for row in found["rows"] for name in row["columns"]))
    names = ["id", "given", "suggested", "chance", "chance_of_given"]
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow([*names, *columns, "right"])
    for row in found["rows"]:
        table.writerow([*(row[name] for name in names), *(row["columns"].get(name, "") for name in columns), ""])
    return written.getvalue()


def told(found: Mapping[str, Any]) -> list[str]:
    """What the terminal shows."""
    about = f"about {100 * found['share']:.1f} % of all"
    head = f"{found['suspects']:,} of {found['n']:,} labels look wrong to models that never saw their rows; {about} are"
    first = found["rows"][:SHOWN]
    return [
        head,
        *(f"  {row['id']}  {row['given']} → {row['suggested']}  {100 * row['chance']:.0f} %" for row in first),
    ]


def drawn(found: Any) -> dict[str, Any]:
    """What the report shows: {words, rows: [(id, given, suggested, chance, what the row says)]}; {} without a study."""
    if not found:
        return {}
    words = tell(
        "{suspects:,} of {n:,} labels look wrong to models that never saw their rows; about {share} of all are.",
        suspects=found["suspects"],
        n=found["n"],
        share=f"{100 * found['share']:.1f} %",
    )
    rows = [
        (
            str(row["id"]),
            row["given"],
            row["suggested"],
            f"{100 * row['chance']:.0f} %",
            " · ".join(str(value) for value in row["columns"].values() if value is not None),
        )
        for row in found["rows"][:LISTED]
    ]
    return {"words": words, "rows": rows}


def _columns(table: Table, recipe: Recipe, ids: set[str]) -> dict[str, dict[str, Any]]:
    """{id: {column: value}} of these rows."""
    names = [name for name, item in recipe.inputs.items() if item.kind in KINDS and name in table.rows.column_names]
    if not ids or not names:
        return {}
    places = [place for place, one in enumerate(table.rows["_id"]) if str(one) in ids]
    part = table.rows.select_columns(["_id", *names])[places]
    values = zip(*(part[name] for name in names), strict=True)
    return {str(one): dict(zip(names, row, strict=True)) for one, row in zip(part["_id"], values, strict=True)}
