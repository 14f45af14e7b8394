"""Where the time of a training goes: some steps timed part by part, some more traced, the outcome in plain words."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule

TRACE = "trace.json.gz"  # Chrome's format: chrome://tracing, ui.perfetto.dev
STEPS, WARM = 20, 5  # that are timed, and as many again traced; before them, steps that are not typical yet
PARTS = ("data", "forward", "backward", "optimizer")  # of a step; what else it does is "rest", between steps "waiting"
TOGETHER = "together"  # the sums of several processes
NOTHING: AbstractContextManager[None] = nullcontext()
SHOWN = 3  # operators
MUCH, MOST = 0.3, 0.4  # shares of the time from which on something is worth a remark
# What people call PyTorch's operators; others go by their own name.
PLAIN = {
    "matrix product": ("mm", "addmm", "bmm", "baddbmm", "_addmm_activation"),
    "convolution": ("mkldnn_convolution", "_slow_conv2d_forward", "cudnn_convolution", "slow_conv_transpose2d"),
    "convolution, backward": ("convolution_backward", "_slow_conv2d_backward"),
    "attention": ("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention"),
    "attention, backward": ("_scaled_dot_product_flash_attention_for_cpu_backward",),
    "recurrent layer": ("mkldnn_rnn_layer", "lstm", "gru", "_thnn_fused_lstm_cell"),
    "recurrent layer, backward": ("mkldnn_rnn_layer_backward",),
    "max-pooling": ("max_pool2d_with_indices",),
    "max-pooling, backward": ("max_pool2d_with_indices_backward",),
    "resampling of pictures": ("grid_sampler_2d", "affine_grid_generator"),
    "gathering of rows": ("index_select", "index", "gather"),
    "the optimizer's update": ("_fused_adamw_", "_fused_adam_", "_fused_sgd_", "_foreach_add_", "_foreach_mul_"),
    "copying": ("copy_", "cat", "clone"),
}


class Profile:
    """Nothing unless asked. A class because its phase and sums live between steps: warm, timed, traced, done."""

    def __init__(self, wanted: bool, device: torch.device) -> None:
        self.phase, self.device = "warm" if wanted else "", device
        self.seconds: dict[str, float] = {}
        self.steps = self.warm = self.each = 0
        self.folder: Path | None = None
        self.tracer: profile | None = None

    @contextmanager
    def over(self, left: int, folder: Path | None) -> Iterator[None]:
        """Measure what is inside. left: steps that come; too few are not measured."""
        self.folder, self.warm = folder, min(WARM, left // 5)
        self.each = min(STEPS, (left - self.warm - 1) // 2)
        if self.each < 1:
            self.phase = ""
        elif not self.warm:
            self.phase = self.phase and "timed"
        try:
            yield
        finally:
            self._stop_tracing()

    def part(self, name: str) -> AbstractContextManager[Any]:
        """What is inside belongs to this part: "step" or "waiting", and within a step one of PARTS."""
        if not self.phase:
            return NOTHING
        if self.phase == "timed" or name == "waiting":
            return self._timed(name)
        return record_function(f"part: {name}") if self.phase == "traced" else NOTHING

    def stepped(self) -> None:
        """A step is done."""
        if not self.phase:
            return
        self.steps += 1
        if self.steps == self.warm + 2 * self.each + 1:
            self._stop_tracing()
        elif self.tracer is not None and self.phase == "traced":
            self.tracer.step()
        elif self.steps == self.warm:
            self.phase = "timed"
        elif self.steps == self.warm + self.each:
            self._start_tracing()

    def result(self) -> dict[str, Any] | None:
        """{shares: {part: share of the training's time}, step_ms, steps, operators: [[name, share]], words: sentences}.

        shares: of PARTS, "rest" (of a step) and "waiting" (validation, checkpoints, curves). words: shares, operators,
        advice. None: nothing was measured.
        """
        if "step" not in self.seconds or self.tracer is None:
            return None
        step_s = self.seconds["step"] / self.each
        whole_s = step_s * self.steps + self.seconds.get("waiting", 0.0)
        inside = {part: self.seconds.get(part, 0.0) / self.each for part in PARTS}
        together = self.seconds.get(TOGETHER, 0.0) / self.each  # within a step, and yet waiting
        inside["rest"] = max(0.0, step_s - sum(inside.values()) - together)
        shares = {part: round(seconds * self.steps / whole_s, 4) for part, seconds in inside.items()}
        shares["waiting"] = round((self.seconds.get("waiting", 0.0) + together * self.steps) / whole_s, 4)
        operators = _operators(self.tracer, self.device)
        found = {"shares": shares, "step_ms": round(step_s * 1000, 3), "steps": self.each, "operators": operators}
        return {**found, "words": [_shares(found), _dearest(operators), advice(shares)]}

    def _start_tracing(self) -> None:
        """One step more than is kept: the first one's operators carry what starting costs."""
        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self.device.type == "cuda" else [])]
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it writes lines of its own to standard error
        cycle = schedule(wait=0, warmup=1, active=self.each, repeat=1)
        self.tracer = profile(activities=kinds, schedule=cycle, acc_events=True)  # without, it warns of their loss
        self.tracer.start()
        self.phase = "traced"  # what has not begun must not be stopped: on a GPU that ends the process

    def _stop_tracing(self) -> None:
        if self.phase == "traced" and self.tracer is not None:
            self.tracer.stop()
            if self.folder is not None:
                self.tracer.export_chrome_trace(str(self.folder / TRACE))
        self.phase = "done" if self.phase else ""

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def advice(shares: Mapping[str, float]) -> str:
    """One sentence: what would save most."""
    if shares["data"] >= MOST:
        return "Batches are the bottleneck: smaller pictures, shorter texts or less augmentation would save most."
    if shares["waiting"] >= MUCH:
        return "Fewer validation rows (data.split) or rarer checkpoints (train.checkpoint_s) would save most."
    if shares["optimizer"] + shares["rest"] >= MOST:
        return "Steps are short: a larger train.batch_size spreads what every step costs over more rows."
    return "The network itself takes the time, as it should: a smaller one or fewer epochs would save most."


def _operators(tracer: profile, device: torch.device) -> list[list[Any]]:
    """[[name, share of all operators' own time]], the costliest first."""
    named = {operator: plain for plain, operators in PLAIN.items() for operator in operators}
    spent: dict[str, float] = {}
    for event in tracer.key_averages():
        if "::" in event.key:
            own = event.key.partition("::")[2]
            time_us = event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
            spent[named.get(own, own)] = spent.get(named.get(own, own), 0.0) + time_us
    whole = sum(spent.values()) or 1.0
    return [[name, round(spent[name] / whole, 4)] for name in sorted(spent, key=lambda one: -spent[one])[:SHOWN]]


def _shares(found: Mapping[str, Any]) -> str:
    said = {part: f"{100 * share:.0f} %" for part, share in found["shares"].items()}
    return (
        "Of the training's time {data} went into data, {forward} into forward, {backward} into backward, {optimizer} "
        "into the optimizer, {waiting} into waiting (validation, checkpoints, curves) and {rest} into the rest; "
        "a step took {step_ms:.3g} ms."
    ).format(**said, step_ms=found["step_ms"])


def _dearest(operators: list[list[Any]]) -> str:
    return f"Costliest operators: {', '.join(f'{name} ({100 * share:.0f} %)' for name, share in operators)}."
