"""Answers rows with this bundle alone: `python predict.py rows.json`. Needs numpy, onnxruntime, the features' library.

    python predict.py rows.json          a row {column: value}, or a list of rows
    python predict.py rows.jsonl         one row a line
    python predict.py rows.csv           with a header, commas, UTF-8; an empty cell is a missing value
    python predict.py - < rows.json      from standard input
    python predict.py --example          a row as this model takes it

Pictures are given as base64 text, or as {"file": "cat.png"}. Answers go to standard output as JSON, in order.
This file lies in every bundle as predict.py; graphs/ holds the network, code/ the source that encodes and answers.

Before anything of the folder is imported or read, every file is compared with manifest.json: a changed, added, missing
or linked file ends it with exit code 4. A change of this very file cannot be noticed from inside: who may change it
may take the check out. Compare its SHA-256 with the one in a manifest that you trust, or let `feilun predict` look.
"""
# No `from __future__` here: that is an import too, and the folder of a script comes first where imports are looked for.

import os
import sys

if __name__ == "__main__":  # before any other import: a file added to this folder must not be taken for a library
    sys.dont_write_bytecode = True  # a stray file in the bundle would count as tampering
    _own = os.path.dirname(os.path.realpath(__file__)) + os.sep  # noqa: PTH120
    sys.path[:] = [place for place in sys.path if not (os.path.realpath(place or ".") + os.sep).startswith(_own)]

import argparse
import base64
import csv
import hashlib
import io
import json
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
    manifest, changed = verified(HERE)
    if changed:
        fix = "restore the folder from a copy, or run the recipe again"
        return _refuse(
            {"code": "integrity", "message": f"{changed}. To mend it, {fix}.", "where": str(HERE), "fix": fix}
        )
    sys.path.insert(0, str(HERE / "code"))
    from feilun.core.errors import FeilunError

    try:
        answers = _run(given, manifest)
    except FeilunError as error:
        _refuse(error.to_json())
        return error.exit_code
    except ModuleNotFoundError as error:
        package = {"PIL": "pillow"}.get(str(error.name), error.name)
        print(f"This bundle needs the package {package}. Run: pip install {package}", file=sys.stderr)
        return 2
    except UnicodeDecodeError as error:
        print(f"{given.rows} is not UTF-8 ({error}). Save it as UTF-8.", file=sys.stderr)
        return 2
    except (OSError, ValueError, csv.Error) as error:
        print(f"{given.rows}: {error}", file=sys.stderr)
        return 2
    print(json.dumps(answers, ensure_ascii=False, indent=1))
    return 0


def verified(folder: Path) -> tuple[dict[str, Any], str]:
    """The manifest, and what is not as it was packed: nothing, if every file is. Uses the standard library alone."""
    path = folder / "manifest.json"
    if path.is_symlink() or not path.is_file():
        return {}, f"{path} is missing or a link"
    raw = path.read_bytes()
    try:
        manifest = json.loads(raw)
        spelled = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        rest = {key: value for key, value in manifest.items() if key != "sha256"}
        text = json.dumps(rest, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        own = hashlib.sha256(text.encode()).hexdigest()
        if spelled.encode() != raw or manifest["sha256"] != own:
            raise ValueError
        files = {str(name): str(facts["sha256"]) for name, facts in manifest["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}, f"{path} is not what was written: its own hash does not fit"
    return manifest, _difference(folder, files)


def _difference(folder: Path, files: dict[str, str]) -> str:
    """The first way in which the folder is not exactly these files {path: SHA-256}, or nothing."""
    present = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            return f"{path} is a link"
        if not path.is_dir():
            present.append(path.relative_to(folder).as_posix())
    listed = {*files, "manifest.json"}
    for name in present:
        if name not in listed:
            return f"{folder / name} was added after packing"
    for name, digest in files.items():
        if name not in present:
            return f"{folder / name} is missing"
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                return f"{folder / name} is not what was written: its SHA-256 differs"
    return ""


def _refuse(error: dict[str, str]) -> int:
    """The error as one line of JSON; returns the exit code of a changed bundle."""
    print(json.dumps({"error": error}, ensure_ascii=False), file=sys.stderr)
    return 4


def _run(given: argparse.Namespace, manifest: dict[str, Any]) -> Any:
    from feilun.core import discover
    from feilun.parts.bundle import answering, checks, layout, onnx_runner, signature, state

    if given.example:
        return signature.example(manifest["signature"])
    rows = read_rows(given.rows, list(manifest["signature"]))
    if not rows:
        raise ValueError("there are no rows to answer; give at least one")
    checks.rows(rows, manifest["signature"])
    task = discover.task(manifest["task"])
    features = {name: discover.feature(**facts) for name, facts in layout.read_features(HERE).items()}
    run = onnx_runner.OnnxRunner(HERE, manifest, given.variant, given.threads)
    found = answering.answered(task, run, features, state.load(HERE), rows, **json.loads(given.options))
    if found.cut:
        said = f"{len(found.cut)} of {len(rows)} rows have texts that are longer than is read, such as"
        print(f"{said} rows[{min(found.cut)}]: {json.dumps(found.cut[min(found.cut)])}", file=sys.stderr)
    return found.answers


def read_rows(source: str, columns: list[str]) -> list[dict[str, Any]]:
    """Rows of a file or of standard input; of a CSV only the model's columns are taken."""
    text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8-sig")
    if not text.strip():
        return []
    if source.lower().endswith(".csv"):
        table = csv.DictReader(io.StringIO(text))
        missing = [name for name in columns if name not in (table.fieldnames or ())]
        if missing:
            there = ", ".join(table.fieldnames or ())
            raise ValueError(f"no column {missing[0]!r} in the header ({there}); cells end at a comma here")
        return [{name: row[name] or None for name in columns} for row in table]
    if source.lower().endswith(".jsonl"):
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    else:
        rows = json.loads(text)
    rows = rows if isinstance(rows, list) else [rows]
    return [{name: _value(value) for name, value in row.items()} if isinstance(row, dict) else row for row in rows]


def _value(value: Any) -> Any:
    """A picture given as {"file": path} becomes base64 text."""
    if isinstance(value, dict) and set(value) == {"file"}:
        return base64.b64encode(Path(value["file"]).read_bytes()).decode()
    return value


if __name__ == "__main__":
    sys.exit(main())
