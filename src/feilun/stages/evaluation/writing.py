"""What the evaluation leaves beside its scores: every answer, and rows to look at with what they hang on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.manifest import write_bytes, write_json
from feilun.stages.evaluation import attributions, judging, looked
from feilun.stages.evaluation import examples as choosing
from feilun.stages.evaluation.asking import Model, part

if TYPE_CHECKING:
    from feilun.core.task import Json, Row, Rows
    from feilun.parts.metrics.resampling import Draw
    from feilun.stages.evaluation.why import Seen


def lines(
    rows: Sequence[Row],
    answers: Sequence[Json],
    truths: Sequence[Json],
    others: Mapping[str, Sequence[Json]],
    draw: Draw,
    columns: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """{id, answer, truth, baselines: {name: answer}} per row, `group` where rows are resampled by group, and
    `columns` {name: value} of those that business metrics read."""
    found = []
    for place, row in enumerate(rows):
        beside = {name: given[place] for name, given in others.items()}
        line = {"id": row.get("_id"), "answer": answers[place], "truth": truths[place], "baselines": beside}
        if columns:
            line["columns"] = {name: row[name] for name in columns if name in row}
        found.append(line if draw.groups is None else {**line, "group": int(draw.groups[place])})
    return found


def answers(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """answers.jsonl."""
    write_bytes(path, ("\n".join(json.dumps(line, ensure_ascii=False, default=str) for line in lines) + "\n").encode())


def shown(folder: Path, model: Model, seen: Seen, train: Rows, matters: Sequence[Mapping[str, Any]]) -> None:
    """examples.json: rows answered well and badly, each with `why`; attention.json: what they were written from.

    matters: the importance of columns; of many columns those that matter most are shown.
    """
    scores = model.task.scores(seen.answers, seen.truths, model.recipe)
    main = judging.main_score(scores, model.recipe)
    first = model.task.paired if model.task.paired in scores else main
    groups = choosing.chosen(scores, first, model.recipe.seed)
    columns = {name: item.kind for name, item in model.recipe.inputs.items()}
    columns = columns or {name: "" for name in seen.rows if name != "_id"}
    order = [str(row["input"]) for row in matters if row["input"] in columns]
    columns = dict(sorted(columns.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))
    rows = {group: _shown(model, seen, places, columns, train) for group, places in groups.items()}
    write_json(folder / "examples.json", rows)
    if attention := looked.found(model, seen.rows, seen.truths, groups):
        write_json(folder / "attention.json", attention)


def _shown(model: Model, seen: Seen, places: np.ndarray, columns: Mapping[str, str], train: Rows) -> Any:
    if not len(places):
        return []
    rows = part(seen.rows, places)
    given = [seen.answers[place] for place in places]
    by_row: list[Row] = [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]
    shown = choosing.shown(by_row, columns, given, [seen.truths[place] for place in places])
    reasons = attributions.of_rows(model, rows, given, train, list(columns))
    return [{**one, "why": reason} for one, reason in zip(shown, reasons, strict=True)]
