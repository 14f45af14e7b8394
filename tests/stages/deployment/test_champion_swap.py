"""A new champion is taken up without a failed request; a damaged one is refused and the old one goes on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from http_client import ask
from tiny_bundle import ROW

from feilun.core.errors import IntegrityError
from feilun.core.recipe import Serve
from feilun.parts.store import Store
from feilun.stages.deployment.serving import models, server


def test_swaps_under_load_without_a_failed_request(home: Path) -> None:
    stop, failed, seen = threading.Event(), [], []

    def load(address: str) -> None:
        while not stop.is_set():
            status, said, _ = ask(address, "/v1/predict", {"row": ROW})
            if status != 200:
                failed.append(said)
            else:
                seen.append((said["model"], said["predictions"][0]["answer"]["probabilities"]["plus"]))

    def until(address: str, model: str) -> None:
        while ask(address, "/health/ready")[1]["model"] != model:
            pass

    with (
        Store.open(home) as store,
        server.background(home, "my", Serve(port=0), {}) as address,
        ThreadPoolExecutor(4) as pool,
    ):
        done = [pool.submit(load, address) for _ in range(4)]
        try:
            for number in (2, 1, 2):
                store.promote("my", number, reason="better")
                until(address, f"my@{number}")
        finally:
            stop.set()
        for one in done:
            one.result()
    assert failed == [] and len(seen) > 20
    # Every answer came from the model that it names.
    assert {model for model, _ in seen} == {"my@1", "my@2"}
    assert len({round(chance, 6) for model, chance in seen if model == "my@1"}) == 1
    assert {chance for model, chance in seen if model == "my@1"}.isdisjoint(
        {chance for model, chance in seen if model == "my@2"}
    )


def test_a_damaged_champion_is_refused_and_health_tells(home: Path) -> None:
    card = home / "my" / "2" / "deployment" / "bundle" / "card.md"
    sound = card.read_bytes()
    with Store.open(home) as store:
        shelf = models.open_shelf(store, home, "my", 1, Serve())
        card.write_bytes(sound[:-1] + b"!")
        store.promote("my", 2, reason="better")
        shelf.follow()
        assert shelf.current.bundle.called == "my@1"
        assert shelf.refused == {
            "model": "my@2",
            "code": "integrity",
            "message": "its files are not what was written",
        }
        card.write_bytes(sound)
        shelf.follow()
        assert shelf.current.bundle.called == "my@1"  # it was refused once; promoting it again asks again
        store.rollback("my", 1, reason="damaged")
        shelf.follow()
        assert shelf.refused == {}
        store.promote("my", 2, reason="restored")
        shelf.follow()
        assert shelf.current.bundle.called == "my@2" and shelf.swaps == 1


def test_a_sound_bundle_in_the_place_of_another_is_refused(home: Path) -> None:
    one, two = (home / "my" / number / "deployment" / "bundle" for number in ("1", "2"))
    one.rename(home / "kept")
    two.rename(one)
    with Store.open(home) as store, pytest.raises(IntegrityError, match="not the bundle that was registered"):
        models.open_shelf(store, home, "my", 1, Serve())
