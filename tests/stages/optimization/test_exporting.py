"""Exported graphs keep their names, take other sizes and lengths, and a frozen one is caught."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from feilun.core.errors import FeilunError, InputError, IntegrityError
from feilun.core.manifest import hash_files
from feilun.core.task import Graph
from feilun.parts.bundle.onnx_runner import OnnxRunner
from feilun.stages.optimization import exporting, quantizing

AXES = {"评论": {0: "batch", 1: "time"}, "a.1": {0: "batch"}, "7": {0: "batch"}, "logits": {0: "batch"}}


class Reader(nn.Module):
    """Texts and two numbers in; columns are called as columns are called."""

    def __init__(self, frozen: bool = False) -> None:
        super().__init__()
        self.embed, self.gru = nn.Embedding(50, 8), nn.GRU(8, 8, batch_first=True)
        self.out, self.frozen = nn.Linear(10, 3), frozen

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        states, _ = self.gru(self.embed(batch["评论"]))
        mean = states.sum(1) / (int(states.shape[1]) if self.frozen else states.shape[1])
        return {"logits": self.out(torch.cat([mean, batch["a.1"], batch["7"]], 1))}


def graph(module: nn.Module, size: int, length: int, axes: Any = AXES) -> Graph:
    inputs = {"评论": torch.randint(0, 50, (size, length)), "a.1": torch.rand(size, 1), "7": torch.rand(size, 1)}
    return Graph(module=module, inputs=inputs, outputs=("logits",), axes=axes)


def exported(folder: Path, module: nn.Module, axes: Any = AXES) -> None:
    (folder / "graphs").mkdir()
    exporting.export(graph(module.eval(), 2, 7, axes), exporting.path_of(folder, "main"))


def runner(folder: Path, variant: str = "fp32") -> OnnxRunner:
    return OnnxRunner(folder, {"graphs": {"main": {}}, "files": hash_files(folder)}, variant, threads=1)


def test_names_shapes_and_values_are_kept(tmp_path: Path) -> None:
    module = Reader()
    exported(tmp_path, module)
    gaps = exporting.check(tmp_path, [{"main": graph(module, size, length)} for size, length in [(1, 1), (5, 31)]])
    assert 0 <= gaps["main"] < 1e-5
    got = runner(tmp_path)(
        "main",
        **{
            "评论": np.ones((4, 3), np.int64),
            "a.1": np.ones((4, 1), np.float32),
            "7": np.ones((4, 1), np.float32),
            "not used": np.ones(1),
        },
    )
    assert {name: value.shape for name, value in got.items()} == {"logits": (4, 3)}


def test_a_length_frozen_in_the_network_is_caught(tmp_path: Path) -> None:
    frozen = Reader(frozen=True)
    exported(tmp_path, frozen)
    with pytest.raises(FeilunError, match=r"'main', output 'logits'.*differs from PyTorch"):
        exporting.check(tmp_path, [{"main": graph(frozen, 2, 9)}])


def test_an_axis_that_was_not_named_is_caught(tmp_path: Path) -> None:
    module = Reader()
    exported(tmp_path, module, {**AXES, "评论": {0: "batch"}})
    with pytest.raises(FeilunError, match="refuses inputs that PyTorch takes"):
        exporting.check(tmp_path, [{"main": graph(module, 2, 9)}])


class Twisted(nn.Module):
    """An inner value may have the name of an input; equal infinities are equal."""

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"masked": torch.where(x > 0.5, x, float("-inf")), "same": y}


def test_infinities_and_outputs_that_are_inputs(tmp_path: Path) -> None:
    def piece(size: int) -> Graph:
        inputs = {"x": torch.rand(size, 4), "y": torch.rand(size, 2)}
        axes = {name: {0: "batch"} for name in ("x", "y", "masked", "same")}
        return Graph(module=Twisted(), inputs=inputs, outputs=("masked", "same"), axes=axes)

    (tmp_path / "graphs").mkdir()
    exporting.export(piece(2), exporting.path_of(tmp_path, "main"))
    assert exporting.check(tmp_path, [{"main": piece(5)}]) == {"main": 0.0}


class Cancelling(nn.Module):
    """The first number is large, the second what is left of many as large ones."""

    def __init__(self, wrong: float = 0.0) -> None:
        super().__init__()
        self.line, self.wrong = nn.Linear(512, 2, bias=False), wrong
        half = torch.rand(256) * 3000
        with torch.no_grad():
            self.line.weight.copy_(torch.stack([half.repeat(2), torch.cat([half, -half])]))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Something is wrong with the second number where only the exporter sees it."""
        added = self.wrong if torch.onnx.is_in_onnx_export() else 0.0
        return {"y": self.line(torch.cat([x, x], 1)) + torch.tensor([0.0, added])}


