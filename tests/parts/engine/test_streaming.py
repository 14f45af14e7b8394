"""Rows streamed from disk: the same batches as from memory, in an order that mixes well and reads each row once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from feilun.core.errors import IntegrityError
from feilun.parts.engine import memory, stored
from feilun.parts.engine.batches import bytes_of, gatherer
from feilun.parts.engine.held import Held
from feilun.parts.engine.randomness import Buffer, epoch_order
from feilun.parts.engine.streaming import Streamed, buffer_of
from feilun.parts.ops.ragged import Ragged

ROWS, BATCH = 20_000, 64
BUFFER = Buffer(block=50, rows=1_600)


def made(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays of every kind, in memory and mapped."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(0, 9, ROWS)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    whole: dict[str, Any] = {
        "number": draw.normal(size=(ROWS, 7)),
        "picture": draw.integers(0, 256, (ROWS, 1, 4, 4), dtype=np.uint8),
        "class": np.arange(ROWS, dtype=np.int16),
        "words": draw.integers(0, 99, offsets[-1], dtype=np.int32),
    }
    for name, array in whole.items():
        np.save(folder / f"{name}.npy", array)
    mapped: dict[str, Any] = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in whole}
    for arrays in (whole, mapped):
        arrays["words"] = Ragged(arrays["words"], offsets)
    return whole, mapped


def test_streamed_batches_are_those_of_memory(tmp_path: Path) -> None:
    whole, mapped = made(tmp_path)
    held, streamed = gatherer(whole, 1 << 30), gatherer(mapped, 300_000)
    assert isinstance(held, Held) and held.buffer is None
    assert isinstance(streamed, Streamed) and streamed.buffer is not None
    order = epoch_order(np.arange(0, ROWS, 2), 7, 0, None, streamed.buffer)
    for done in (0, 64 * 99):  # from the start, and as after a resume
        streamed.follow(order, done, streamed.buffer)
        parts = [*torch.split(order[done:], BATCH), torch.arange(1, ROWS, 501)]  # then validation rows
        for part in parts:
            expected, found = held(part), streamed(part)
            assert found.keys() == expected.keys()
            for name, values in expected.items():
                assert found[name].dtype == values.dtype
                assert torch.equal(found[name], values), name


def test_part_of_a_mapped_array_is_read_from_its_own_place(tmp_path: Path) -> None:
    whole, mapped = made(tmp_path)
    for name in ("number", "picture"):
        source = stored.of(mapped[name][1_000:15_000])
        assert isinstance(source, stored.Dense)
        rows = np.array([0, 1, 2, 7, 9_000, 13_999])
        assert np.array_equal(source.take(rows), whole[name][1_000:15_000][rows])
    assert stored.of(mapped["number"].T) is None  # its rows do not lie together
    assert stored.of(whole["number"]) is None


def test_cut_file_is_said(tmp_path: Path) -> None:
    _, mapped = made(tmp_path)
    with (tmp_path / "class.npy").open("r+b") as file:
        file.truncate(1_000)
    with pytest.raises(IntegrityError, match=r"class.npy has 1,000 bytes"):
        Streamed({"class": mapped["class"]}, 10_000)(torch.tensor([ROWS - 1]))


def test_order_visits_each_row_once_and_follows_from_seed_and_epoch() -> None:
    examples = np.arange(3, ROWS)
    orders = [epoch_order(examples, seed, epoch, None, BUFFER) for seed, epoch in ((1, 0), (1, 1), (2, 0), (1, 0))]
    for order in orders:
        assert np.array_equal(np.sort(order.numpy()), examples)
    assert torch.equal(orders[0], orders[3])
    assert not torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])


def test_a_buffer_reads_few_places() -> None:
    order = epoch_order(np.arange(ROWS), 1, 0, None, BUFFER).numpy()
    for start in range(0, ROWS, BUFFER.rows):
        rows = np.sort(order[start : start + BUFFER.rows])
        assert (np.diff(rows) > 1).sum() <= BUFFER.rows // BUFFER.block + 2  # a block more where the cut lies in one


def test_copies_and_chances_keep_their_number_and_do_not_meet() -> None:
    examples = np.concatenate([np.arange(ROWS), np.tile(np.arange(0, ROWS, 100), 3)])
    order = epoch_order(examples, 1, 0, None, BUFFER).numpy()
    assert np.array_equal(np.sort(order), np.sort(examples))
    apart = [np.ptp(np.flatnonzero(order == row)) for row in range(0, ROWS, 100)]
    assert np.mean(apart) > 0.4 * len(order)  # of four places at random the mean is 0.6
    chances = np.where(np.arange(ROWS) % 100 == 0, 50.0, 0.5)
    drawn = epoch_order(np.arange(ROWS), 1, 0, chances, BUFFER).numpy()
    share = 50 * 200 / chances.sum()
    assert abs((drawn % 100 == 0).mean() - share) < 1e-3
    assert np.array_equal(np.sort(drawn), np.sort(epoch_order(np.arange(ROWS), 1, 0, chances).numpy()))


def test_rows_sorted_by_class_come_mixed() -> None:
    """Ten classes, one after the other: a tenth in every batch, as far as chance allows.

    Of 32 blocks in a buffer a class has 3.2 in the mean, with a deviation of 1.7; a batch of 64 rows adds 2.4 rows. So
    its share has a deviation of sqrt(0.053² + 0.0375²) = 0.065, where all rows in any order have 0.0375.
    """
    classes = np.arange(ROWS) * 10 // ROWS
    order = epoch_order(np.arange(ROWS), 1, 0, None, BUFFER).numpy()
    batches = classes[order[: ROWS // BATCH * BATCH]].reshape(-1, BATCH)
    shares = np.stack([(batches == one).mean(1) for one in range(10)])
    assert np.sqrt(((shares - 0.1) ** 2).mean()) < 0.075
    assert shares.max() < 0.1 + 5 * 0.065


@pytest.mark.parametrize("size", [4, 80, 3_072, 67_500, 5_000_000])
def test_buffers_keep_to_the_memory_and_hold_many_blocks(size: int) -> None:
    memory_bytes = 400 << 20
    buffer = buffer_of(size, memory_bytes)
    assert 2 * buffer.rows * size <= memory_bytes
    assert buffer.rows % buffer.block == 0 and buffer.block <= 2_000
    assert buffer.rows // buffer.block >= 32


def test_what_rows_take_is_what_they_take_in_memory(tmp_path: Path) -> None:
    _, mapped = made(tmp_path)
    held = Held({name: mapped[name] for name in ("number", "picture", "class")})
    tensors = sum(tensor.nbytes for tensor in held.dense.values())
    assert bytes_of({name: mapped[name] for name in ("number", "picture", "class")}) == tensors


def test_limits_of_containers_count(tmp_path: Path) -> None:
    listed, root = tmp_path / "cgroup", tmp_path / "fs"
    (root / "app" / "inner").mkdir(parents=True)
    (root / "memory").mkdir()
    (root / "app" / "memory.max").write_text("3000\n")
    (root / "app" / "inner" / "memory.max").write_text("max\n")
    (root / "memory" / "memory.limit_in_bytes").write_text("5000\n")
    listed.write_text("4:memory:/not/seen/from/inside\n2:cpu:/app\n0::/app/inner\n")
    assert sorted(memory._of_cgroups(listed, root)) == [3000, 5000]
    assert memory._of_cgroups(tmp_path / "none", root) == []
    assert 0 < memory.for_rows() <= memory.allowed() // 4
    assert memory.for_rows(10) == 10 << 20
