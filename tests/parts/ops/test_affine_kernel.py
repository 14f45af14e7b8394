"""The compiled resampling gives what torch's operators give, for any shape, and steps aside where it cannot."""

from __future__ import annotations

import pytest
import torch

from feilun.parts.ops import affine, compiled

EVERYTHING = {"rotate": 180.0, "shift": 0.9, "shear": 60.0, "zoom": 0.9, "flip_x": True, "flip_y": True}


@pytest.fixture
def kernel() -> None:
    """Skips where nothing can be compiled."""
    if compiled.library(affine.SOURCE) is None:
        pytest.skip("there is no compiler here, so torch's operators do it")


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("shape", [(9, 3, 15, 15), (4, 1, 7, 13), (3, 2, 1, 1), (2, 6, 20, 9), (2, 4, 1, 5)])
def test_it_is_torch_up_to_rounding(shape: tuple[int, ...]) -> None:
    drawn = torch.Generator().manual_seed(1)
    pictures = torch.rand(shape, generator=drawn)
    matrices = affine.draw(shape[0], drawn, **EVERYTHING)
    # places are rounded to 1e-6 of the side, and neighbouring pixels differ by at most 1
    assert torch.allclose(affine.resample(pictures, matrices), affine.plain(pictures, matrices), atol=1e-4)
    across = pictures.transpose(2, 3)  # not contiguous
    assert torch.allclose(affine.resample(across, matrices), affine.plain(across, matrices), atol=1e-4)


@pytest.mark.usefixtures("kernel")
def test_threads_change_no_bit_and_places_that_are_no_number_are_harmless() -> None:
    pictures = torch.rand(5, 3, 11, 17)
    matrices = affine.draw(5, torch.Generator().manual_seed(2), **EVERYTHING)
    matrices[4] = torch.nan
    before = torch.get_num_threads()
    try:
        made = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            made.append(affine.resample(pictures, matrices))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])
    assert torch.equal(made[0][4], pictures[4, :, :1, :1].expand(3, 11, 17))  # the first pixel everywhere


def test_gradients_and_other_numbers_go_through_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    matrices = affine.draw(2, torch.Generator().manual_seed(3), **EVERYTHING)
    pictures = torch.rand(2, 1, 5, 6, requires_grad=True)
    affine.resample(pictures, matrices).sum().backward()
    assert pictures.grad is not None
    double = torch.rand(2, 1, 5, 6, dtype=torch.float64)
    assert affine.resample(double, matrices).dtype == torch.float64
    monkeypatch.setenv(compiled.SWITCH, "0")
    given = pictures.detach()
    assert torch.equal(affine.resample(given, matrices), affine.plain(given, matrices))
