"""Checkpoints of a training: everything that the next step depends on, in one file whose hash is kept beside it.

`step-<number>.safetensors` holds weights, best weights, optimizer state and, in its header, the progress as JSON;
`checkpoint.json`, written last, names it with its SHA-256. At any instant the named file is whole: a kill between the
two writes leaves a newer file that nobody names, and the next checkpoint removes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor
from torch.optim import Optimizer

from feilun.core.errors import InputError, IntegrityError
from feilun.core.manifest import hash_file, read_json, write_bytes, write_json
from feilun.core.protocols import Say

FILE = "checkpoint.json"


def write(folder: Path, step: int, tensors: Mapping[str, Tensor], progress: Mapping[str, Any], keep: int = 1) -> None:
    """Make a checkpoint durable, then remove all but the newest `keep`. On a full disk the old ones stay, and
    InputError says so."""
    content = safetensors.torch.save(dict(tensors), metadata={"progress": json.dumps(progress)})
    entry = {"file": f"step-{step:08d}.safetensors", "sha256": hashlib.sha256(content).hexdigest(), "step": step}
    older = [one for one in _named(folder) if one["step"] != step][: keep - 1]
    try:
        write_bytes(folder / str(entry["file"]), content)
        write_json(folder / FILE, {**entry, "older": older})
    except OSError as error:
        raise InputError(
            f"The checkpoint of step {step} ({len(content) / 1e6:.1f} MB) could not be written to {folder}: "
            f"{error.strerror or error}. Make room and type the same command again: it goes on from the one before.",
            where=str(folder),
            fix="make room on the disk, then type the same command again",
        ) from error
    _remove(folder, keep={one["file"] for one in (entry, *older)})


def read(folder: Path, say: Say | None = None) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and progress of the newest checkpoint that is whole, or None if there is none.

    A damaged one is told, and the one kept before it taken. Raises IntegrityError if every one is damaged.
    """
    if not (folder / FILE).is_file():
        return None
    faults = []
    for entry in _named(folder) or [{}]:
        try:
            found = _read(folder, entry)
        except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
            faults.append(str(error))
            continue
        if faults and say is not None:
            say.line(f"The newest checkpoint is damaged ({faults[0]}); the one of step {entry['step']:,} is whole.")
        return found
    raise IntegrityError(
        f"The checkpoint in {folder} is damaged ({faults[0]}). Delete this folder to train from the start.",
        where=str(folder),
        fix=f"delete {folder} and type the same command again",
    )


def clear(folder: Path) -> None:
    """Remove what training no longer needs once its result is saved."""
    (folder / FILE).unlink(missing_ok=True)
    _remove(folder, keep=set())


def optimizer_tensors(optimizers: Mapping[str, Sequence[Optimizer]]) -> dict[str, Tensor]:
    """{optimizer/player/place/parameter number/name: tensor}: moments and step counts."""
    return {
        f"{prefix}/{number}/{name}": value.detach()
        for prefix, optimizer in _each(optimizers)
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if value is not None
    }


def put_optimizers(optimizers: Mapping[str, Sequence[Optimizer]], tensors: Mapping[str, Tensor]) -> None:
    """Give the optimizers back what `optimizer_tensors` took."""
    for prefix, optimizer in _each(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            if key.startswith(f"{prefix}/"):
                number, name = key.removeprefix(f"{prefix}/").split("/", 1)
                state.setdefault(int(number), {})[name] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _each(optimizers: Mapping[str, Sequence[Optimizer]]) -> Iterator[tuple[str, Optimizer]]:
    for player, own in optimizers.items():
        for place, optimizer in enumerate(own):
            yield f"optimizer/{player}/{place}", optimizer


def _named(folder: Path) -> list[dict[str, Any]]:
    """{file, sha256, step} of the checkpoints that are kept, the newest first; empty where the list is damaged."""
    if not (folder / FILE).is_file():
        return []
    try:
        found = read_json(folder / FILE)
        return [{name: found[name] for name in ("file", "sha256", "step")}, *found.get("older", [])]
    except (IntegrityError, KeyError, TypeError, ValueError):
        return []


def _read(folder: Path, entry: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not entry:
        raise ValueError(f"{FILE} cannot be read")
    path, expected = folder / str(entry["file"]), str(entry["sha256"])
    got = hash_file(path)
    if got != expected:
        raise ValueError(f"SHA-256 is {got[:12]}…, expected {expected[:12]}…")
    with safetensors.safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        return tensors, json.loads(file.metadata()["progress"])


def _remove(folder: Path, keep: set[str]) -> None:
    """Every other checkpoint, and the temporary files that a kill left half written."""
    for pattern in ("step-*.safetensors", ".step-*", f".{FILE}.*"):
        for path in folder.glob(pattern):
            if path.name not in keep:
                path.unlink(missing_ok=True)
