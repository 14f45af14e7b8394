"""Checkpoints of a training: everything that the next step depends on, in one file whose hash is kept beside it.

`step-<number>.safetensors` holds weights, best weights, optimizer state and, in its header, the progress as JSON;
`checkpoint.json`, written last, names it with its SHA-256. At any instant the named file is whole: a kill between the
two writes leaves a newer file that nobody names, and the next checkpoint removes it.

Networks divided among processes: `step-<number>.parts/`, a folder that every process writes its parts into, with the
progress beside them; its name changes to this one when it is whole, and the SHA-256 of each of its files is kept.
Either kind can be read by any number of processes, divided or not.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn
from torch.optim import Optimizer

from feilun.core.errors import InputError, IntegrityError
from feilun.core.manifest import hash_file, read_json, sync_folder, write_bytes, write_json
from feilun.core.protocols import Say
from feilun.parts.engine import weights

FILE, COPY = "checkpoint.json", "checkpoint.copy.json"  # the same twice: without their hashes no checkpoint is taken
PROGRESS = "progress.json"
MOMENTS = ("exp_avg", "exp_avg_sq", "momentum_buffer", "sum", "square_avg")  # what optimizers keep for each weight
Found = tuple[dict[str, Tensor], dict[str, Any]]


def write(folder: Path, step: int, tensors: Mapping[str, Tensor], progress: Mapping[str, Any], keep: int = 1) -> None:
    """Make a checkpoint durable, then remove all but the newest `keep`. On a full disk the old ones stay, and
    InputError says so."""
    content = safetensors.torch.save(dict(tensors), metadata={"progress": json.dumps(progress)})
    name = f"step-{step:08d}.safetensors"
    try:
        write_bytes(folder / name, content)
        _name(folder, {"file": name, "sha256": hashlib.sha256(content).hexdigest(), "step": step}, keep)
    except OSError as error:
        raise _no_room(folder, step, f"{len(content) / 1e6:.1f} MB", error.strerror or str(error)) from error


def write_parts(folder: Path, step: int, tensors: Mapping[str, Tensor], progress: Mapping[str, Any], keep: int) -> None:
    """The same for tensors that are divided among processes, each of which calls this."""
    from feilun.parts.engine import group, sharding

    name, here = f"step-{step:08d}.parts", group.current()
    temporary = folder / f".{name}"
    if here.writes:
        for old in (temporary, folder / name):
            shutil.rmtree(old, ignore_errors=True)
        temporary.mkdir()
    try:
        sharding.save(temporary, tensors)
        if here.writes:
            write_json(temporary / PROGRESS, progress)
            hashes = {path.name: hash_file(path) for path in sorted(temporary.iterdir())}
            temporary.replace(folder / name)
            sync_folder(folder)
            _name(folder, {"file": name, "sha256": hashes, "step": step}, keep)
    except OSError as error:
        raise _no_room(folder, step, "in parts", error.strerror or str(error)) from error


def read(folder: Path, say: Say | None = None, likes: Mapping[str, Tensor] | None = None) -> Found | None:
    """Tensors and progress of the newest checkpoint that is whole, or None if there is none.

    likes: divided tensors by name, see `likes`: what is read is divided as they are.  A damaged checkpoint is told, and
    the one kept before it taken. Raises IntegrityError if every one is damaged.
    """
    if not (folder / FILE).is_file():
        return None
    faults = []
    for entry in _named(folder) or [{}]:
        try:
            found = _read(folder, entry, likes or {})
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


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin so, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def clear(folder: Path) -> None:
    """Remove what training no longer needs once its result is saved."""
    for name in (FILE, COPY):
        (folder / name).unlink(missing_ok=True)
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


def likes(networks: Mapping[str, nn.Module], optimizers: Mapping[str, Sequence[Optimizer]]) -> dict[str, Tensor]:
    """For every name that a checkpoint may hold the live tensor whose form it has."""
    live = weights.named(networks)
    found = {f"{kind}/{name}": tensor for kind in ("weights", "best", "average") for name, tensor in live.items()}
    for prefix, optimizer in _each(optimizers):
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for number, parameter in enumerate(parameters):
            found |= {f"{prefix}/{number}/{name}": parameter for name in MOMENTS}
    return found


def _each(optimizers: Mapping[str, Sequence[Optimizer]]) -> Iterator[tuple[str, Optimizer]]:
    for player, own in optimizers.items():
        for place, optimizer in enumerate(own):
            yield f"optimizer/{player}/{place}", optimizer


def _named(folder: Path) -> list[dict[str, Any]]:
    """{file, sha256, step} of the checkpoints that are kept, the newest first; empty where the list is damaged."""
    for name in (FILE, COPY):
        try:
            found = read_json(folder / name)
            return [{key: found[key] for key in ("file", "sha256", "step")}, *found.get("older", [])]
        except (OSError, IntegrityError, KeyError, TypeError, ValueError):
            continue
    return []


def _read(folder: Path, entry: Mapping[str, Any], likes: Mapping[str, Tensor]) -> Found:
    if not entry:
        raise ValueError(f"{FILE} cannot be read")
    path, sha256 = folder / str(entry["file"]), entry["sha256"]
    hashes = {path / name: expected for name, expected in sha256.items()} if path.is_dir() else {path: sha256}
    for file, expected in hashes.items():
        got = hash_file(file)
        if got != expected:
            raise ValueError(f"SHA-256 is {got[:12]}…, expected {expected[:12]}…")
    if path.is_dir():
        from feilun.parts.engine import sharding

        return sharding.load(path, likes), read_json(path / PROGRESS)
    with safetensors.safe_open(path, "pt") as content:
        tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 (not a mapping)
        progress = json.loads(content.metadata()["progress"])
    if likes:
        from feilun.parts.engine import sharding

        tensors = {name: sharding.divided_as(tensor, likes.get(name)) for name, tensor in tensors.items()}
    return tensors, progress


def _name(folder: Path, entry: Mapping[str, Any], keep: int) -> None:
    """This is the newest checkpoint from now on; all but the newest `keep` are removed."""
    older = [one for one in _named(folder) if one["step"] != entry["step"]][: keep - 1]
    for name in (FILE, COPY):
        write_json(folder / name, {**entry, "older": older})
    _remove(folder, keep={one["file"] for one in (entry, *older)})


def _no_room(folder: Path, step: int, size: str, why: str) -> InputError:
    return InputError(
        f"The checkpoint of step {step} ({size}) could not be written to {folder}: {why}. Make room and type the same "
        "command again: it goes on from the one before.",
        where=str(folder),
        fix="make room on the disk, then type the same command again",
    )


def _remove(folder: Path, keep: set[str]) -> None:
    """Every other checkpoint, and the temporary files that a kill left half written."""
    for pattern in ("step-*", ".step-*", f".{FILE}.*", f".{COPY}.*"):
        for path in folder.glob(pattern):
            if path.name not in keep:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
