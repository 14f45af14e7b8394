"""The demonstration from end to end, shortened to one lap: a real server process, real HTTP, nothing scripted."""

import json

import pytest

from feilun.cli.main import main


@pytest.mark.slow
def test_one_lap_of_the_demo(tmp_path, capsys):
    assert main(["demo", "--laps", "1", "--seed", "1", "--home", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] and told["verb"] == "demo"
    result = told["result"]
    first, last = result["laps"]
    assert (first["served"], first["requests"], last["requests"]) == ("digits@1", 500, 500)
    assert first["right"] == first["right_first"]  # the same bundle, over HTTP and in this process
    assert first["right"] < 400 and first["decision"].startswith("promote @2: ")
    low, high = last["interval"][1:]
    assert last["served"] == "digits@2" and low > 100 * last["right_first"] / 500 and high < 100
    assert "Drift noticed at request" in result["drift"]
    assert result["corrected"] == 150 and 30 <= result["held"] <= 70
    folder = tmp_path / "digits"
    assert all((folder / file).is_file() for file in ("laps.svg", "laps.html", "report.html"))
    assert first["decision"] in (folder / "laps.html").read_text()
