"""Convolution, ReLU and pooling in one step: compiled where plain training runs on a CPU, else torch's operators."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional

from feilun.parts.ops import compiled

SOURCE = Path(__file__).with_suffix(".cpp")
NAMES = {torch.float32: "float", torch.float64: "double"}
MOST_CHANNELS = {"max": 8, "average": 4}  # read by the convolution; beyond, torch's is faster
LARGEST_POOL = 15  # the winner of a window is kept in a byte


class Shape(ctypes.Structure):
    """As in the C++ file."""

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in (
            *("images", "channels", "height", "width", "outputs"),
            *("kernel", "padding", "pool", "maximum", "threads"),
        )
    )


def convolved(
    pictures: Tensor, weight: Tensor, bias: Tensor | None, *, padding: int = 0, pool: int = 2, pooling: str = "max"
) -> Tensor:
    """Pooled ReLU of a convolution: (B, channels, H, W) -> (B, outputs, H', W'), H' = (H + 2 padding - k + 1) // pool.

    weight: (outputs, channels, k, k), stride 1.  pooling: max or average, over windows of pool x pool side by side.
    Values and gradients are those of `plain` up to rounding, and the same to the bit for any number of threads. The
    kernel is for float32 and float64 in eager mode, and stays in them under autocast; everywhere else this is `plain`.
    """
    if bias is None or not _fits(pictures, weight, bias, padding, pool):
        return plain(pictures, weight, bias, padding=padding, pool=pool, pooling=pooling)
    if torch.is_grad_enabled() and (pictures.requires_grad or weight.requires_grad or bias.requires_grad):
        made: Tensor = _Convolved.apply(pictures, weight, bias, padding, pool, pooling)  # type: ignore[no-untyped-call]
        return made
    return _forward(pictures, weight, bias, _shape(pictures, weight, padding, pool, pooling), keep=False)[0]


def pays(channels: int, pooling: str) -> bool:
    """Whether the kernel is faster than torch's operators at this: measured by benchmarks/fused_convolution.py."""
    return channels <= MOST_CHANNELS[pooling]


def plain(pictures: Tensor, weight: Tensor, bias: Tensor | None, *, padding: int, pool: int, pooling: str) -> Tensor:
    """The same with torch's operators. Maxima are taken before ReLU: equal, and ReLU then sees a quarter of the map."""
    maps = functional.conv2d(pictures, weight, bias, padding=padding)
    if pooling == "max":
        return functional.relu(functional.max_pool2d(maps, pool))
    return functional.avg_pool2d(functional.relu(maps), pool)


class _Convolved(torch.autograd.Function):
    """The kernel with its gradient. A gradient of the gradient goes through torch's operators."""

    @staticmethod
    def forward(
        context: Any, pictures: Tensor, weight: Tensor, bias: Tensor, padding: int, pool: int, pooling: str
    ) -> Tensor:
        context.options = {"padding": padding, "pool": pool, "pooling": pooling}
        made, chosen = _forward(pictures, weight, bias, _shape(pictures, weight, padding, pool, pooling), keep=True)
        context.save_for_backward(pictures, weight, bias, chosen)
        return made

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        pictures, weight, bias, chosen = context.saved_tensors
        wanted, options = context.needs_input_grad[:3], context.options
        if torch.is_grad_enabled():  # create_graph=True
            given = [one for one, asked in zip((pictures, weight, bias), wanted, strict=True) if asked]
            made = iter(
                torch.autograd.grad(plain(pictures, weight, bias, **options), given, gradient, create_graph=True)
            )
            return (*(next(made) if asked else None for asked in wanted), None, None, None)
        to_weight, to_bias = torch.empty_like(weight, memory_format=torch.contiguous_format), torch.empty_like(bias)
        to_pictures = torch.empty_like(pictures, memory_format=torch.contiguous_format) if wanted[0] else None
        held = [one.contiguous() for one in (pictures, weight, gradient)]
        _call("backward", _shape(pictures, weight, **options), *held, chosen, to_weight, to_bias, to_pictures)
        return (to_pictures, to_weight if wanted[1] else None, to_bias if wanted[2] else None, None, None, None)


def _forward(
    pictures: Tensor, weight: Tensor, bias: Tensor, shape: Shape, *, keep: bool
) -> tuple[Tensor, Tensor | None]:
    """Pooled maps, and for the gradient which pixels came through."""
    sides = [(side + 2 * shape.padding - shape.kernel + 1) // shape.pool for side in pictures.shape[2:]]
    made = pictures.new_empty((len(pictures), len(weight), *sides))
    library: Any = compiled.library(SOURCE)
    size = getattr(library, f"marks_{NAMES[pictures.dtype]}")(ctypes.byref(shape)) if keep else 0
    chosen = torch.empty(size, dtype=torch.uint8) if keep else None
    held = [one.contiguous() for one in (pictures, weight, bias)]
    _call("forward", shape, *held, made, chosen)
    return made, chosen


def _call(what: str, shape: Shape, *tensors: Tensor | None) -> None:
    """None is a null pointer."""
    library: Any = compiled.library(SOURCE)
    pointers = [ctypes.c_void_p(None if one is None else one.data_ptr()) for one in tensors]
    getattr(library, f"{what}_{NAMES[tensors[0].dtype]}")(ctypes.byref(shape), *pointers)  # type: ignore[union-attr]


def _shape(pictures: Tensor, weight: Tensor, padding: int, pool: int, pooling: str) -> Shape:
    sizes = (*pictures.shape, len(weight), weight.shape[-1], padding, pool)
    return Shape(*sizes, pooling == "max", torch.get_num_threads())


def _fits(pictures: Tensor, weight: Tensor, bias: Tensor, padding: int, pool: int) -> bool:
    """Whether this is what the kernel is for."""
    tensors = (pictures, weight, bias)
    kinds = {(type(one) in (Tensor, torch.nn.Parameter), one.device.type, one.dtype) for one in tensors}
    if kinds not in ({(True, "cpu", dtype)} for dtype in NAMES) or pictures.ndim != 4 or not 1 <= pool <= LARGEST_POOL:
        return False
    outputs, channels, height, width = weight.shape
    least = min(pictures.shape[2:]) + 2 * padding - height + 1
    fits = channels == pictures.shape[1] and height == width and bias.shape == (outputs,)
    return fits and least >= pool and bool(len(pictures)) and _eager() and compiled.library(SOURCE) is not None


def _eager() -> bool:
    """Nothing looks on or takes part: no tracing, export, compiling, vmap, forward derivatives or mode."""
    return not (
        torch._C._get_tracing_state() is not None
        or torch.compiler.is_compiling()
        or torch.onnx.is_in_onnx_export()
        or torch._C._functorch.peek_interpreter_stack() is not None
        or torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
        or forward_ad._current_level >= 0
    )
