"""Recurrent networks and transformers over sequences of numbers: padding changes nothing, and they export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.core.recipe import Model
from feilun.parts.models import fused
from feilun.parts.ops.ragged import collate
from feilun.stages.optimization import exporting

DRAW = np.random.default_rng(0)
CELLS = [DRAW.normal(size=(length, 2)).tolist() for length in (1, 5, 3, 9)]
FEATURE = discover.feature("sequence", columns=("s",), max_steps=20).fit({"s": [*CELLS, [[None, 1.0]]]})
NAMES = ("gru", "lstm", "rnn", "transformer")


def batch(cells: Any) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in collate({"s": FEATURE.encode({"s": cells})}).items()}


def network(name: str, **options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    return fused.build(Model.model_validate({"name": name, **options}), {"s": FEATURE}, ("s",), 3).eval()


@pytest.mark.parametrize("name", NAMES)
def test_padding_and_company_change_nothing(name: str) -> None:
    made = network(name)
    with torch.no_grad():
        together = made(**batch(CELLS))["logits"]
        alone = torch.cat([made(**batch([cell]))["logits"] for cell in CELLS])
    assert torch.allclose(together, alone, atol=1e-5)  # float32 sums in another order


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_steps_matters(name: str) -> None:
    made = network(name)
    with torch.no_grad():
        assert not torch.allclose(
            made(**batch([CELLS[3]]))["logits"], made(**batch([CELLS[3][::-1]]))["logits"], atol=1e-3
        )


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_export_with_any_number_of_rows_and_steps(name: str, tmp_path: Path) -> None:
    made = network(name)
    graphs = [{"main": fused.graph(made, batch(cells))} for cells in (CELLS[:2], CELLS[2:], [CELLS[0]])]
    (tmp_path / "graphs").mkdir()
    exporting.export(graphs[0]["main"], exporting.path_of(tmp_path, "main"))
    assert exporting.check(tmp_path, graphs)["main"] < 1e-4


def test_other_families_read_a_sequence_beside_their_own_and_none_alone() -> None:
    number = discover.feature("number", columns=("x",)).fit({"x": [1.0, 2.0]})
    made = fused.build(Model(name="mlp"), {"x": number, "s": FEATURE}, ("x", "s"), 2)
    assert made(x=torch.zeros(4, 1), **batch(CELLS))["logits"].shape == (4, 2)
    with pytest.raises(RecipeError, match="such as gru"):
        fused.build(Model(name="linear"), {"s": FEATURE}, ("s",), 2)
