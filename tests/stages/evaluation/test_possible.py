"""A score that the test rows cannot have is refused when the rows are dealt, not when training is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import feilun
from feilun.core.errors import DataError

QUICK = {"train__epochs": 1, "evaluate__bootstrap": 100, "optimize__quantize": "none"}


def run(folder: Path, train: list[Any], test: list[Any], **changes: Any) -> Any:
    for name, target in (("train", train), ("test", test)):
        rows = [f"{place % 13}.5,{place % 7}.25,{one}" for place, one in enumerate(target)]
        (folder / f"{name}.csv").write_text("\n".join(["a,b,y", *rows]), encoding="utf-8")
    files = {"data__test": str(folder / "test.csv"), "name": "t", "model": "linear"}
    return feilun.run(folder / "train.csv", target="y", home=folder / "runs", **{**QUICK, **files, **changes})


LABELS = ["yes" if place % 3 else "no" for place in range(200)]
NUMBERS = [0.5 + place % 11 for place in range(200)]


@pytest.mark.parametrize(
    ("train", "test", "score", "words"),
    [
        (LABELS, ["yes"] * 57, "auc", r'all 57 test rows are "yes": auc needs both classes'),
        (LABELS, ["no"] * 57, "average_precision", r'all 57 test rows are "no": average_precision needs both classes'),
        (NUMBERS, [2.5] * 57, "r2", "the target is 2.5 in all 57 test rows: r2 needs different targets"),
        (
            NUMBERS,
            [2.5, 0, *[1.5] * 55],
            "mape",
            "the target is 0 in 1 of 57 test rows: mape needs targets other than 0",
        ),
    ],
)
def test_refused_before_training(tmp_path: Path, train: list[Any], test: list[Any], score: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        run(tmp_path, train, test, evaluate__score=score)
    assert not (tmp_path / "runs" / "t" / "1" / "training").exists()


def test_with_the_usual_score_one_class_is_no_obstacle(tmp_path: Path) -> None:
    assert run(tmp_path, LABELS, ["yes"] * 57).made("evaluation").scores["accuracy"]["value"] >= 0
