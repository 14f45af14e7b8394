"""The text that Prometheus reads."""

from __future__ import annotations

from feilun.stages.deployment.serving.counters import Counters


def test_histogram_is_cumulative_and_labels_are_escaped() -> None:
    counters = Counters()
    for seconds in (0.0005, 0.001, 0.02, 99.0):
        counters.request("/v1/predict", 200, seconds)
    counters.plain["rows"] += 7
    lines = counters.text({"queued": 0}, {"name": 'a"b\\c\nd'}).splitlines()
    place = 'feilun_request_seconds_bucket{path="/v1/predict",le='
    assert f'{place}"0.001"}} 2' in lines and f'{place}"0.025"}} 3' in lines and f'{place}"10.0"}} 3' in lines
    assert f'{place}"+Inf"}} 4' in lines and 'feilun_request_seconds_count{path="/v1/predict"} 4' in lines
    assert 'feilun_request_seconds_sum{path="/v1/predict"} 99.0215' in lines
    assert "feilun_rows_total 7" in lines and "feilun_queued 0" in lines
    assert 'feilun_model{name="a\\"b\\\\c\\nd"} 1' in lines
