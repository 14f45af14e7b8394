"""A task's state (thresholds, temperature, index, ...) as state.json + state.safetensors: no pickle, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.errors import FeilunError, IntegrityError
from feilun.core.manifest import read_json, write_bytes

if TYPE_CHECKING:
    from feilun.core.task import State

JSON = "state.json"
ARRAYS = "state.safetensors"
DTYPES = {  # the format's names; little endian
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}
MARK = "$array"  # {"$array": key} in the JSON stands for an array in the other file


def save(folder: Path, state: State) -> None:
    """Write both files. State may nest dicts and lists; arrays may stand anywhere in it.

    Raises FeilunError for what is neither JSON nor an array: NaN as a plain number, keys that are not text, ...
    """
    arrays: dict[str, np.ndarray] = {}
    plain = _without_arrays(state, "state", arrays)
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    write_bytes(folder / JSON, text.encode())
    from safetensors.numpy import save as as_bytes

    write_bytes(folder / ARRAYS, as_bytes(arrays))


def load(folder: Path) -> State:
    """What `save` wrote. Raises IntegrityError if a file is missing or damaged."""
    for name in (JSON, ARRAYS):
        if not (folder / name).is_file():
            raise IntegrityError(f"{folder / name} is missing. Restore the folder, or run again.", where=str(folder))
    try:
        arrays = _arrays((folder / ARRAYS).read_bytes())
        return dict(_with_arrays(read_json(folder / JSON), arrays))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(
            f"{folder / ARRAYS} is damaged: {error}. Restore the folder, or run again.", where=str(folder)
        ) from error


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    """What safetensors wrote, read here, so that predict.py needs no library for it.

    The format: length of the header (8 bytes), the header as JSON {name: {dtype, shape, data_offsets}}, the numbers.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    arrays, used = {}, 0
    for name, facts in header.items():
        if name == "__metadata__":
            continue
        first, last = facts["data_offsets"]
        arrays[name] = np.frombuffer(content[start + first : start + last], DTYPES[facts["dtype"]]).reshape(
            facts["shape"]
        )
        used = max(used, last)
    if start + used != len(content):
        raise ValueError(f"it holds {len(content)} bytes instead of {start + used}")
    return arrays


def _without_arrays(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        arrays[path] = np.array(value, order="C")
        return {MARK: path}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        wrong = [key for key in value if not isinstance(key, str) or key == MARK]
        if wrong:
            raise FeilunError(f"{path}: key {wrong[0]!r} cannot be saved; keys are texts other than {MARK}.")
        return {key: _without_arrays(item, f"{path}/{json.dumps(key)}", arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(item, f"{path}/{place}", arrays) for place, item in enumerate(value)]
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and np.isfinite(value)):
        return value
    raise FeilunError(f"{path}: {value!r} ({type(value).__name__}) is neither a JSON value nor an array.")


def _with_arrays(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if set(value) == {MARK}:
            return arrays[value[MARK]]
        return {key: _with_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, arrays) for item in value]
    return value
