"""The model that serves: the champion, loaded and warmed; a new one is taken up while the old one still answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core.errors import FeilunError, InputError, IntegrityError
from feilun.core.manifest import hash_file
from feilun.parts.bundle import layout, loading
from feilun.stages.deployment.serving.language import embedding, vllm
from feilun.stages.deployment.serving.language.engine import Engine
from feilun.stages.deployment.serving.language.writer import Own, Writer

if TYPE_CHECKING:
    from feilun.core.recipe import Serve
    from feilun.parts.bundle.loading import Bundle
    from feilun.parts.store import Store

POLL_S = 0.3
BUNDLE = "bundle"
Version = tuple[int, str]  # number, SHA-256 of the bundle's manifest as registered


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A loaded champion. A request holds on to it to its end, so a swap takes nothing from under it."""

    bundle: Bundle
    version: Version
    since: float  # seconds since 1970
    writer: Writer | None = None  # where the task writes texts
    embeds: bool = False  # whether its answers are vectors


@dataclass(kw_only=True, slots=True)
class Shelf:
    """Holds what serves now. `current` is replaced whole, so a reader sees the old or the new one, never a mixture."""

    store: Store
    home: Path
    name: str
    threads: int
    settings: Serve
    current: Served
    refused: dict[str, str] = field(default_factory=dict)  # a champion that could not be taken up, and why
    swaps: int = 0
    _refused: Version | None = None

    def follow(self) -> None:
        """Take up the store's champion if it changed. A bundle that fails is refused, and the old one goes on."""
        version, folder = _champion(self.store, self.home, self.name)
        if version == self.current.version:
            self.refused, self._refused = {}, None
            return
        if version == self._refused:
            return
        try:
            served = _loaded(version, folder, self.threads, self.settings)
        except Exception as error:  # whatever is wrong with the new one, the old one can still answer
            logging.getLogger("feilun.serve").error("%s@%d is refused: %s", self.name, version[0], error)
            code = error.code if isinstance(error, FeilunError) else "error"
            self.refused = {"model": f"{self.name}@{version[0]}", "code": code, "message": _outside(error)}
            self._refused = version
            return
        self.current, self.refused, self._refused = served, {}, None
        self.swaps += 1


def open_shelf(store: Store, home: Path, name: str, threads: int, settings: Serve) -> Shelf:
    """The champion of this name, warm. Raises InputError if there is none, IntegrityError if it is damaged."""
    version, folder = _champion(store, home, name)
    served = _loaded(version, folder, threads, settings)
    return Shelf(store=store, home=home, name=name, threads=threads, settings=settings, current=served)


def watch(act: Callable[[], None], stop: threading.Event) -> threading.Thread:
    """Call `act` every POLL_S seconds in a thread until `stop` is set; a failing store is asked again."""

    def run() -> None:
        while not stop.wait(POLL_S):
            try:
                act()
            except Exception as error:
                logging.getLogger("feilun.serve").warning("The store cannot be read now: %s", error)

    thread = threading.Thread(target=run, name="champion", daemon=True)
    thread.start()
    return thread


def _champion(store: Store, home: Path, name: str) -> tuple[Version, Path]:
    serving = [row for row in store.versions(name) if row["champion"]]
    if not serving:
        raise InputError(
            f"There is no version of {name} to serve. Make one with: feilun run {name}.yaml",
            where=name,
            fix=f"make one with: feilun run {name}",
        )
    row = serving[0]
    return (int(row["number"]), str(row["sha256"])), home / str(row["bundle"])


def _loaded(version: Version, folder: Path, threads: int, settings: Serve) -> Served:
    """Verified, loaded, and asked once, so that the first request does not pay for what is made on first use."""
    folder = folder / BUNDLE if (folder / BUNDLE).is_dir() else folder
    # Whoever writes texts has one thread that writes them all: it gets all cores.
    bundle = loading.load(folder, threads=lambda task: threads if task.writes is None else None)
    _is_registered(bundle, version)
    answers = _warm(bundle)
    embeds = embedding.can(bundle, answers)
    writer = _writer(bundle, settings)
    return Served(bundle=bundle, version=version, since=time.time(), writer=writer, embeds=embeds)


def _writer(bundle: Bundle, settings: Serve) -> Writer | None:
    """What writes texts for this bundle, if its task writes any."""
    if bundle.task.writes is None:
        return None
    pen = bundle.task.writes(bundle.run, bundle.features, bundle.state)
    return vllm.Remote(pen, settings) if settings.engine == "vllm" else Own(engine=Engine(pen, settings))


def _is_registered(bundle: Bundle, version: Version) -> None:
    """The bundle must be the one that was registered, not another sound one in its place."""
    found = hash_file(bundle.folder / layout.MANIFEST)
    if found != version[1]:
        raise IntegrityError(
            f"{bundle.folder} is not the bundle that was registered as version {version[0]}.",
            where=str(bundle.folder),
            expected=version[1],
            got=found,
            fix="restore the folder from a copy, or run the recipe again",
        )


def _warm(bundle: Bundle) -> list[Any]:
    row: dict[str, Any] = bundle.example()
    try:
        return bundle.predict([row])
    except InputError as error:  # a made-up row need not be a possible one
        logging.getLogger("feilun.serve").info("The example row was not answered: %s", error)
        return []


def _outside(error: Exception) -> str:
    """The reason without paths of this machine, for those who ask about health."""
    if isinstance(error, IntegrityError):
        return "its files are not what was written"
    return "it cannot be loaded; see the server's log"
