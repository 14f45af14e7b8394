"""The compiled kernel gives what torch's operators give, and steps aside for everything but plain eager work."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from feilun.parts.ops import compiled, fused_convolution
from feilun.parts.ops.fused_convolution import convolved, plain

COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ here: the kernel cannot be compiled")
# images, channels, height, width, outputs, kernel, padding, pool
SHAPES = [
    (3, 1, 28, 28, 32, 3, 0, 2),  # the usual: everything known while compiling
    (33, 1, 9, 8, 20, 3, 1, 2),  # more images than chunks; lanes left over
    (2, 3, 17, 13, 50, 3, 1, 2),  # rows and columns that no window takes
    (2, 2, 12, 11, 6, 5, 2, 2),
    (2, 5, 9, 12, 17, 1, 0, 1),  # neither neighbours nor pooling
    (3, 18, 10, 11, 16, 2, 1, 3),
    (1, 4, 16, 16, 3, 4, 3, 3),  # more padding than half a kernel
    (2, 1, 7, 7, 1, 7, 0, 1),  # one pixel left
]
PAIRS = [(dtype, pooling) for dtype in (torch.float64, torch.float32) for pooling in ("max", "average")]


def _draw(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> list[Tensor]:
    images, channels, height, width, outputs, kernel, *_ = shape
    drawn = torch.Generator().manual_seed(0)
    sizes = ((images, channels, height, width), (outputs, channels, kernel, kernel), (outputs,))
    return [torch.randn(size, dtype=dtype, generator=drawn).requires_grad_() for size in sizes]


def _all(call: Any, tensors: list[Tensor], **options: Any) -> list[Tensor]:
    """Values and the gradients of the three inputs, for an uneven gradient of the output."""
    made = call(*tensors, **options)
    given = torch.linspace(-1, 2, made.numel(), dtype=made.dtype).reshape(made.shape)
    return [made, *torch.autograd.grad(made, tensors, given)]


def _fell_back(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts calls of torch's operators."""
    calls: list[int] = []

    def counted(*tensors: Any, **options: Any) -> Tensor:
        calls.append(1)
        return plain(*tensors, **options)

    monkeypatch.setattr(fused_convolution, "plain", counted)
    return calls


