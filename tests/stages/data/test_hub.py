"""Data sets of a hub on this machine, loaded by `datasets` itself; in other processes: HF_ENDPOINT is read once."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hugging
import pyarrow as pa
import pyarrow.parquet
import pytest

READ = """
import json, os, sys
import datasets
from pathlib import Path
from feilun.core.errors import FeilunError
from feilun.core.recipe import Recipe
from feilun.stages.data.reading import sources

datasets.config.S3_DATASETS_BUCKET_PREFIX = os.environ["HF_ENDPOINT"] + "/counted"
for line in sys.stdin:
    try:
        found = sources.read(Recipe.model_validate({"data": {"source": line.strip()}}), Path())
        said = {"rows": found.table.num_rows, "given": found.given.tolist(), "notes": found.notes}
    except FeilunError as error:
        said = {"error": str(error)}
    print(json.dumps(said), flush=True)
"""


@pytest.fixture
def hub() -> Iterator[hugging.Hub]:
    """A hub with data sets of every sort."""
    server = hugging.Hub(("127.0.0.1", 0), hugging.Answering)
    parquet = io.BytesIO()
    pa.parquet.write_table(pa.table({"文": ["好", "坏", "好"], "y": [1, 2, 1]}), parquet)
    configs = (
        b"---\nconfigs:\n- config_name: one\n  data_files: one.csv\n- config_name: two\n  data_files: two.csv\n---\n"
    )
    server.repositories = {
        "me/csv": {"README.md": b"# a", "data/train.csv": b"a,y\n1,p\n2,q\n", "data/test.csv": b"a,y\n7,p\n"},
        "me/parquet": {"train.parquet": parquet.getvalue()},
        "me/several": {"README.md": configs, "one.csv": b"a,y\n1,p\n", "two.csv": b"a,y\n1,p\n2,q\n"},
        "me/code": {"code.py": b"open('ran', 'w')", "train.csv": b"a,y\n1,p\n"},
        "me/locked": {"train.csv": b"a,y\n1,p\n"},
        "me/damaged": {"train.parquet": b"PAR1 and no more"},
        "me/empty": {"README.md": b"# a"},
    }
    server.gated, server.asked = {"me/locked"}, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def reader(hub: hugging.Hub, home: Path, **more: str) -> Iterator[Callable[[str], Any]]:
    """A function that reads a name in another process and gives what came of it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    variables = {**kept, "HF_ENDPOINT": hub.address, "HF_HOME": str(home), "NO_PROXY": "*", **more}
    command = [sys.executable, "-c", READ]
    with (
        (home / "log").open("w") as log,
        subprocess.Popen(
            command, cwd=home, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        questions, answers = process.stdin, process.stdout
        assert questions is not None and answers is not None

        def read(name: str) -> Any:
            print(name, file=questions, flush=True)
            return json.loads(answers.readline() or json.dumps({"log": (home / "log").read_text()}))

        yield read


def test_what_is_loaded_refused_and_kept(hub: hugging.Hub, tmp_path: Path) -> None:
    expected: dict[str, Any] = {
        "hf:me/csv": {"rows": 3, "given": [-1, -1, 3], "notes": []},
        "hf:me/parquet": {"rows": 3, "given": [-1, -1, -1], "notes": []},
        "hf:me/several/two": {"rows": 2, "given": [-1, -1], "notes": []},
        "hf:me/several": "is several data sets: hf:me/several/one, hf:me/several/two. Take one",
        "hf:me/code": "it is made by code of its own, which is never run",
        "hf:me/locked": "must be authenticated",
        "hf:me/damaged": "Parquet magic bytes not found",
        "hf:me/empty": "doesn't contain any data files",
        "hf:me/nothing": "there is no such data set, or it cannot be read (Dataset 'me/nothing' doesn't exist",
        "hf:nothing": "there is no such data set",
    }
    with reader(hub, tmp_path) as read:
        for name, wanted in expected.items():
            found = read(name)
            assert wanted == found if isinstance(wanted, dict) else wanted in found["error"], (name, found)
        hub.repositories["me/csv"]["data/train.csv"] += b"3,p\n"
        assert read("hf:me/csv") == {"rows": 4, "given": [-1, -1, -1, 3], "notes": []}
    assert not (tmp_path / "ran").exists()
    assert [line for line in hub.asked if "/datasets/" not in line] == []  # nobody counts, nobody asks for more
    with reader(hub, tmp_path, HF_HUB_OFFLINE="1") as read:
        found = read("hf:me/csv")
        assert found["rows"] == 4 and "the copy fetched before is used" in found["notes"][0]
        assert "the hub cannot be reached" in read("hf:me/new")["error"]
