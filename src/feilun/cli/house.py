"""Verbs that keep the house: keys, doctor, clean."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any

from feilun.cli.record import Context, Result, Verb, argument
from feilun.cli.words import tell
from feilun.core.errors import InputError

ROLES = ("user", "admin")


def keys(context: Context, action: str = "list", what: str | None = None, *, role: str = "user") -> Result:
    """API keys: only their hashes are kept, so a new one is shown once."""
    from feilun import lifecycle
    from feilun.cli.looking import columns

    home = context.home.resolve()
    if action == "list":
        found = lifecycle.call("improvement", "list_keys", home)
        rows = [[str(value) for value in item.values()] for item in found]
        return Result(value=found, text=columns(rows) or tell(context.lang, "nothing here yet"))
    if what is None:
        word = "a label, such as `feilun keys add website`" if action == "add" else "the id from `feilun keys list`"
        raise InputError(f"keys {action} needs {word}.", where="keys")
    if context.dry_run:
        template = "Would {what}. Nothing was changed (--dry-run)."
        return Result(text=tell(context.lang, template, what=f"{action} {what}"))
    if action == "add":
        key = lifecycle.call("improvement", "add_key", home, what, role)
        return Result(value={"key": key, "label": what, "role": role}, text=f"{key}\nShown once; keep it safe.")
    lifecycle.call("improvement", "revoke_key", home, what)
    return Result(value={"revoked": what}, text=f"revoked {what}")


def doctor(context: Context) -> Result:
    """Versions, cores, disk; what is missing and how to get it."""
    from feilun import __version__
    from feilun.cli.looking import columns

    free_gb = shutil.disk_usage(_existing(context.home)).free / 1e9
    facts: dict[str, Any] = {
        "feilun": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "home": str(context.home.resolve()),
        "free disk": f"{free_gb:.1f} GB",
        **{package: _version(package) for package in (*SERVING, *TRAINING)},
    }
    warnings = [f"{package} is missing: pip install feilun" for package in SERVING if facts[package] == "missing"]
    lacking = [package for package in TRAINING if facts[package] == "missing"]
    if lacking:
        warnings.append(f"training needs {', '.join(lacking)}: pip install 'feilun[train]'")
    if free_gb < 2:
        warnings.append(f"only {free_gb:.1f} GB of disk are free; `feilun clean` lists what can go")
    if _version("torchvision") != "missing":
        warnings.append("torchvision is installed; if importing it fails, uninstall it: nothing here needs it")
    rows = [[name, str(value)] for name, value in facts.items()]
    return Result(value=facts, text=columns(rows), warnings=warnings)


def clean(context: Context) -> Result:
    """List what no version needs: interrupted runs and stages nothing points to; with --yes delete it."""
    from feilun.cli.looking import columns
    from feilun.core import progress

    found = _waste(context.home)
    rows = [[f"{size / 1e6:9.1f} MB", str(path), why] for path, size, why in found]
    value = [{"path": str(path), "size_bytes": size, "why": why} for path, size, why in found]
    if not found:
        return Result(value=[], text=tell(context.lang, "nothing to clean"))
    if not context.yes or context.dry_run:
        return Result(value=value, text=columns(rows), next="feilun clean --yes")
    for path, _, _ in found:
        with progress.locked(_name_folder(context.home, path)):
            shutil.rmtree(path)
    return Result(value=value, text=f"{columns(rows)}\ndeleted")


SERVING = (
    *("fastapi", "jinja2", "numpy", "onnxruntime", "pillow", "pydantic", "pyyaml", "safetensors"),
    *("sqlalchemy", "tokenizers", "uvicorn"),
)
TRAINING = ("datasets", "onnx", "pyarrow", "scikit-learn", "torch")


def _waste(home: Path) -> list[tuple[Path, int, str]]:
    """(folder, bytes, why) of what can go."""
    from feilun.core import manifest

    runs = {path.parent: manifest.read_json(path) for path in sorted(home.glob("*/*/run.json"))}
    used = {
        (folder.parent / place).resolve()
        for folder, saved in runs.items()
        if saved["finished"]
        for place in saved["stages"].values()
    }
    found = []
    for folder, saved in runs.items():
        stages = [path.parent for path in sorted(folder.glob(f"*/{manifest.FILE}"))]
        needed = [stage for stage in stages if stage.resolve() in used]
        if not saved["finished"] and not needed:
            found.append((folder, _size(folder), "interrupted; the same run would go on from it"))
        else:
            found += [(stage, _size(stage), "no version needs it") for stage in stages if stage not in needed]
    return found


def _name_folder(home: Path, path: Path) -> Path:
    return home / path.relative_to(home).parts[0]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(place for place in (folder.resolve(), *folder.resolve().parents) if place.exists())


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


VERBS = (
    Verb(
        name="keys",
        group="House",
        summary="add, list or revoke API keys",
        call=keys,
        arguments=(
            argument("action", nargs="?", choices=("list", "add", "revoke"), default="list", help="what to do"),
            argument("what", nargs="?", help="for add a label, for revoke an id"),
            argument("--role", choices=ROLES, default="user", help="user: ask and correct; admin: also what changes"),
        ),
        changes=True,
        example="feilun keys add website",
    ),
    Verb(
        name="clean",
        group="House",
        summary="list what no version needs; --yes deletes it",
        call=clean,
        changes=True,
        example="feilun clean",
    ),
    Verb(name="doctor", group="House", summary="versions, cores, disk, what is missing", call=doctor),
)