@COMPILER
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "pooling"), PAIRS)
def test_values_and_gradients_are_those_of_torch(
    shape: tuple[int, ...], dtype: torch.dtype, pooling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors, options = _draw(shape, dtype), {"padding": shape[6], "pool": shape[7], "pooling": pooling}
    expected = _all(plain, tensors, **options)
    calls = _fell_back(monkeypatch)
    made = _all(convolved, tensors, **options)
    assert not calls, "torch's operators were compared with themselves"
    # Sums of some hundred products in another order: a few hundred roundings of the type.
    tolerance = 1e-8 if dtype == torch.float64 else 1e-5
    for ours, theirs in zip(made, expected, strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= tolerance * max(1, theirs.abs().max())
    with torch.no_grad():
        assert torch.equal(convolved(*tensors, **options), made[0])


@COMPILER
def test_not_a_number_comes_through_as_in_torch() -> None:
    pictures, weight, bias = _draw(SHAPES[1])
    with torch.no_grad():
        pictures[0, 0, 3, 3] = torch.nan
        pictures[1, 0, 0, 0] = torch.inf
        assert torch.equal(
            convolved(pictures, weight, bias).isnan(),
            plain(pictures, weight, bias, padding=0, pool=2, pooling="max").isnan(),
        )


@COMPILER
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_the_same_to_the_bit_for_any_number_of_threads(pooling: str) -> None:
    tensors, before = _draw(SHAPES[1], torch.float32), torch.get_num_threads()
    made = []
    try:
        for threads in (1, 2, 3, 2):
            torch.set_num_threads(threads)
            made.append(_all(convolved, tensors, padding=1, pooling=pooling))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for one in made[1:] for a, b in zip(made[0], one, strict=True))


@COMPILER
def test_any_layout_in_memory_will_do() -> None:
    pictures, weight, bias = _draw(SHAPES[2])
    expected = _all(convolved, [pictures, weight, bias])
    layout = [one.detach().to(memory_format=torch.channels_last).requires_grad_() for one in (pictures, weight)]
    assert all(torch.equal(a, b) for a, b in zip(expected, _all(convolved, [*layout, bias]), strict=True))
    # A gradient whose strides are 0, as sum() gives it.
    first, second = (
        torch.autograd.grad(call(pictures, weight, bias, padding=0, pool=2, pooling="max").sum(), weight)[0]
        for call in (convolved, plain)
    )
    assert torch.allclose(first, second)


@COMPILER
def test_gradients_are_made_only_where_asked() -> None:
    pictures, weight, bias = _draw(SHAPES[2])
    made = convolved(pictures.detach(), weight, bias.detach())
    made.sum().backward()
    assert pictures.grad is None and bias.grad is None and weight.grad is not None
    assert not convolved(pictures.detach(), weight.detach(), bias.detach()).requires_grad


@COMPILER
def test_autocast_changes_nothing() -> None:
    tensors = [one.detach().float().requires_grad_() for one in _draw(SHAPES[1])]
    with torch.autocast("cpu", torch.bfloat16):
        made = _all(convolved, tensors)
    assert all(torch.equal(a, b) for a, b in zip(made, _all(convolved, tensors), strict=True))


@COMPILER
def test_a_gradient_of_the_gradient_is_right() -> None:
    tensors = _draw((2, 2, 6, 6, 3, 3, 1, 2))
    found = []
    for call in (convolved, plain):
        made = call(*tensors, padding=1, pool=2, pooling="average")
        slopes = torch.autograd.grad(made.square().sum(), tensors, create_graph=True)
        found.append(torch.autograd.grad(sum(one.square().sum() for one in slopes), tensors))
    assert all(torch.allclose(a, b) for a, b in zip(*found, strict=True))


def _under_vmap(tensors: list[Tensor]) -> Tensor:
    return torch.func.vmap(lambda one: convolved(one.unsqueeze(0), *tensors[1:]))(tensors[0])


def _under_grad(tensors: list[Tensor]) -> Tensor:
    return torch.func.grad(lambda weight: convolved(tensors[0], weight, tensors[2]).sum())(tensors[1])


def _forward_derivative(tensors: list[Tensor]) -> Tensor:
    from torch.autograd import forward_ad

    with forward_ad.dual_level():
        dual = forward_ad.make_dual(tensors[1].detach(), torch.ones_like(tensors[1]))
        return forward_ad.unpack_dual(convolved(tensors[0].detach(), dual, tensors[2].detach())).tangent


def _traced(tensors: list[Tensor]) -> Tensor:
    pictures, *held = (one.detach() for one in tensors)
    return torch.jit.trace(lambda one: convolved(one, *held), pictures)(pictures)


def _counted(tensors: list[Tensor]) -> Tensor:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        made = convolved(*tensors)
    assert counter.get_total_flops() > 0
    return made


def _fewer_bits(tensors: list[Tensor]) -> Tensor:
    return convolved(*(one.bfloat16() for one in tensors))


def _nowhere(tensors: list[Tensor]) -> Tensor:
    return convolved(*(one.to("meta") for one in tensors))


OTHERS = (_under_vmap, _under_grad, _forward_derivative, _traced, _counted, _fewer_bits, _nowhere)


@pytest.mark.parametrize("work", OTHERS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_everything_else_is_left_to_torch(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _fell_back(monkeypatch)
    work(_draw(SHAPES[1]))
    assert calls


def test_the_switch_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEILUN_KERNELS", "0")
    calls = _fell_back(monkeypatch)
    convolved(*_draw(SHAPES[1]))
    assert calls


@pytest.mark.parametrize("trouble", ["no compiler", "a compiler that fails", "a folder that cannot be made"])
def test_without_a_compiler_nothing_is_said(trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("FEILUN_CACHE", str(tmp_path / "file" if "folder" in trouble else tmp_path))
    if "compiler" in trouble:
        monkeypatch.setenv("CXX", "no-such-compiler" if trouble == "no compiler" else "false")
    source = tmp_path / "twice.cpp"
    source.write_text('extern "C" int twice(int x) { return 2 * x; }\n', encoding="utf-8")
    assert compiled.library(source) is None
    assert not list(tmp_path.glob("kernels/*"))


@COMPILER
def test_a_library_is_compiled_once_and_again_when_its_source_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEILUN_CACHE", str(tmp_path))
    for factor in (2, 3):
        source = tmp_path / f"{factor}" / "times.cpp"
        source.parent.mkdir()
        source.write_text(f'extern "C" int times(int x) {{ return {factor} * x; }}\n', encoding="utf-8")
        made: Any = compiled.library(source)
        assert made.times(5) == 5 * factor
        assert compiled.library(source) is made
    assert len(list((tmp_path / "kernels").iterdir())) == 2
