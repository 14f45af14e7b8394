"""kill -9 of the server while feedback comes in: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest
from http_client import ask
from tiny_bundle import ROW

from feilun.parts.store import Store
from feilun.parts.store.predictions import read

KILLS = 20
CLIENTS = 6
SERVE = """
import sys
from pathlib import Path
from feilun.core.recipe import Serve
from feilun.stages.deployment import verbs

class Say:
    def line(self, text): print(text, flush=True)
    def progress(self, stage, **fields): pass

verbs.serve(Path(sys.argv[1]), "my", Serve(port=0), {}, Say())
"""


def _acknowledged(home: Path, environment: dict[str, str], kill_after: int) -> dict[str, str]:
    """{id: correction} of what a server acknowledged until it was killed in the middle of other requests."""
    command = [sys.executable, "-c", SERVE, str(home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", env=environment)
    acknowledged: dict[str, str] = {}
    enough = threading.Event()

    def client(address: str) -> None:
        while True:
            try:
                id = ask(address, "/v1/predict", {"row": ROW})[1]["predictions"][0]["id"]
                said = "minus" if len(acknowledged) % 2 else "plus"
                if ask(address, "/v1/feedback", {"id": id, "answer": said})[0] == 200:
                    acknowledged[id] = said
            except (OSError, ValueError, HTTPException):
                return  # killed
            if len(acknowledged) >= kill_after:
                enough.set()

    try:
        assert process.stdout is not None
        address = process.stdout.readline().split(" at ")[1].split()[0]
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(client, address) for _ in range(CLIENTS)]
            enough.wait(timeout=30)
            process.send_signal(signal.SIGKILL)
            for one in clients:
                one.result()
    finally:
        process.kill()
        process.communicate()
    assert enough.is_set() and process.returncode == -signal.SIGKILL
    return acknowledged


@pytest.mark.slow
def test_no_acknowledged_feedback_is_lost_or_doubled(home: Path, environment: dict[str, str]) -> None:
    draw = random.Random(0)
    acknowledged: dict[str, str] = {}
    for _ in range(KILLS):
        acknowledged |= _acknowledged(home, environment, draw.randrange(1, 40))
    with Store.open(home) as store:
        kept = store.feedback("my")
    assert set(Counter(entry["id"] for entry in kept).values()) == {1}
    found = {entry["id"]: entry for entry in kept}
    assert {id: found[id]["correction"] for id in acknowledged if id in found} == acknowledged
    assert all(entry["row"] == ROW and entry["version"] == 1 for entry in kept)
    # What was committed but not acknowledged is at most what was in flight at each kill.
    assert len(kept) - len(acknowledged) <= KILLS * CLIENTS


def test_a_termination_signal_stops_in_order(home: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", SERVE, str(home)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=environment
    )
    assert process.stdout is not None
    address = process.stdout.readline().split(" at ")[1].split()[0]
    id = ask(address, "/v1/predict", {"row": ROW})[1]["predictions"][0]["id"]
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0 and said == ""
    assert [record["id"] for record in read(home / "my" / "predictions").records] == [id]
