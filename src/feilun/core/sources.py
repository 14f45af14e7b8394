"""Which of our source files a module needs: what a stage's key hashes and what a bundle carries."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from feilun.core.manifest import hash_json

PACKAGE = "feilun"
ROOT = Path(__file__).resolve().parent.parent
INSIDE = ("body", "orelse", "handlers", "finalbody", "cases")  # of a statement: other statements


def closure(modules: Iterable[str], *, lazy: bool = True) -> dict[str, Path]:
    """{module: file} of these modules and every module of ours they import, however far.

    lazy: also follow imports inside functions. Imports under TYPE_CHECKING are never followed.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if name in found or path is None:
            continue
        found[name] = path
        parent = name.rpartition(".")[0]
        waiting += [parent] if parent else []
        waiting += _imports(path, lazy)
    return dict(sorted(found.items()))


def code_hash(modules: Iterable[str]) -> str:
    """One hash over the source of these modules and all they import."""
    return hash_json({name: path.read_text(encoding="utf-8") for name, path in closure(modules).items()})


@cache
def _imports(path: Path, lazy: bool) -> tuple[str, ...]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(_walk(tree, lazy))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    dotted = [f"{node.module}.{alias.name}" for node in froms for alias in node.names]
    names = plain + [str(node.module) for node in froms] + dotted
    return tuple(name for name in names if name.partition(".")[0] == PACKAGE)


def _walk(node: ast.AST, lazy: bool) -> Iterator[ast.AST]:
    """Every statement inside; expressions hold no import."""
    for inside in INSIDE:
        for child in getattr(node, inside, ()):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if not lazy and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            yield child
            yield from _walk(child, lazy)


@cache
def _file(module: str) -> Path | None:
    """Ours are looked up by name, without importing the packages that they are in."""
    if module.partition(".")[0] == PACKAGE:
        place = ROOT.joinpath(*module.split(".")[1:])
        files = (place / "__init__.py", place.with_name(f"{place.name}.py"))
        return next((file for file in files if file.is_file()), None)
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
