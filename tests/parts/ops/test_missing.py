"""What says that there is no value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from feilun.parts.ops import missing

LISTED = missing.of((" ? ", "-999", "7", "n.a.", "1e400"))


@pytest.mark.parametrize(
    "value", ["?", " ?", "-999", "-999.0", "-9.99E2", -999, -999.0, np.int64(-999), "7.0", "1e400"]
)
def test_listed(value: Any) -> None:
    assert LISTED.says(value)


@pytest.mark.parametrize("value", ["??", "999", "007", "-999.5", True, None, [7], 10**400, Decimal(8), "１e400"])
def test_not_listed(value: Any) -> None:
    assert not LISTED.says(value)


def test_numbers_of_an_array() -> None:
    assert LISTED.among(np.array([7.0, 8.0, np.nan, -999.0])).tolist() == [True, False, False, True]
    assert missing.of(("?",)).among(np.array([7.0])).tolist() == [False]
