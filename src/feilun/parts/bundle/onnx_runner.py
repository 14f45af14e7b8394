"""Runs a bundle's graphs with onnxruntime; the same call as the torch runner."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from feilun.core.errors import FeilunError, InputError, IntegrityError
from feilun.parts.ops import deadline

FP32, INT8 = "fp32", "int8"
# Waiting threads look for work for 50 microseconds within a call, then sleep, since a server shares its cores with
# others: a step of a small decoder is hundreds of short operators (docs/decisions/0009).
WAITING = {"intra_op.allow_spinning": "1", "intra_op.spin_duration_us": "50", "force_spinning_stop": "1"}
SUFFIX = {FP32: ".onnx", INT8: ".int8.onnx"}


class OnnxRunner:
    """A core.protocols.Runner over onnxruntime: `run(graph, **arrays) -> {output: ndarray}`.

    manifest: `{"graphs": {graph: ...}, "files": {path: {"sha256"}}, "variant": the chosen one}`; the very bytes that
    become a session are verified.  variant: fp32 or int8; a graph without an int8 file runs as fp32.  threads: per
    operation; None: all cores.  Several threads may call one runner.  Arrays that a graph does not have are left out.
    """

    def __init__(
        self, folder: Path, manifest: Mapping[str, Any], variant: str | None = None, threads: int | None = None
    ) -> None:
        self.variant = variant or str(manifest.get("variant", FP32))
        paths = graph_files(manifest, self.variant)
        made = {graph: _session(graph, _verified(folder, path, manifest), threads) for graph, path in paths.items()}
        self._sessions = made
        self._inputs = {graph: [item.name for item in session.get_inputs()] for graph, session in made.items()}
        self._outputs = {graph: [item.name for item in session.get_outputs()] for graph, session in made.items()}

    def __call__(self, graph: str, /, *wanted: str, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name. Raises FeilunError for an unknown graph or a missing input, InputError for a wrong shape,
        OverError where nobody waits any longer."""
        deadline.check()
        if graph not in self._sessions:
            there = ", ".join(self._sessions)
            raise FeilunError(f"There is no graph {graph!r}. There are: {there}.", got=graph, expected=there)
        missing = [name for name in self._inputs[graph] if name not in arrays]
        if missing:
            raise FeilunError(f"Graph {graph!r} needs {', '.join(missing)}; given were {', '.join(arrays)}.")
        outputs = list(wanted) or self._outputs[graph]
        feed = {name: arrays[name] for name in self._inputs[graph]}
        try:
            values = self._sessions[graph].run(outputs, feed)
        except Exception as error:  # onnxruntime raises its own classes, one per status code
            shapes = {name: f"{value.dtype}{list(value.shape)}" for name, value in feed.items()}
            raise InputError(f"Graph {graph!r} cannot take {shapes}: {error}", where=graph, got=str(shapes)) from error
        return dict(zip(outputs, values, strict=True))


def graph_files(manifest: Mapping[str, Any], variant: str) -> dict[str, str]:
    """{graph: path in the folder} of a variant. Raises InputError if no graph has it."""
    plain = {graph: f"graphs/{graph}{SUFFIX[FP32]}" for graph in manifest["graphs"]}
    if variant == FP32:
        return plain
    small = {graph: f"graphs/{graph}{SUFFIX.get(variant, '')}" for graph in plain}
    there = {graph: path for graph, path in small.items() if path in manifest["files"]}
    if variant not in SUFFIX or not there:
        raise InputError(
            f"There is no variant {variant!r} of this model.",
            where="variant",
            got=variant,
            expected=FP32,
            fix="leave the variant out to take the chosen one",
        )
    return {**plain, **there}


def _verified(folder: Path, path: str, manifest: Mapping[str, Any]) -> bytes:
    try:
        content = (folder / path).read_bytes()
        expected = manifest["files"][path]["sha256"]
    except (OSError, KeyError) as error:
        raise IntegrityError(f"{folder / path} is missing, or the manifest does not list it.", where=path) from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise IntegrityError(
            f"{folder / path} is not what was written (SHA-256 differs). Restore it from a copy, or run again.",
            where=path,
            expected=str(expected),
            fix="restore the folder, or run again",
        )
    return content


def _session(graph: str, model: bytes, threads: int | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised; they need not be printed as well
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    for name, value in WAITING.items():
        options.add_session_config_entry(f"session.{name}", value)
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own classes, one per status code
        raise IntegrityError(
            f"onnxruntime {onnxruntime.__version__} cannot load graph {graph!r}: {error}",
            where=graph,
            fix="run the recipe again with this version of onnxruntime, or install the one in the bundle's manifest",
        ) from error
