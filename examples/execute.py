"""Runs the cells of notebook.ipynb and writes what they show into it. Run: python examples/execute.py"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).with_name("notebook.ipynb")
CHANGING = re.compile(r"\d (?:ms|s)\b|cost of \d ways")  # a table of times differs on every machine


def executed(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with fresh outputs, run in an empty folder as a kernel would run it."""
    names: dict[str, Any] = {"__name__": "__main__"}
    before, kernel = Path.cwd(), types.SimpleNamespace(get_ipython=object)
    with tempfile.TemporaryDirectory() as folder:
        sys.modules["IPython"] = kernel  # type: ignore[assignment]  # that is how Feilun knows a notebook
        os.chdir(folder)
        try:
            code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
            for count, cell in enumerate(code, 1):
                cell.update(execution_count=count, outputs=outputs("".join(cell["source"]), names, count))
        finally:
            os.chdir(before)
            del sys.modules["IPython"]
    return notebook


def outputs(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """What this cell prints, and the value of its last line."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        types.FunctionType(compile(tree, "cell", "exec"), names)()
        shown = None
        if isinstance(last, ast.Expr):
            shown = types.FunctionType(compile(ast.Expression(last.value), "cell", "eval"), names)()
    lines = [drawn(line) for line in printed.getvalue().split("\n")]
    text = "\n".join(line for line in lines if line and not CHANGING.search(line))
    made: list[dict[str, Any]] = []
    if text:
        made.append({"output_type": "stream", "name": "stdout", "text": lined(text + "\n")})
    if shown is not None:
        html = shown._repr_html_() if hasattr(shown, "_repr_html_") else ""
        plain = {"text/plain": lined(getattr(shown, "version", None) or repr(shown))}
        data = {**({"text/html": lined(html)} if html else {}), **plain}
        made.append({"output_type": "execute_result", "execution_count": count, "metadata": {}, "data": data})
    return made


def drawn(line: str) -> str:
    """What stays of a line that was drawn over."""
    kept = ""
    for part in line.split("\r"):
        kept = part + kept[len(part) :]
    return kept.rstrip()


def lined(text: str) -> list[str]:
    """As notebooks keep text."""
    return text.splitlines(keepends=True)


if __name__ == "__main__":
    found = executed(json.loads(NOTEBOOK.read_text(encoding="utf-8")))
    NOTEBOOK.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