def test_numbers_beside_large_ones_have_their_last_digits(tmp_path: Path) -> None:
    for wrong in (0.0, 900.0):
        folder = tmp_path / str(wrong)
        (folder / "graphs").mkdir(parents=True)
        axes = {"x": {0: "batch"}, "y": {0: "batch"}}
        module = Cancelling(wrong).eval()
        pieces = [Graph(module=module, inputs={"x": torch.rand(n, 256)}, outputs=("y",), axes=axes) for n in (2, 64)]
        exporting.export(pieces[0], exporting.path_of(folder, "main"))
        if wrong:
            with pytest.raises(FeilunError, match="differs from PyTorch"):
                exporting.check(folder, [{"main": pieces[1]}])
        else:
            assert exporting.check(folder, [{"main": pieces[1]}])["main"] > exporting.TOLERANCE


def test_one_flipped_bit_of_a_graph_is_refused(tmp_path: Path) -> None:
    exported(tmp_path, Reader())
    facts = {"graphs": {"main": {}}, "files": hash_files(tmp_path)}
    path = exporting.path_of(tmp_path, "main")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="SHA-256"):
        OnnxRunner(tmp_path, facts)


def test_errors_of_the_runner_name_what_is_wrong(tmp_path: Path) -> None:
    exported(tmp_path, Reader())
    run = runner(tmp_path)
    with pytest.raises(FeilunError, match=r"no graph 'step'.*main"):
        run("step")
    with pytest.raises(FeilunError, match=r"needs a.1, 7"):
        run("main", 评论=np.ones((1, 3), np.int64))
    with pytest.raises(InputError, match="cannot take"):
        run("main", **{"评论": np.ones((1, 3)), "a.1": np.ones((1, 1)), "7": np.ones((1, 1))})
    with pytest.raises(InputError, match="no variant 'int8'"):
        runner(tmp_path, "int8")


class Pixels(nn.Module):
    """A small convolutional network."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.AdaptiveAvgPool2d(1))
        self.out = nn.Linear(32, 4)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"logits": self.out(self.net(image).flatten(1))}


def test_int8_is_smaller_and_near_for_texts_and_pictures(tmp_path: Path) -> None:
    torch.manual_seed(0)
    pictures = {"image": np.random.default_rng(0).random((16, 1, 12, 12), np.float32)}
    inputs = {"image": torch.from_numpy(pictures["image"][:2])}
    piece = Graph(
        module=Pixels().eval(), inputs=inputs, outputs=("logits",), axes={"image": {0: "b"}, "logits": {0: "b"}}
    )
    (tmp_path / "graphs").mkdir()
    source, target = (exporting.path_of(tmp_path, "main", variant) for variant in ("fp32", "int8"))
    exporting.export(piece, source)
    assert "no validation rows" in quantizing.quantize(source, target, [])["why_not"]
    assert quantizing.quantize(source, target, [pictures]) == {"how": "static"}
    assert target.stat().st_size < 0.6 * source.stat().st_size
    exact, near = (runner(tmp_path, variant)("main", **pictures)["logits"] for variant in ("fp32", "int8"))
    assert 0 < np.abs(exact - near).max() < 0.05 * np.abs(exact).max()  # 8 bits: about a hundredth of the range


def test_int8_keeps_names_and_takes_other_lengths(tmp_path: Path) -> None:
    exported(tmp_path, Reader())
    source, target = (exporting.path_of(tmp_path, "main", variant) for variant in ("fp32", "int8"))
    assert quantizing.quantize(source, target, []) == {"how": "dynamic"}
    inputs = {name: tensor.numpy() for name, tensor in graph(Reader(), 5, 31).inputs.items()}
    exact, near = (runner(tmp_path, variant)("main", **inputs)["logits"] for variant in ("fp32", "int8"))
    assert np.abs(exact - near).max() < 0.1 * np.abs(exact).max()


def test_a_graph_without_weights_says_why_it_stays(tmp_path: Path) -> None:
    piece = Graph(
        module=Twisted(),
        inputs={"x": torch.rand(2, 4), "y": torch.rand(2, 2)},
        outputs=("masked",),
        axes={"x": {0: "b"}, "masked": {0: "b"}},
    )
    (tmp_path / "graphs").mkdir()
    exporting.export(piece, exporting.path_of(tmp_path, "main"))
    why = quantizing.quantize(exporting.path_of(tmp_path, "main"), exporting.path_of(tmp_path, "main", "int8"), [])
    assert "no weights" in why["why_not"]


def test_the_recorder_keeps_the_first_calls() -> None:
    recorder = quantizing.Recorder(lambda graph, /, **arrays: {"out": arrays["x"] * 2})
    for value in range(20):
        assert recorder("main", x=np.array([value]))["out"] == 2 * value
    assert [call["x"][0] for call in recorder.calls["main"]] == list(range(quantizing.CALIBRATION_CALLS))
