"""Optimization: the trained network as checked ONNX graphs, smaller where asked, every variant measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.manifest import hash_files, read_json, write_json
from feilun.core.work import Made, Work
from feilun.parts.bundle import state as states
from feilun.parts.bundle.answering import answer_rows, by_row, input_features
from feilun.parts.bundle.onnx_runner import FP32, INT8, OnnxRunner
from feilun.parts.dataset import Table
from feilun.parts.metrics.wording import full, shown, title
from feilun.parts.ops.ragged import Ragged

if TYPE_CHECKING:
    from feilun.core.task import Graph, Json, Rows, State

USES = ("task", "seed", "inputs", "target", "model", "evaluate", "optimize")
CODE = ("features", "models")
LOOKED_AT = 512  # training rows among which the shortest and the longest are sought
WRITES = "step"  # the graph of every task that writes: a token of each text a call
CALIBRATION = 256  # validation rows on which the range of values is measured


def make(work: Work) -> Made:
    """graphs/*.onnx, graphs/*.int8.onnx and variants.json."""
    from feilun.stages.optimization import exporting

    table = Table.open(work.before["data"])
    graphs, shapes = _graphs(work, table)
    (work.folder / "graphs").mkdir(exist_ok=True)
    for name, graph in graphs.items():
        work.say.progress("optimization", doing=f"exporting {name}")
        exporting.export(graph, exporting.path_of(work.folder, name))
    gaps = exporting.check(work.folder, shapes)
    state = states.load(work.before["evaluation"])
    described = {
        name: {**exporting.signature(graph), "largest_difference": gaps[name], "int8": {}}
        for name, graph in graphs.items()
    }
    if work.recipe.optimize.quantize == INT8:
        _quantized(work, table, state, described)
    found = {**_measured(work, table, state, graphs, described), "graphs": described}
    write_json(work.folder / "variants.json", found)
    for line in _table(found):
        work.say.line(line)
    return Made(
        scores={name: item["score"] for name, item in found["variants"].items()},
        facts={key: found[key] for key in ("chosen", "why")} | {"variants": sorted(found["variants"])},
    )


def choose(validation: Mapping[str, Mapping[str, Any]], tolerance: float) -> tuple[str, str]:
    """(variant, why), from scores on validation rows {variant: {value, better}}; test rows decide nothing."""
    if INT8 not in validation:
        return FP32, "There is no int8 variant."
    fp32, int8 = (np.nan if one is None else one for one in (validation[name]["value"] for name in (FP32, INT8)))
    fall = fp32 - int8 if validation[FP32]["better"] == "higher" else int8 - fp32
    unit = str(validation[FP32].get("unit", ""))
    by = shown(abs(fall), "points" if unit == "%" else unit)
    moved = f"int8 is {by} {'worse' if fall > 0 else 'better'} on validation rows" if fall else "int8 scores the same"
    if tolerance <= 0:
        return FP32, f"{FP32} is served: optimize.tolerance is 0 ({moved})."
    if not fall <= tolerance:  # NaN is no reason to serve
        return FP32, f"{FP32} is served: {moved}, more than optimize.tolerance {tolerance:g}."
    return INT8, f"{INT8} is served: {moved}, within optimize.tolerance {tolerance:g}."


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows:
    """Rows of a split to be answered, with their truths."""

    rows: Rows
    truths: list[Json]


def _graphs(work: Work, table: Table) -> tuple[dict[str, Graph], list[dict[str, Graph]]]:
    """The graphs to export, on two rows; and the same on one short row, three long ones, and seven of all lengths."""
    from feilun.parts.engine import trained

    task, recipe = work.task, work.recipe
    networks = trained.networks(task, recipe, table.features, work.before["training"])
    rows = _by_length(table)
    middle = len(rows) // 2
    picks = [rows[:1], rows[-3:], rows[:: max(1, len(rows) // 7)][:7]]

    def made(index: np.ndarray) -> dict[str, Graph]:
        return task.graphs(networks, trained.batch(task, recipe, table.arrays, index))

    return made(rows[middle : middle + 2]), [made(pick) for pick in picks]


def _by_length(table: Table) -> np.ndarray:
    """Training rows, those with the fewest tokens first."""
    rows = np.asarray(table.index("train"))[:LOOKED_AT]
    total = np.zeros(len(rows), np.int64)
    for array in table.arrays.values():
        if isinstance(array, Ragged):
            total += array.offsets[rows + 1] - array.offsets[rows]
    return rows[np.argsort(total, kind="stable")]


def _quantized(work: Work, table: Table, state: State, described: dict[str, Any]) -> None:
    """Write the int8 graphs; into each graph's description goes how, or why not."""
    from feilun.stages.optimization import exporting, quantizing

    work.say.progress("optimization", doing="quantizing")
    recorder = quantizing.Recorder(_runner(work, described, FP32))
    rows = table.columns("validation", limit=CALIBRATION)
    answer_rows(
        work.task, recorder, table.features, state, rows, batch_size=CALIBRATION // quantizing.CALIBRATION_CALLS
    )
    for name, facts in described.items():
        source, target = (exporting.path_of(work.folder, name, variant) for variant in (FP32, INT8))
        calls = recorder.calls.get(name, [])
        facts["int8"] = quantizing.quantize(source, target, calls, few_rows=name == WRITES)


def _runner(work: Work, described: Mapping[str, Any], variant: str) -> OnnxRunner:
    facts = {"graphs": described, "files": hash_files(work.folder)}
    return OnnxRunner(work.folder, facts, variant, work.recipe.train.threads)


def _measured(
    work: Work, table: Table, state: State, graphs: dict[str, Graph], described: Mapping[str, Any]
) -> dict[str, Any]:
    """Size, time and score of torch, fp32 and, if any graph has it, int8; and which of the two is served."""
    from feilun.parts.engine.runner import TorchRunner
    from feilun.stages.optimization import measuring

    task, recipe = work.task, work.recipe
    main = read_json(work.before["evaluation"] / "scores.json")["main"]
    test, validation = (_rows(work, table, split) for split in ("test", "validation"))
    single = by_row({column: test.rows[column][:64] for column in _columns(work, table)})
    runners: dict[str, Any] = {"torch": TorchRunner(graphs), FP32: _runner(work, described, FP32)}
    if any(facts["int8"].get("how") for facts in described.values()):
        runners[INT8] = _runner(work, described, INT8)
    found: dict[str, Any] = {}
    values: dict[str, Any] = {}
    reference: list[Json] = []
    for name, run in runners.items():
        work.say.progress("optimization", doing=f"measuring {name}")
        answer = measuring.answering(task, run, table.features, state, judged=True)
        asked = measuring.answering(task, run, table.features, state)
        answers = answer(test.rows)
        reference = reference or answers
        found[name] = {
            "size_bytes": _size(work, name, described),
            **measuring.latency(asked, single),
            "score": measuring.score(task, recipe, main, answers, test.truths, test.rows),
            "agreement": measuring.agreement(answers, reference),
        }
        if name != "torch" and validation.truths:
            values[name] = measuring.score(
                task, recipe, main, answer(validation.rows), validation.truths, validation.rows
            )
            found[name]["validation"] = values[name]["value"]
    chosen, why = choose(values, recipe.optimize.tolerance)
    if chosen == INT8 and found[INT8]["size_bytes"] >= found[FP32]["size_bytes"]:
        chosen, why = FP32, f"{FP32} is served: a graph this small grows by becoming int8."
    return {"chosen": chosen, "why": f"{why}{_why_not(described)}", "score": main, "variants": found}


def _rows(work: Work, table: Table, split: str) -> _Rows:
    rows = table.columns(split)
    return _Rows(rows=rows, truths=[work.task.truth(row, work.recipe) for row in by_row(rows)])


def _columns(work: Work, table: Table) -> tuple[str, ...]:
    """The columns a request has to bring."""
    inputs = input_features(work.task, table.features)
    return tuple(dict.fromkeys(column for feature in inputs.values() for column in feature.columns))


def _size(work: Work, variant: str, described: Mapping[str, Any]) -> int:
    """Bytes on disk of what a variant needs."""
    from feilun.stages.optimization import exporting

    if variant == "torch":
        return (work.before["training"] / "weights.safetensors").stat().st_size
    paths = [exporting.path_of(work.folder, name, variant) for name in described]
    plain = [exporting.path_of(work.folder, name) for name in described]
    return sum((path if path.is_file() else other).stat().st_size for path, other in zip(paths, plain, strict=True))


def _why_not(described: Mapping[str, Any]) -> str:
    reasons = [
        f" {name} stays fp32: {facts['int8']['why_not']}."
        for name, facts in described.items()
        if "why_not" in facts["int8"]
    ]
    return "".join(reasons)


def _table(found: Mapping[str, Any]) -> list[str]:
    """The lines that the terminal shows."""
    lines = []
    for name, item in found["variants"].items():
        served = "  served" if name == found["chosen"] else ""
        size, row, batch = item["size_bytes"] / 1e6, item["row_ms"], item["batch_row_ms"]
        lines.append(
            f"  {name:<5}  {size:8.2f} MB  {row:8.3f} ms a row, {batch:.3f} in 32  {full(item['score'])}{served}"
        )
    return [f"{title(found['score'])} and cost of {len(lines)} ways to serve it", *lines]
