"""Who may ask: keys, roles, loopback without keys, and a rule for every route."""

from __future__ import annotations

from pathlib import Path

import pytest
from http_client import ask
from tiny_bundle import ROW

from feilun.core.errors import FeilunError, InputError
from feilun.core.progress import Quiet
from feilun.core.recipe import Serve
from feilun.parts.store import Store
from feilun.stages.deployment import verbs
from feilun.stages.deployment.serving import access, models, server

SETTINGS = Serve(port=0)


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_with_a_key_in_the_store_every_request_needs_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "REMEMBER_S", 0.0)
    with Store.open(home) as store:
        user, admin = store.add_key("app"), store.add_key("me", "admin")
        with server.background(home, "my", SETTINGS, {"/": b"page"}) as address:
            for headers in ({}, _bearer("fl_0"), _bearer(user[:-1] + "x"), {"Authorization": f"Basic {user}"}):
                status, said, told = ask(address, "/v1/predict", {"row": ROW}, headers)
                assert status == 401 and told["www-authenticate"] == "Bearer" and said["error"]["fix"]
            assert ask(address, "/v1/predict", {"row": ROW}, _bearer(user))[0] == 200
            assert ask(address, "/metrics", None, _bearer(user))[0] == 403
            assert ask(address, "/metrics", None, _bearer(admin))[0] == 200
            assert ask(address, "/v1/predict", {"row": ROW}, _bearer(admin))[0] == 200
            assert [ask(address, path)[0] for path in ("/", "/health/live", "/health/ready")] == [200, 200, 200]
            listed = store.keys()
            store.revoke_key(next(row["id"] for row in listed if row["label"] == "app"))
            assert ask(address, "/v1/predict", {"row": ROW}, _bearer(user))[0] == 401


def test_a_first_key_closes_the_open_door(home: Path) -> None:
    with Store.open(home) as store:
        shelf = models.open_shelf(store, home, "my", 1, Serve())
        door = access.Door(store=store, rules=access.RULES, needs_key=access.may_start("127.0.0.1", store.keys()))
        assert not door.needs_key
        store.add_key("app")
        server._follow(shelf, door)
        assert door.needs_key


def test_without_keys_only_this_machine_under_its_own_name(home: Path) -> None:
    with server.background(home, "my", SETTINGS, {}) as address:
        own = address.removeprefix("http://")
        refused = (
            {"Host": "evil.example"},  # a name that was made to point here
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
        )
        for headers in refused:
            assert ask(address, "/v1/predict", {"row": ROW}, headers)[0] == 403
        for headers in ({"Host": f"localhost:{own.split(':')[1]}"}, {"Origin": address}):
            assert ask(address, "/v1/predict", {"row": ROW}, headers)[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_addresses_need_a_key_before_the_start(home: Path, host: str) -> None:
    with pytest.raises(InputError, match="no API key"):
        verbs.serve(home, "my", Serve(host=host, port=0), {}, Quiet())
    assert access.may_start(host, [{"revoked": 1.0}])
    assert not access.may_start("::1", [])


def test_a_route_without_a_rule_stops_the_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access.complete([("GET", "/a")], {("GET", "/a"): access.OPEN})
    monkeypatch.setattr(access, "RULES", {key: rule for key, rule in access.RULES.items() if key[1] != "/metrics"})
    with (
        pytest.raises(FeilunError, match="GET /metrics has no access rule"),
        server.background(home, "my", SETTINGS, {}),
    ):
        pass


def test_nothing_to_serve_and_a_taken_port_say_what_to_do(home: Path) -> None:
    with pytest.raises(InputError, match="no version of other"), server.background(home, "other", SETTINGS, {}):
        pass
    with server.background(home, "my", SETTINGS, {}) as address:
        port = int(address.rpartition(":")[2])
        with pytest.raises(InputError, match="Cannot listen"), server.background(home, "my", Serve(port=port), {}):
            pass
