"""What tests of whole tasks share."""

from __future__ import annotations

import pytest

from feilun.stages.optimization import measuring


@pytest.fixture
def measured_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is about milliseconds."""
    monkeypatch.setattr(measuring, "BUDGET_S", 0.0)
    monkeypatch.setattr(measuring, "BATCHES", 1)
