"""A packed bundle must answer as the evaluated network did, also through predict.py where torch cannot be imported."""

from __future__ import annotations

import base64
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feilun.core.errors import FeilunError
from feilun.core.task import Json, Row
from feilun.parts.bundle import layout, loading

ROWS = 8
LEAST_AGREEMENT = 0.75  # a row on the edge between two answers may fall to either side
TOLERANCE = 1e-3  # absolute plus relative, for numbers in answers
TIMEOUT_S = 120
_WITHOUT = ("torch", "datasets", "pyarrow", "sklearn", "pydantic", "fastapi", "sqlalchemy", "yaml")


def check(bundle: Path, data: Path, evaluation: Path) -> dict[str, Any]:
    """{rows, agreement}: the share of test rows answered as in evaluation. Raises FeilunError if too few are."""
    loaded = loading.load(bundle, variant="fp32", threads=1)
    whole, expected = _evaluated(data, evaluation / "answers.jsonl")
    told = loaded.judged(whole)
    _agree(told, expected, "The bundle")
    rows = [{name: row[name] for name in loaded.signature} for row in whole] or [loaded.example()]
    answers = loaded.predict(rows)
    outside = outside_answers(bundle, rows)
    _agree(outside, answers, "predict.py")
    chosen = loading.load(bundle, threads=1)
    if chosen.manifest["variant"] != "fp32":
        chosen.predict(rows)
    return {"rows": len(rows), "agreement": agreement(told, expected)}


def outside_answers(bundle: Path, rows: Sequence[Row], **options: Any) -> list[Json]:
    """What predict.py answers in a process of its own that can import none of the libraries of training."""
    asked_with = json.dumps(options)
    command = (
        f"import runpy, sys; sys.modules.update(dict.fromkeys({_WITHOUT!r}))\n"
        f"sys.argv = ['predict.py', '-', '--variant', 'fp32', '--threads', '1', '--options', {asked_with!r}]\n"
        f"runpy.run_path({str(bundle / layout.PREDICT)!r}, run_name='__main__')"
    )
    asked = json.dumps([{name: _as_json(value) for name, value in row.items()} for row in rows])
    done = subprocess.run(
        [sys.executable, "-B", "-c", command], input=asked, capture_output=True, encoding="utf-8", timeout=TIMEOUT_S
    )
    if done.returncode != 0:
        raise FeilunError(
            f"predict.py of the bundle fails without torch: {done.stderr.strip()[-800:]}",
            where=str(bundle / layout.PREDICT),
            fix="a file that answers may import torch, datasets or pydantic only inside functions of training",
        )
    return list(json.loads(done.stdout))


def agreement(answers: Sequence[Json], expected: Sequence[Json]) -> float:
    """Share of equal answers, numbers within TOLERANCE; 1.0 where there is nothing to compare."""
    pairs = list(zip(answers, expected, strict=False))
    return sum(same(one, other) for one, other in pairs) / len(pairs) if pairs else 1.0


def same(one: Json, other: Json) -> bool:
    """Equal but for rounding; pictures and sounds in base64 only have to be there."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(one, str) and isinstance(other, str) and min(len(one), len(other)) > 60 and " " not in one:
        return True
    return bool(one == other)


def _agree(answers: Sequence[Json], expected: Sequence[Json], who: str) -> None:
    share = agreement(answers, expected)
    if share < LEAST_AGREEMENT:
        place = next(at for at, pair in enumerate(zip(answers, expected, strict=False)) if not same(*pair))
        raise FeilunError(
            f"{who} answers {share:.0%} of {len(answers)} test rows as expected. Test row {place}: expected "
            f"{json.dumps(expected[place], default=str)[:200]}, got {json.dumps(answers[place], default=str)[:200]}.",
            where="deployment",
            expected=f"at least {LEAST_AGREEMENT:.0%}",
            got=f"{share:.0%}",
        )


def _evaluated(data: Path, answers: Path) -> tuple[list[Row], list[Json]]:
    """The first test rows, and what evaluation answered to them."""
    from feilun.parts.dataset.table import Table

    first = Table.open(data).columns("test", ROWS)
    wanted = [str(key) for key in first["_id"]]
    with answers.open(encoding="utf-8") as file:
        lines = map(json.loads, file)
        found = {str(line["id"]): line["answer"] for line in lines if str(line["id"]) in wanted}
    places = [at for at, key in enumerate(wanted) if key in found]
    rows = [{name: values[at] for name, values in first.items()} for at in places]
    return rows, [found[wanted[at]] for at in places]


def _as_json(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
