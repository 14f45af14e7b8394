"""Reported: the compiled convolution + ReLU + pooling beside torch's operators, forward and backward, by shape.

python benchmarks/fused_convolution.py [--runs 9]

What `fused_convolution.pays` says was read off here. Both sides alternate in one process with two threads; gradients of
the pictures are asked for from the second layer on, as in training. The null control is torch's operators again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import record
from feilun.parts.ops import fused_convolution

# images, channels, side, outputs, kernel, padding
SHAPES = (
    (256, 1, 28, 32, 3, 0),
    (256, 1, 28, 6, 5, 2),
    (64, 3, 64, 24, 3, 1),
    (64, 8, 32, 16, 3, 1),
    (64, 16, 32, 32, 3, 1),
    (64, 32, 16, 64, 3, 1),
)


def measure(shape: tuple[int, ...], pooling: str, runs: int) -> dict[str, Any]:
    """One line of the table."""
    images, channels, side, outputs, kernel, padding = shape
    torch.default_generator.manual_seed(0)
    pictures = torch.rand(images, channels, side, side, requires_grad=channels > 3)
    weight = torch.randn(outputs, channels, kernel, kernel, requires_grad=True)
    tensors = (pictures, weight, torch.zeros(outputs, requires_grad=True))
    options = {"padding": padding, "pool": 2, "pooling": pooling}
    calls = (fused_convolution.plain, fused_convolution.convolved, fused_convolution.plain)
    times: list[list[float]] = [[], [], []]
    for run in range(runs + 1):  # the first does not count
        for call, into in zip(calls, times, strict=True):
            took = _once(call, tensors, options)
            into += [took * 1e3] if run else []
    stock, ours, again = times
    what = f"{images} x {channels} x {side} x {side} to {outputs}, kernel {kernel}, padding {padding}, {pooling}"
    one = record.line(
        f"convolution + ReLU + pooling, forward and backward: {what}",
        ours,
        stock,
        unit="ms, less is better",
        target="reported",
        met=None,
    )
    one["null_ratio"] = round(sorted(a / b for a, b in zip(again, stock, strict=True))[runs // 2], 3)
    return {**one, "chosen": fused_convolution.pays(channels, pooling)}


def _once(call: Callable[..., Tensor], tensors: tuple[Tensor, ...], options: dict[str, Any]) -> float:
    started = time.perf_counter()
    call(*tensors, **options).sum().backward()  # type: ignore[no-untyped-call]
    took = time.perf_counter() - started
    for tensor in tensors:
        tensor.grad = None
    return took


def main(arguments: list[str]) -> int:
    """Print the table and write benchmarks/results/fused_convolution.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=9)
    given = parser.parse_args(arguments)
    torch.set_num_threads(2)
    lines = [measure(shape, pooling, given.runs) for shape in SHAPES for pooling in ("max", "average")]
    print(f"{'claim':112} {'ours':>7} {'torch':>7} {'ratio':>6} {'null':>6} chosen")
    for one in lines:
        cells = f"{one['ours']:7} {one['peer']:7} {one['ratio_median']:6} {one['null_ratio']:6} {one['chosen']}"
        print(f"{one['claim']:112} {cells}")
    record.write("fused_convolution", lines)
    return record.status(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
