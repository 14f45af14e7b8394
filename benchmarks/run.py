"""Run one claim's benchmark, or all, and write docs/benchmarks.md from the committed results, misses included.

python benchmarks/run.py [CLAIM]      python benchmarks/run.py --page   writes only the page
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
NOT_CLAIMS = ("run", "prove", "targets", "record", "peers", "race", "small_gpt", "writer")
HEAD = """# Benchmarks

Written by `make bench` from `benchmarks/results/`: us and the peer on the same data, in one go, alternating; medians
of at least five runs. The ratio is ours to the peer's in the unit named; the null ratio is a thing against itself.

| claim | ours | peer | unit | ratio (least to most) | null | runs | target | met |
|---|---|---|---|---|---|---|---|---|
"""


def main(arguments: list[str]) -> int:
    """Run what was asked for; the exit status is that of the first script that failed."""
    claims = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_CLAIMS)
    asked = [name for name in arguments if name != "--page"]
    unknown = [name for name in asked if name not in claims]
    if unknown:
        print(f"No benchmark called {unknown[0]!r}. There are: {', '.join(claims)}.", file=sys.stderr)
        return 2
    for claim in [] if "--page" in arguments else asked or claims:
        status = subprocess.run([sys.executable, str(HERE / f"{claim}.py")], check=False).returncode
        if status:
            return status
    PAGE.write_text(HEAD + "".join(_rows()), encoding="utf-8")
    return 0


def _rows() -> list[str]:
    results = [row for path in sorted((HERE / "results").glob("*.json")) for row in json.loads(path.read_text())]
    return [_line(row) for row in results]


def _line(row: dict[str, object]) -> str:
    met = {True: "yes", False: "no", None: "reported"}[row["met"]]  # type: ignore[index]
    spread = f"{row['ratio_median']:.3g} ({row['ratio_min']:.3g} to {row['ratio_max']:.3g})"
    null = "" if row.get("null_ratio") is None else f"{row['null_ratio']:.3g}"
    cells = (row["claim"], row["ours"], row["peer"], row["unit"], spread, null, row["runs"], row["target"], met)
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
