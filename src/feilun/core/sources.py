"""Which of our source files a module needs: what a stage's key hashes and what a bundle carries."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from feilun.core.manifest import hash_json

PACKAGE = "feilun"


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


def _walk(tree: ast.AST, lazy: bool) -> Iterable[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if not lazy and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield node
        yield from _walk(node, lazy)


@cache
def _file(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
