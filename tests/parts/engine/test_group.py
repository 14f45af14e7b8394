"""Two processes do what one does, whatever is trained; and either goes on from the other's checkpoint."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parent))
import training_together as worked

from feilun.core.errors import IntegrityError, RecipeError, Stopped
from feilun.core.recipe import Train
from feilun.parts.engine import checkpoints
from feilun.parts.engine.group import Group
from feilun.parts.engine.sharding import sharded

ALIKE = ("plain", "branches", "players", "augmented", "accumulated", "single", "recomputed")
DIVIDED = ("plain", "augmented", "accumulated", "single", "sgd", "nesterov", "adagrad", "rmsprop", "adam")
GOING_ON = ("normed", "normed+stop", "normed+go", "long+stop", "long+shard+stop", "single+go", "single+shard+go")
AGAIN = ("plain+shard+stop", "plain+shard+go")
CLOSE = 1e-6  # float32 sums of a batch in another order; weights of about 1, losses of about 4


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in the processes that are compared with."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes made of every case, in one go: starting them takes longer than training."""
    folder = tmp_path_factory.mktemp("together")
    for name in ("single", "single-shard"):  # left by one process, to be gone on from by two
        (folder / name).mkdir()
        with pytest.raises(Stopped):
            worked.train("single", folder / name, worked.stopped(7))
    words = [*ALIKE, *(f"{name}+shard" for name in DIVIDED), *GOING_ON, *AGAIN]
    fixed = {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(worked.__file__)), str(folder), *words]
    both = [
        subprocess.Popen(command, env={**os.environ, **fixed, "RANK": rank}, stderr=subprocess.PIPE, text=True)
        for rank in "01"
    ]
    for process in both:
        said = process.communicate()[1]
        assert process.returncode == 0, said
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same in one process."""
    folder = tmp_path_factory.mktemp("alone")

    def made(name: str) -> Path:
        if not (folder / f"{name}.json").is_file():
            worked.do(name, folder)
        return folder / name

    return made


def curves(path: Path) -> list[dict[str, Any]]:
    """Per epoch."""
    found: list[dict[str, Any]] = json.loads(path.with_suffix(".json").read_text())
    return found


def apart(one: Path, other: Path) -> float:
    """The largest difference of two weights, and of two epochs' losses."""
    left, right = (load_file(path.with_suffix(".safetensors")) for path in (one, other))
    gaps = [(left[name] - right[name]).abs().max().item() for name in left]
    for ours, theirs in zip(curves(one), curves(other), strict=True):
        gaps += [abs(ours[key] - theirs[key]) for key in ("loss", "validation_loss")]
    return max(gaps)


def same(one: Path, other: Path) -> bool:
    """Bit for bit."""
    left, right = (load_file(path.with_suffix(".safetensors")) for path in (one, other))
    return all(torch.equal(left[name], right[name]) for name in left) and curves(one) == curves(other)


@pytest.mark.parametrize("word", [*ALIKE, *(f"{name}+shard" for name in DIVIDED)])
def test_two_processes_equal_one(word: str, together: Path, alone: Any) -> None:
    assert len(curves(together / word)) == worked.CASES[word.partition("+")[0]][1].get("epochs", worked.PLAN.epochs)
    assert apart(together / word, alone(word.partition("+")[0])) < CLOSE


def test_a_branch_that_nobody_takes_is_left_alone(together: Path) -> None:
    """Not even decayed, as in one process: a gradient of nought is not the same as none."""
    with worked.initialised(3):
        before = worked.branches()["main"].never.weight
    assert torch.equal(load_file(together / "branches.safetensors")["main/never.weight"], before)


def test_a_stop_in_one_process_stops_both_and_two_go_on_bit_for_bit(together: Path) -> None:
    assert "Stopped after step 8 of 15" in (together / "normed+stop").read_text()  # dropout and running means
    assert same(together / "normed+go", together / "normed")
    assert same(together / "plain+shard+go", together / "plain+shard")


@pytest.mark.parametrize("place", ["long", "long-shard"])
def test_one_goes_on_from_two(place: str, together: Path, alone: Any, tmp_path: Path) -> None:
    shutil.copytree(together / place, tmp_path / "long")
    assert checkpoints.read(tmp_path / "long")[1]["step"] == 8
    worked.do("long+go", tmp_path)
    assert apart(tmp_path / "long+go", alone("long")) < CLOSE


@pytest.mark.parametrize("word", ["single+go", "single+shard+go"])
def test_two_go_on_from_one(word: str, together: Path, alone: Any) -> None:
    assert apart(together / word, alone("single")) < CLOSE


def test_a_damaged_part_of_a_checkpoint_is_refused(together: Path, tmp_path: Path) -> None:
    shutil.copytree(together / "long-shard", tmp_path / "long")
    [path] = (tmp_path / "long").glob("step-*.parts/__1_0.distcp")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"damaged.*Delete"):
        worked.do("long+go", tmp_path)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 16, 17])
def test_every_row_is_counted_once(size: int, rows: int) -> None:
    groups = [Group(rank=rank, size=size) for rank in range(size)]
    counted = torch.zeros(rows)
    for group in groups:
        counted[group.part(rows)] += 1 / group.holders(rows)
    assert torch.allclose(counted, torch.ones(rows))


@pytest.mark.parametrize(
    ("changes", "names", "said"),
    [
        ({"optimizer": "muon"}, ("main",), "whole matrices"),
        ({"precision": "fp16"}, ("main",), "bf16"),
        ({}, ("critic", "maker"), "take turns"),
    ],
)
def test_what_cannot_be_divided_is_refused(changes: dict[str, Any], names: tuple[str, ...], said: str) -> None:
    networks = {name: torch.nn.Linear(2, 2) for name in names}
    with pytest.raises(RecipeError, match=said):
        sharded(networks, Train(shard=True, **changes), torch.device("cpu"))
