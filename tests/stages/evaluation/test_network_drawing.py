"""The network as it is drawn: from the names and shapes of the weights alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_fixture import recipe, weights

from feilun.stages.evaluation import loop, network


def test_layers_are_named_by_their_weights_in_the_order_data_flow() -> None:
    found = {
        "main/head.bias": (2,),
        "main/head.weight": (2, 64),
        "main/trunk.layers.10.weight": (64, 64),
        "main/trunk.layers.2.weight": (64, 64),
        "main/encoders.0.layers.0.weight": (16, 1, 3, 3),
        "main/encoders.0.layers.1.weight": (16,),
        "main/encoders.0.layers.1.running_mean": (16,),
        "main/encoders.1.vectors.0.weight": (9, 5),
        "main/encoders.1.vectors.1.weight": (17, 8),
        "main/encoders.2.cell.weight_ih_l0": (192, 96),
        "main/encoders.2.cell.weight_hh_l0": (192, 64),
    }
    made = network.blocks(found)
    assert [(block.path.rpartition("/")[2], block.parameters, block.times) for block in made] == [
        ("encoders.0.layers.0", 144 + 16, 1),  # with its normalisation; running means are not learnt
        ("encoders.1.vectors.0", 45 + 136, 2),
        ("encoders.2.cell", 192 * (96 + 64), 1),
        ("trunk.layers.2", 2 * 64 * 64, 2),
        ("head", 130, 1),
    ]
    svg = network.drawing(found, recipe(2))
    for words in ("convolution 3 × 3, 1 → 16", "2 tables of vectors", "recurrent", "dense, 64 → 64 × 2", "全连接"):
        assert words in svg, words


def test_many_layers_are_summed_up_and_no_parameter_is_lost() -> None:
    found = {f"main/part{place}.weight": (place + 1, 7) for place in range(40)}
    svg = network.drawing(found, recipe(2))
    assert "and 26 smaller blocks" in svg and svg.count("<rect") < 40


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 100, b"\x02\x00\x00\x00\x00\x00\x00\x00[]"[:9]])
def test_what_is_no_weights_file_is_not_drawn(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    assert network.shapes(path) == {} and network.drawing({}, recipe(2)) == ""


def test_shapes_come_from_the_head_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    weights(path)
    assert network.shapes(path)["main/head.weight"] == (2, 128)


def test_the_loop_marks_what_is_made() -> None:
    places = loop.places({}, None, None, {})
    assert [place.stage for place in places] == list(loop.STAGES)
    assert {place.mark for place in places} == {"missing"}
    assert loop.drawing(places).count("<svg") == 2
