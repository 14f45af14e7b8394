"""What the server counts, in the text form that Prometheus reads."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
Labels = tuple[tuple[str, str], ...]


@dataclass(kw_only=True, slots=True)
class Counters:
    """Requests by path and status, their seconds, rows and feedback. Touched by the event loop's thread only."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: dict[str, list[int]] = field(default_factory=dict)  # path -> counts per bucket, the last without bound
    total_s: dict[str, float] = field(default_factory=dict)
    plain: Counter[str] = field(default_factory=Counter)  # rows, feedback, swaps, refused_bundles

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a finished request."""
        self.requests[path, status] += 1
        counts = self.seconds.setdefault(path, [0] * (len(BUCKETS_S) + 1))
        counts[bisect.bisect_left(BUCKETS_S, seconds)] += 1
        self.total_s[path] = self.total_s.get(path, 0.0) + seconds

    def text(self, gauges: Mapping[str, float], model: Mapping[str, str]) -> str:
        """Everything as Prometheus text 0.0.4; gauges are read at this moment."""
        lines = ["# HELP feilun_requests_total Requests by path and status.", "# TYPE feilun_requests_total counter"]
        for (path, status), count in sorted(self.requests.items()):
            lines.append(_line("feilun_requests_total", (("path", path), ("status", str(status))), count))
        lines += ["# HELP feilun_request_seconds Time to answer.", "# TYPE feilun_request_seconds histogram"]
        for path, counts in sorted(self.seconds.items()):
            lines += self._histogram(path, counts)
        for name, count in sorted(self.plain.items()):
            lines += [f"# TYPE feilun_{name}_total counter", _line(f"feilun_{name}_total", (), count)]
        for name, value in sorted(gauges.items()):
            lines += [f"# TYPE feilun_{name} gauge", _line(f"feilun_{name}", (), value)]
        lines += ["# TYPE feilun_model gauge", _line("feilun_model", tuple(model.items()), 1)]
        return "\n".join(lines) + "\n"

    def _histogram(self, path: str, counts: list[int]) -> list[str]:
        lines, so_far = [], 0
        for bound, count in zip([*map(str, BUCKETS_S), "+Inf"], counts, strict=True):
            so_far += count
            lines.append(_line("feilun_request_seconds_bucket", (("path", path), ("le", bound)), so_far))
        lines.append(_line("feilun_request_seconds_sum", (("path", path),), round(self.total_s[path], 6)))
        lines.append(_line("feilun_request_seconds_count", (("path", path),), so_far))
        return lines


def _line(name: str, labels: Labels, value: float) -> str:
    inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    return f"{name}{{{inner}}} {value}" if inner else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
