"""What a broken input is: files made in an empty folder, the words a person types there, and what must come of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feilun.cli.main import main

Make = Callable[[Path], None]
Right = Callable[[dict[str, Any], Path], None]
HANGS_AFTER_S = 120  # far beyond what any case takes: only to end a hang
QUICK = (
    *("--set", "model=linear", "--set", "train.epochs=2", "--set", "evaluate.bootstrap=100"),
    *("--set", "optimize.quantize=none"),
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One broken (or merely odd) input.

    says: words of the output, in any case, each of them needed: what is wrong, where, and the fix.  right: for inputs
    that must still give a right answer, given `result` of `--json` and the folder.
    """

    name: str
    make: Make
    words: tuple[str, ...]
    code: int = 2
    says: tuple[str, ...] = ()
    right: Right | None = None


def text(name: str, content: str, encoding: str = "utf-8") -> Make:
    """A file with this text."""
    return data(name, content.encode(encoding))


def data(name: str, content: bytes) -> Make:
    """A file with these bytes; folders on the way are made."""

    def make(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return make


def all_of(*made: Make) -> Make:
    """Several files."""

    def make(folder: Path) -> None:
        for each in made:
            each(folder)

    return make


def table(rows: int = 60, **columns: Callable[[int], Any]) -> str:
    """CSV with a column per function of the row number; by default a number `x`, a word `c` and a target `y`."""
    made = columns or {"x": lambda i: i % 17, "c": lambda i: "ab"[i % 2], "y": lambda i: "no" if i % 17 < 8 else "yes"}
    lines = [",".join(made), *(",".join(str(value(i)) for value in made.values()) for i in range(rows))]
    return "\n".join(lines) + "\n"


def run(case: Case, folder: Path, capsys: Any) -> None:
    """Type the words and hold the outcome against the case."""
    inside = folder / "here"
    inside.mkdir()
    case.make(inside)
    outside = _listing(folder, inside)
    with _within(inside), _no_hang(case.name):
        code = main([*case.words, *(("--json",) if case.right else ())])
    said = capsys.readouterr()
    whole = said.out + said.err
    assert "Traceback" not in whole, whole
    assert "This is a bug" not in whole, whole
    assert code == case.code, f"exit {code}, not {case.code}: {whole}"
    missing = [word for word in case.says if word.lower() not in whole.lower()]
    assert not missing, f"not said: {missing}\n{whole}"
    assert _listing(folder, inside) == outside, "a file was written outside the folder"
    if case.right is not None:
        case.right(json.loads(said.out), inside)


def columns(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{column: entry} of what `check --json` told."""
    return {entry["column"]: entry for entry in told["result"]["columns"]}


def _listing(folder: Path, but: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if path != but and but not in path.parents)


@contextmanager
def _within(folder: Path) -> Iterator[None]:
    import os

    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _no_hang(name: str) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TimeoutError(f"{name} hangs")

    if not hasattr(signal, "SIGALRM"):  # Windows
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(HANGS_AFTER_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
