"""Our side of writing: what a bundle's `predict` gives. Arguments: JSON with bundle, variant, texts, new, rounds."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from feilun.parts.bundle import loading


def main() -> None:
    """`{tokens: a round, seconds: [of each round], texts}` as the last line."""
    told = json.loads(sys.argv[1])
    bundle = loading.load(Path(told["bundle"]), told["variant"], threads=2)
    rows = [{"text": text} for text in told["texts"]]
    bundle.predict(rows, max_length=4)
    seconds = []
    for _ in range(told["rounds"]):
        started = time.perf_counter()
        said = bundle.predict(rows, max_length=told["new"])
        seconds.append(time.perf_counter() - started)
    tokens = sum(one["tokens"] for one in said)
    print(json.dumps({"tokens": tokens, "seconds": seconds, "texts": [one["text"] for one in said]}))


if __name__ == "__main__":
    main()
