"""An int8 variant of a graph: weights as 8-bit integers, and what became of it said in words."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from feilun.stages.optimization import blocks

if TYPE_CHECKING:
    from feilun.core.protocols import Runner

Inputs = Mapping[str, np.ndarray]
OTHERS = {"Gemm", "Conv", "LSTM"}
KINDS = {"MatMul", "Gather"} | OTHERS  # operators whose weights can be 8-bit integers
CALIBRATION_CALLS = 8  # calls of a graph whose inputs are kept to measure the range of its values


def quantize(source: Path, target: Path, calls: Sequence[Inputs], *, few_rows: bool = False) -> dict[str, str]:
    """Write the int8 graph. Returns `{"how": "dynamic" | "static" | "blocks"}`, or `{"why_not": reason}` and no file.

    Convolutions are quantised statically (ranges measured on `calls`, inputs this graph met on validation rows): with
    ranges found anew at each call they ran 1.7 times slower than float32. Everything else dynamically. One bit of the
    weights is left unused, so that older processors, whose 8-bit sums overflow, give the same answers.
    few_rows: a call multiplies a few rows only, such as the next token of each text: matrices in blocks, see `blocks`.
    """
    kinds = {node.op_type for node in onnx.load(str(source)).graph.node}
    if not kinds & KINDS:
        return {"why_not": "it has no weights of a kind that can be 8-bit integers"}
    static = "Conv" in kinds
    if static and not calls:
        return {"why_not": "there were no validation rows to measure the range of its values on"}
    try:
        with _quiet(), TemporaryDirectory() as folder:
            # Folding constants uncovers weights that hide behind a transpose: attention comes out half as large.
            folded = Path(folder) / "folded.onnx"
            quant_pre_process(str(source), str(folded), skip_symbolic_shape=True)
            if few_rows and kinds & {"MatMul"} and not kinds & OTHERS and blocks.quantize(folded, target):
                return {"how": "blocks"}
            _static(folded, target, calls) if static else _dynamic(folded, target)
    except Exception as error:  # the quantiser raises whatever its passes meet
        target.unlink(missing_ok=True)
        return {"why_not": f"onnxruntime could not: {type(error).__name__}: {str(error)[:200]}"}
    return {"how": "static" if static else "dynamic"}


class Recorder:
    """A core.protocols.Runner that keeps the inputs of the first calls of each graph."""

    def __init__(self, run: Runner) -> None:
        self._run = run
        self.calls: dict[str, list[Inputs]] = {}

    def __call__(self, graph: str, /, *wanted: str, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        kept = self.calls.setdefault(graph, [])
        if len(kept) < CALIBRATION_CALLS:
            kept.append(arrays)
        return self._run(graph, *wanted, **arrays)


def _dynamic(source: Path, target: Path) -> None:
    quantize_dynamic(str(source), str(target), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)


def _static(source: Path, target: Path, calls: Sequence[Inputs]) -> None:
    inputs = [value.name for value in onnx.load(str(source)).graph.input]
    quantize_static(
        str(source),
        str(target),
        _Calls([{name: call[name] for name in inputs} for call in calls]),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


class _Calls(CalibrationDataReader):  # type: ignore[misc]
    """The form in which onnxruntime asks for inputs."""

    def __init__(self, calls: Sequence[Inputs]) -> None:
        self._rest = iter(calls)

    def get_next(self) -> Any:
        return next(self._rest, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantiser's advice on the root logger; what it advises about is measured afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
