"""A PostgreSQL of its own for the tests that want one: made in a temporary folder, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

PASSWORD = "geheim-99"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Skips where there is no PostgreSQL, or no psycopg: apt-get install postgresql, pip install 'feilun[postgres]'."""
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'feilun[postgres]'")
    programs = _programs()
    if programs is None or os.name != "posix":
        pytest.skip("needs the programs of PostgreSQL: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="feilun-postgres-"))  # pytest's own may be entered by one user only
    try:
        yield from _running(programs, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """The URL of an empty database on a PostgreSQL of its own, with its password in it."""
    import psycopg

    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("drop schema public cascade")  # a second database would be three hundred files more
        connection.execute("create schema public")
    return postgres_server


def _running(programs: Path, folder: Path) -> Iterator[str]:
    user = None if os.geteuid() else "nobody"  # PostgreSQL refuses to run as root
    secret, data = folder / "password", folder / "data"
    secret.write_text(PASSWORD)
    for path in (folder, secret):
        if user:
            shutil.chown(path, user)
    make = [programs / "initdb", "-D", data, "--username=keeper", "--auth=scram-sha-256", f"--pwfile={secret}"]
    make += ["--no-sync", "--encoding=UTF8", "--locale=C"]
    said = subprocess.run(make, user=user, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert said.returncode == 0, said.stdout
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder]
    serve += ["-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=200"]
    with subprocess.Popen(serve, user=user, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        log: list[str] = []
        for line in process.stderr:
            log.append(line)
            if "ready to accept connections" in line:
                break
        else:
            raise RuntimeError("PostgreSQL does not start: " + "".join(log))
        rest = threading.Thread(target=process.stderr.read)  # a full pipe would stop it
        rest.start()
        try:
            yield f"postgresql://keeper:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGQUIT)
            rest.join()


def _programs() -> Path | None:
    """The folder of initdb and postgres, the newest where there are several."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    newest = sorted(found, key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0)
    return newest[-1] if newest else Path(on_path).resolve().parent if on_path else None
