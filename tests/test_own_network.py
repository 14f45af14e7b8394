"""One's own network, from a file or from Python, goes through every stage like any other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import feilun
from feilun import lifecycle
from feilun.core import reading
from feilun.core.errors import InputError

FILE = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs["numbers"][0], 8), nn.ReLU(), nn.Linear(8, outputs))

    def forward(self, numbers):
        return self.layers(numbers)
"""
QUICK = {"train__epochs": 3, "evaluate__bootstrap": 100}


def frame(rows: int = 300) -> dict[str, list[object]]:
    """Rows whose label is the sign of a sum."""
    draw = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, rows, generator=draw).tolist()
    label = ["up" if one + other > 0 else "down" for one, other in zip(first, second, strict=True)]
    return {"first": first, "second": second, "label": label}


def csv(folder: Path) -> Path:
    """The same rows as a file, with a recipe that names a file of its own."""
    rows = frame()
    lines = ["first,second,label", *(",".join(map(str, row)) for row in zip(*rows.values(), strict=True))]
    (folder / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "mine.py").write_text(FILE, encoding="utf-8")
    recipe = folder / "my.yaml"
    recipe.write_text(
        "data: {source: t.csv}\ntarget: label\nmodel: {file: mine.py}\n"
        "train: {epochs: 3}\nevaluate: {bootstrap: 100}\n",
        encoding="utf-8",
    )
    return recipe


def test_a_module_from_python_is_served_with_the_weights_it_learnt(tmp_path: Path) -> None:
    import pandas

    network = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    before = [weight.clone() for weight in network.state_dict().values()]
    run = feilun.run(pandas.DataFrame(frame()), target="label", model=network, home=tmp_path, name="mine", **QUICK)
    assert run.recipe.model.name == "own" and len(run.stages) == 5
    answer = feilun.load("mine", home=tmp_path).predict([{"first": 3.0, "second": 3.0}])[0]
    assert set(answer["scores"]) == {"down", "up"}
    after = list(network.state_dict().values())
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True)), "the user's module changed"


def test_a_column_stays_one_number_however_many_rows_there_are(tmp_path: Path) -> None:
    import pandas

    settings = {**QUICK, "train__epochs": 1, "optimize__quantize": "none", "home": tmp_path, "name": "mine"}
    rows = pandas.DataFrame(frame(1600))  # from 1,000 training rows on, other networks get pieces
    run = feilun.run(rows, target="label", model=nn.Linear(2, 2), **settings)
    assert {column.options["transform"] for column in run.recipe.inputs.values()} == {"standard"}
    with pytest.raises(InputError, match="96"):  # pieces are had by asking for them in one column
        inputs = {"first": {"kind": "number", "transform": "pieces"}, "second": "number"}
        feilun.run(rows, target="label", model=nn.Linear(2, 2), inputs=inputs, **settings)


def test_the_same_module_again_is_skipped_and_another_is_not(tmp_path: Path) -> None:
    import pandas

    rows = pandas.DataFrame(frame())
    torch.manual_seed(1)
    network = nn.Linear(2, 2)
    first = feilun.run(rows, target="label", model=network, home=tmp_path, name="mine", **QUICK)
    again = feilun.run(rows, target="label", model=network, home=tmp_path, name="mine", **QUICK)
    assert again.version == first.version
    other = feilun.run(rows, target="label", model=nn.Linear(2, 2), home=tmp_path, name="mine", **QUICK)
    assert other.number == first.number + 1


def test_a_file_of_ones_own_is_kept_and_a_change_trains_anew(tmp_path: Path) -> None:
    recipe = csv(tmp_path)
    home = tmp_path / "runs"
    first = lifecycle.run_recipe(reading.read_recipe(recipe), home=home, base=tmp_path)
    kept = home / "my" / "models" / f"{first.recipe.model.options['sha256']}.py"
    assert kept.read_text(encoding="utf-8") == FILE
    (tmp_path / "mine.py").write_text(FILE.replace("8", "12"), encoding="utf-8")
    second = lifecycle.run_recipe(reading.read_recipe(recipe), home=home, base=tmp_path)
    assert second.number == 2 and second.skipped == ("data",)
    bundle = lifecycle.load("my@2", home=home)
    assert bundle.predict([{"first": 1, "second": 2}])[0]["label"] in ("up", "down")


def test_serving_never_runs_the_file(tmp_path: Path) -> None:
    recipe = csv(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\n\nwith Path('ran').open('a') as file:\n    file.write('x')\n" + FILE,
        encoding="utf-8",
    )
    home = tmp_path / "runs"
    import os

    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        lifecycle.run_recipe(reading.read_recipe(recipe), home=home, base=tmp_path)
        times = (tmp_path / "ran").read_text(encoding="utf-8")
        lifecycle.load("my", home=home).predict([{"first": 1, "second": 2}])
        assert (tmp_path / "ran").read_text(encoding="utf-8") == times
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (nn.Linear(5, 2), "5"),
        (nn.Linear(2, 7), "7"),
        (nn.Bilinear(2, 2, 2), "input"),
    ],
)
def test_a_module_that_does_not_fit_is_told_what_was_expected(tmp_path: Path, network: nn.Module, words: str) -> None:
    import pandas

    with pytest.raises(InputError, match=words):
        feilun.run(pandas.DataFrame(frame()), target="label", model=network, home=tmp_path, name="mine", **QUICK)
