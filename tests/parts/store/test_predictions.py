"""The prediction log: order, rotation, damage, a full queue, a full disk, a killed process."""

import random
import subprocess
import sys
import time

import pytest

from feilun.parts.store import Limits, PredictionLog
from feilun.parts.store.predictions import read
from feilun.parts.store.segments import Appender, packed


def full_disk():
    """A file whose every write is answered: no space left on device."""
    return open("/dev/full", "wb")  # noqa: PTH123


def filled(folder, count, limits=None, **fields):
    log = PredictionLog(folder, limits)
    ids = []
    for i in range(count):
        ids.append(log.new_id())
        assert log.append({"id": ids[-1], "at": float(i), "row": {"x": i, "评": "\ud800好"}, **fields})
    log.close()
    return ids, log


def test_records_come_back_in_order_and_are_found_by_id(tmp_path):
    ids, log = filled(tmp_path, 300)
    assert [record["id"] for record in log.read().records] == ids
    assert [record["id"] for record in read(tmp_path, newest=7).records] == ids[-7:]
    assert log.read().records[3]["row"] == {"x": 3, "评": "\ud800好"}
    fresh = PredictionLog(tmp_path)
    assert fresh.recent(ids[0]) is None and fresh.find(ids[0])["at"] == 0.0
    assert fresh.find("00000001-" + "0" * 24) is None and fresh.find("nonsense") is None
    fresh.close()
    assert log.stats() == {"queued": 0, "written": 300, "dropped": 0, "failed": 0}


def test_segments_rotate_by_size(tmp_path):
    ids, log = filled(tmp_path, 200, Limits(segment_bytes=2000))
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("*.log"))]
    assert len(sizes) > 5 and max(sizes) < 2200
    assert [record["id"] for record in log.read().records] == ids
    log = PredictionLog(tmp_path)
    assert log.find(ids[150])["at"] == 150.0
    log.close()


def test_what_does_not_fit_the_queue_is_dropped_counted_and_reported(tmp_path):
    log = PredictionLog(tmp_path, Limits(queue_bytes=10_000, recent_bytes=30_000, recent_records=3))
    kept = [log.append({"id": str(i)}, size_bytes=20_000 if i % 2 else 1) for i in range(50)]
    log.close()
    assert kept == [True, False] * 25
    reading = log.read()
    assert len(reading.records) == 25 and reading.dropped == log.stats()["dropped"] == 25
    assert log.append({"id": "late"}) is False
    assert log.recent("49") == {"id": "49"} and log.recent("0") is None


def test_memory_is_bounded_by_bytes_too(tmp_path):
    log = PredictionLog(tmp_path, Limits(queue_bytes=10_000, recent_bytes=10_000))
    assert log.append({"id": "big"}, size_bytes=20_000) is False
    assert log.recent("big") is None
    log.close()


def test_a_torn_tail_is_skipped_and_counted(tmp_path):
    ids, _ = filled(tmp_path, 20)
    (path,) = tmp_path.glob("*.log")
    content = path.read_bytes()
    size = len(content) // 20
    for cut in range(1, size - 2):
        path.write_bytes(content[:-cut])
        reading = read(tmp_path)
        assert [record["id"] for record in reading.records] == ids[:19] and (reading.torn, reading.damaged) == (1, 0)


def test_every_flipped_bit_is_noticed_and_costs_one_record(tmp_path):
    ids, _ = filled(tmp_path, 30)
    (path,) = tmp_path.glob("*.log")
    content = path.read_bytes()
    draw = random.Random(0)
    for _ in range(300):
        damaged = bytearray(content)
        damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        reading = read(tmp_path)
        assert len(reading.records) == 29 and reading.torn + reading.damaged == 1
        assert {record["id"] for record in reading.records} < set(ids)


def test_a_disk_that_refuses_is_counted_not_raised(tmp_path):
    log = PredictionLog(tmp_path)
    log._appender._file = full_disk()
    log.append({"id": "a"})
    log.close()
    assert log.stats() == {"queued": 0, "written": 0, "dropped": 0, "failed": 1}


def test_after_a_refusal_writing_goes_on_in_another_segment(tmp_path):
    appender = Appender(tmp_path, segment_bytes=1000)
    appender._file = full_disk()
    with pytest.raises(OSError, match="No space"):
        appender.append([packed({"id": "a"})])
    appender.append([packed({"id": "b"})])
    appender.close()
    assert [record["id"] for record in read(tmp_path).records] == ["b"]


def test_two_logs_of_one_folder_never_share_a_segment(tmp_path):
    first, second = PredictionLog(tmp_path), PredictionLog(tmp_path)
    ids = []
    for i in range(40):
        log = (first, second)[i % 2]
        ids.append(log.new_id())
        log.append({"id": ids[-1]})
    first.close()
    second.close()
    assert sorted(record["id"] for record in first.read().records) == sorted(ids)
    assert len(list(tmp_path.glob("*.log"))) == 2
    third = PredictionLog(tmp_path)
    assert all(third.find(id) for id in ids)
    third.close()


def test_what_is_no_json_is_counted_not_raised(tmp_path):
    circle: list = []
    circle.append(circle)
    log = PredictionLog(tmp_path)
    log.append({"id": "a", "row": circle})
    log.append({"id": "b"})
    log.close()
    assert log.stats()["failed"] == 1 and [record["id"] for record in log.read().records] == ["b"]


def test_append_costs_the_request_microseconds(tmp_path):
    log = PredictionLog(tmp_path)
    record = {"id": "x", "row": {"image": "A" * 2000}, "answer": {"label": "3"}}
    times = []
    for _ in range(2000):
        started = time.perf_counter()
        log.append(record)
        times.append(time.perf_counter() - started)
    log.close()
    assert sorted(times)[1000] < 1e-4  # measured 3e-6; a disk write or an fsync would be far over it


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_process_leaves_a_readable_log(tmp_path, seed):
    script = (
        "import sys\nfrom pathlib import Path\nfrom feilun.parts.store import PredictionLog, Limits\n"
        "log = PredictionLog(Path(sys.argv[1]), Limits(segment_bytes=3000))\n"
        "for i in range(10**6):\n"
        "    log.append({'id': log.new_id(), 'n': i})\n"
        "    if i % 50 == 0: print(i, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as process:
        for _ in range(random.Random(seed).randint(5, 100)):
            process.stdout.readline()
        process.kill()
        process.stdout.read()
    reading = read(tmp_path)
    numbers = [record["n"] for record in reading.records]
    assert numbers == sorted(set(numbers)) and reading.torn <= 1 and reading.damaged == 0
