"""Starting and stopping the server."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from feilun.core.errors import InputError
from feilun.parts.store import PredictionLog, Store
from feilun.stages.deployment.serving import access, models
from feilun.stages.deployment.serving.app import Parts, application
from feilun.stages.deployment.serving.counters import Counters
from feilun.stages.deployment.serving.desk import THREADS, WORKERS, Desk
from feilun.stages.deployment.serving.language import outgoing

if TYPE_CHECKING:
    from feilun.core.protocols import Say
    from feilun.core.recipe import Serve

CORRECTORS = 16  # so many corrections share a commit


def serve(home: Path, name: str, settings: Serve, pages: Mapping[str, bytes], say: Say) -> None:
    """Serve until stopped by Ctrl-C or a termination signal; what was acknowledged is on disk then."""
    with _ready(home, name, settings, pages) as (server, listening, serving):
        say.line(f"{serving} at {address(listening)}  Ctrl-C stops")
        # uvicorn stops cleanly, then repeats the signal; the rest of the stopping must still be done.
        with contextlib.suppress(KeyboardInterrupt), _interrupting():
            server.run(sockets=[listening])


@contextmanager
def background(home: Path, name: str, settings: Serve, pages: Mapping[str, bytes]) -> Iterator[str]:
    """The address of a server that runs in a thread of this process as long as the block does."""
    with _ready(home, name, settings, pages) as (server, listening, _):
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="server", daemon=True)
        thread.start()
        try:
            yield address(listening)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _interrupting() -> Iterator[None]:
    """A termination signal ends the block like Ctrl-C does, and does not end the process."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # Python takes signals there only
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def address(listening: socket.socket) -> str:
    """Such as http://127.0.0.1:8000."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def _ready(
    home: Path, name: str, settings: Serve, pages: Mapping[str, bytes]
) -> Iterator[tuple[uvicorn.Server, socket.socket, str]]:
    """A server about to run: store and log open, champion warmed, port taken, champion followed."""
    with contextlib.ExitStack() as stack:
        leaves = outgoing.of(settings)
        store = stack.enter_context(Store.open(home))
        needs_key = access.may_start(settings.host, store.keys())
        shelf = models.open_shelf(store, home, name, THREADS, settings)
        listening = stack.enter_context(_bound(settings.host, settings.port))
        log = PredictionLog(home / name / "predictions")
        stack.callback(log.close)
        parts = Parts(
            settings=settings,
            store=store,
            log=log,
            shelf=shelf,
            predicting=Desk(WORKERS, settings.queue, settings.timeout_s),
            correcting=Desk(CORRECTORS, settings.queue, settings.timeout_s),
            counters=Counters(),
            outgoing=leaves,
        )
        stack.callback(parts.predicting.close)
        stack.callback(parts.correcting.close)
        door = access.Door(store=store, rules=access.RULES, needs_key=needs_key)
        application_ = application(parts, door, pages)
        stop = threading.Event()
        watcher = models.watch(lambda: _follow(shelf, door), stop)
        stack.callback(watcher.join)
        stack.callback(stop.set)
        config = uvicorn.Config(
            application_,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=int(settings.timeout_s) + 1,
            lifespan="off",
        )
        yield uvicorn.Server(config), listening, shelf.current.bundle.called


def _follow(shelf: models.Shelf, door: access.Door) -> None:
    shelf.follow()
    door.needs_key = door.needs_key or bool(shelf.store.keys())


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises InputError if the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named: asyncio switches Nagle's delay off only then, and answers came 40 ms late otherwise.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
        return listening
    except (OSError, OverflowError) as error:
        listening.close()
        raise InputError(
            f"Cannot listen on {host}:{port}: {error}. Choose another port with --port; 0 takes a free one.",
            where="serve.port",
            got=f"{host}:{port}",
            fix="choose another port with --port; 0 takes a free one",
        ) from error
