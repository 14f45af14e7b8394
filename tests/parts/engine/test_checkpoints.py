"""Checkpoints: so many are kept, and a damaged one gives way to the one before."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from feilun.core.errors import IntegrityError
from feilun.core.progress import Heard
from feilun.parts.engine import checkpoints


def written(folder: Path, keep: int) -> None:
    """Checkpoints of the steps 1 to 4."""
    for step in range(1, 5):
        checkpoints.write(folder, step, {"w": torch.tensor([float(step)])}, {"step": step}, keep)


@pytest.mark.parametrize("keep", [1, 3, 9])
def test_the_newest_are_kept(tmp_path: Path, keep: int) -> None:
    written(tmp_path, keep)
    names = sorted(path.name for path in tmp_path.glob("step-*"))
    assert names == [f"step-{step:08d}.safetensors" for step in range(max(1, 5 - keep), 5)]
    found = checkpoints.read(tmp_path)
    assert found is not None and found[1] == {"step": 4}


def test_a_damaged_one_gives_way_to_the_one_before(tmp_path: Path) -> None:
    written(tmp_path, 3)
    (tmp_path / "step-00000004.safetensors").write_bytes(b"torn")
    (tmp_path / "step-00000003.safetensors").unlink()
    heard = Heard()
    found = checkpoints.read(tmp_path, heard)
    assert found is not None
    assert found[1] == {"step": 2}
    assert found[0]["w"].item() == 2.0
    assert heard.lines and "step 2 is whole" in heard.lines[0]
    (tmp_path / "step-00000002.safetensors").write_bytes(b"torn")
    with pytest.raises(IntegrityError, match="damaged"):
        checkpoints.read(tmp_path)


@pytest.mark.parametrize("content", ["{", "", "{}", "[1]"])
def test_a_damaged_list_of_hashes_has_a_copy(tmp_path: Path, content: str) -> None:
    written(tmp_path, 3)
    (tmp_path / checkpoints.FILE).write_text(content, encoding="utf-8")
    found = checkpoints.read(tmp_path)
    assert found is not None and found[1] == {"step": 4}
    checkpoints.write(tmp_path, 5, {"w": torch.tensor([5.0])}, {"step": 5}, 3)
    assert len(list(tmp_path.glob("step-*"))) == 3
    checkpoints.clear(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_same_step_twice_is_listed_once(tmp_path: Path) -> None:
    written(tmp_path, 2)
    checkpoints.write(tmp_path, 4, {"w": torch.tensor([9.0])}, {"step": 4}, 2)
    names = sorted(path.name for path in tmp_path.glob("step-*"))
    assert names == ["step-00000003.safetensors", "step-00000004.safetensors"]
