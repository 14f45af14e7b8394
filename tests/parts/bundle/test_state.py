"""State survives the disk bit for bit, and damage is noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feilun.core.errors import FeilunError, IntegrityError
from feilun.parts.bundle import state

STATE: dict[str, Any] = {
    "threshold": 0.1 + 0.2,
    "names": ["是", "否"],
    "none": None,
    "index": np.arange(6, dtype=np.float32).reshape(2, 3),
    "nested": {"a/b": np.array([1, 2], np.int64), "a": {"b": np.array([[True]])}},
    "list": [np.zeros((0, 4), np.float32), {"deep": np.array(3, np.int8)}],
}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("value", [STATE, {}])
def test_what_is_saved_is_read_back(tmp_path: Path, value: dict[str, Any]) -> None:
    state.save(tmp_path, value)
    assert same(state.load(tmp_path), value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.json", "state.safetensors"]


def test_turned_arrays_keep_their_values(tmp_path: Path) -> None:
    state.save(tmp_path, {"x": np.arange(6).reshape(2, 3).T})
    assert state.load(tmp_path)["x"].tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize("value", [{"x": float("nan")}, {"x": {1: 2}}, {"x": {"$array": 1}}, {"x": object()}])
def test_what_is_not_json_is_refused(tmp_path: Path, value: dict[str, Any]) -> None:
    with pytest.raises(FeilunError, match="state"):
        state.save(tmp_path, value)


@pytest.mark.parametrize("name", ["state.json", "state.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"\x00" * 20])
def test_damage_is_noticed(tmp_path: Path, name: str, content: bytes | None) -> None:
    state.save(tmp_path, STATE)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_bytes(content)
    with pytest.raises(IntegrityError):
        state.load(tmp_path)
