"""kill -9 at random instants: no acknowledged feedback lost or doubled, exactly one champion, an unbroken audit."""

import random
import subprocess
import sys

from feilun.parts.store import Store

WRITE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from feilun.parts.store import Store
store = Store.open(Path(sys.argv[1]))
def send(i):
    id = f"{sys.argv[2]}-{i}"
    store.add_feedback(id=id, name="my", version=1, row={"x": i}, answer={}, correction=i)
    store.add_feedback(id=id, name="my", version=1, row={"x": i}, answer={}, correction=i)  # a client's second try
    sys.stdout.write(id + "\\n"); sys.stdout.flush()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(send, range(5_000)))
"""

PROMOTE = """
import sys
from pathlib import Path
from feilun.parts.store import Store
store = Store.open(Path(sys.argv[1]))
for i in range(100_000):
    store.promote("my", 1 + i % 3, reason=f"{sys.argv[2]}-{i}")
    print(f"{sys.argv[2]}-{i}", flush=True)
"""


def killed(script, home, tag, lines):
    """What the process acknowledged until it was killed, right after so many lines."""
    command = [sys.executable, "-c", script, str(home), tag]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        seen = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        seen += process.stdout.readlines()
    return [line.strip() for line in seen if line.endswith("\n")]


def test_no_acknowledged_feedback_is_lost_or_doubled(tmp_path):
    draw = random.Random(1)
    acknowledged = []
    for attempt in range(20):  # kills
        acknowledged += killed(WRITE, tmp_path, f"w{attempt}", draw.randint(1, 60))
    with Store.open(tmp_path) as store:
        kept = [row["id"] for row in store.feedback("my")]
        again = store.feedback("my")[0]
        assert (
            store.add_feedback(**{key: again[key] for key in ("id", "name", "version", "row", "answer", "correction")})
            is False
        )
    assert len(acknowledged) > 100
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))


def test_exactly_one_champion_whatever_is_killed(tmp_path):
    draw = random.Random(2)
    with Store.open(tmp_path) as store:
        for number in (1, 2, 3):
            store.register("my", number, bundle=f"my/{number}", sha256=f"{number:064d}")
    acknowledged = []
    for attempt in range(20):  # kills
        acknowledged += killed(PROMOTE, tmp_path, f"p{attempt}", draw.randint(1, 40))
        with Store.open(tmp_path) as store:
            champions = [row["number"] for row in store.versions("my") if row["champion"]]
            promoted = [entry for entry in store.history("my") if entry["action"] == "promote"]
            assert champions == [store.champion("my")] == [promoted[-1]["number"]]
            assert {entry["reason"] for entry in promoted} >= set(acknowledged)
            store.verify_audit()
