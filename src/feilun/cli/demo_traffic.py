"""The demonstration's users: a real server process, and HTTP requests to it over loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from feilun.cli.demo_digits import Request
from feilun.core.errors import FeilunError

START_S = 60.0  # a cold disk may need most of it
SWAP_S = 30.0
USERS = 2  # so many ask at the same time


@contextmanager
def served(home: Path, name: str) -> Iterator[str]:
    """The address of `feilun serve NAME`, running as a process of its own as long as the block does."""
    command = [sys.executable, "-m", "feilun.cli.main", "serve", name, "--port", "0", "--home", str(home)]
    log = home / name / "serve.log"
    with log.open("w", encoding="utf-8") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def ask(address: str, requests: Sequence[Request]) -> list[dict[str, Any]]:
    """[{id, answer, model}], one HTTP request per picture, in the order of the pictures."""

    def one(request: Request) -> dict[str, Any]:
        told = post(f"{address}/v1/predict", {"rows": [request.row]})
        return {**told["predictions"][0], "model": told["model"]}

    with ThreadPoolExecutor(USERS) as users:
        return list(users.map(one, requests))


def correct(address: str, answered: Sequence[dict[str, Any]], labels: Sequence[str]) -> None:
    """Say what would have been right, by the id that came with each answer."""

    def one(pair: tuple[dict[str, Any], str]) -> None:
        post(f"{address}/v1/feedback", {"id": pair[0]["id"], "answer": pair[1]})

    with ThreadPoolExecutor(USERS) as users:
        list(users.map(one, zip(answered, labels, strict=True)))


def wait_for(address: str, version: str) -> None:
    """Return when the server answers with this version; it notices a new champion by itself."""
    deadline = time.monotonic() + SWAP_S
    while _get(f"{address}/health/ready").get("model") != version:
        if time.monotonic() > deadline:
            raise FeilunError(f"The server did not take up {version} within {SWAP_S:g} s.", where=address)
        time.sleep(0.1)


def post(url: str, body: Any) -> Any:
    """The JSON answer to a JSON request."""
    headers = {"Content-Type": "application/json"}
    return _open(urllib.request.Request(url, json.dumps(body).encode(), headers))


def _get(url: str) -> Any:
    return _open(urllib.request.Request(url))


def _open(request: urllib.request.Request) -> Any:
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read().decode("utf-8", "replace")
        raise FeilunError(f"{request.full_url} answered {error.code}: {said[:300]}", where=request.full_url) from error


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the server listens, from its first line."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        words = log.read_text(encoding="utf-8", errors="replace").split()
        address = next((word for word in words if word.startswith("http://")), None)
        if address is not None:
            return address.rstrip(".,")
        time.sleep(0.1)
    raise FeilunError(
        f"The server did not start: {log.read_text(encoding='utf-8', errors='replace')[-500:].strip() or 'no word'}",
        where=str(log),
    )
