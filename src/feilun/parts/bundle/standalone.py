"""Answers rows with this bundle alone: `python predict.py rows.json`. Needs numpy, onnxruntime, the features' library.

    python predict.py rows.json          a row {column: value}, or a list of rows
    python predict.py rows.jsonl         one row a line
    python predict.py rows.csv           with a header; an empty cell is a missing value
    python predict.py - < rows.json      from standard input
    python predict.py --example          a row as this model takes it

Pictures are given as base64 text, or as {"file": "cat.png"}. Answers go to standard output as JSON, in order.
This file lies in every bundle as predict.py; graphs/ holds the network, code/ the source that encodes and answers.
"""

from __future__ import annotations

import argparse
import base64
import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0, 2 for wrong rows, 4 for a bundle that was changed."""
    parser = argparse.ArgumentParser(description="Answers rows with this bundle; no torch needed.")
    parser.add_argument("rows", nargs="?", default="-", help="a .json, .jsonl or .csv file; - for standard input")
    parser.add_argument("--options", default="{}", help="options of the answer, as JSON")
    parser.add_argument("--variant", help="fp32 or int8; the one chosen when packing where left out")
    parser.add_argument("--threads", type=int, help="CPU threads; all where left out")
    parser.add_argument("--example", action="store_true", help="print a row as this model takes it")
    given = parser.parse_args(arguments)
    sys.dont_write_bytecode = True  # a stray file in the bundle would count as tampering
    sys.path.insert(0, str(HERE / "code"))
    from feilun.core.errors import FeilunError

    try:
        answers = _run(given)
    except FeilunError as error:
        print(json.dumps({"error": error.to_json()}, ensure_ascii=False, indent=1), file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        package = {"PIL": "pillow"}.get(str(error.name), error.name)
        print(f"This bundle needs the package {package}. Run: pip install {package}", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"{given.rows}: {error}", file=sys.stderr)
        return 2
    print(json.dumps(answers, ensure_ascii=False, indent=1))
    return 0


def _run(given: argparse.Namespace) -> Any:
    from feilun.core import discover
    from feilun.parts.bundle import answering, checks, layout, onnx_runner, signature, state

    manifest = layout.read(HERE)  # every file's hash
    if given.example:
        return signature.example(manifest["signature"])
    rows = read_rows(given.rows, list(manifest["signature"]))
    checks.rows(rows, manifest["signature"])
    task = discover.task(manifest["task"])
    features = {name: discover.feature(**facts) for name, facts in layout.read_features(HERE).items()}
    run = onnx_runner.OnnxRunner(HERE, manifest, given.variant, given.threads)
    return answering.answer_rows(task, run, features, state.load(HERE), rows, **json.loads(given.options))


def read_rows(source: str, columns: list[str]) -> list[dict[str, Any]]:
    """Rows of a file or of standard input; of a CSV only the model's columns are taken."""
    text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8-sig")
    if source.lower().endswith(".csv"):
        table = csv.DictReader(io.StringIO(text))
        return [{name: row[name] or None for name in columns if name in row} for row in table]
    if source.lower().endswith(".jsonl"):
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    else:
        rows = json.loads(text)
    rows = rows if isinstance(rows, list) else [rows]
    return [{name: _value(value) for name, value in row.items()} for row in rows]


def _value(value: Any) -> Any:
    """A picture given as {"file": path} becomes base64 text."""
    if isinstance(value, dict) and set(value) == {"file"}:
        return base64.b64encode(Path(value["file"]).read_bytes()).decode()
    return value


if __name__ == "__main__":
    sys.exit(main())
