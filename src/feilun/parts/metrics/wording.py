"""How scores are written for people: 0.9143 as 91.4 %, 51987.3 as 51,987, an interval in brackets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

SHORT = {"r2": "R²", "map": "mAP", "chrf": "chrF", "ndcg": "nDCG", "iou": "IoU"} | {
    name: name.upper() for name in ("auc", "rmse", "mae", "mse", "bleu", "fid", "kid", "mrr", "f1", "mape", "mcc")
}


def shown(value: float | None, unit: str = "", *, sign: bool = False) -> str:
    """A number with about three digits that matter. sign: + as well as -.

    unit "%": a share, shown in percent; "points": a difference of two shares, in percentage points.
    """
    if value is None or not math.isfinite(value):
        return "not known"
    plus = "+" if sign else ""
    if unit in ("%", "points"):
        return f"{100 * value:{plus}.1f} {unit}"
    size = abs(value)
    if size >= 1000:
        text = f"{value:{plus},.0f}"
    elif size >= 100 or value == int(value):
        text = f"{value:{plus}.4g}"
    else:
        text = f"{value:{plus}.3f}" if size >= 0.001 else f"{value:{plus}.2e}"
    return f"{text} {unit}".strip()


def interval(low: float | None, high: float | None, unit: str = "", *, sign: bool = False) -> str:
    """Such as `[0.823, 0.868]`; in percent without repeating the sign."""
    ends = [shown(end, unit, sign=sign).removesuffix(f" {unit}") for end in (low, high)]
    return f"[{ends[0]}, {ends[1]}]"


def full(score: Mapping[str, Any]) -> str:
    """Such as `0.846 [0.823, 0.868]`."""
    unit = str(score.get("unit", ""))
    return f"{shown(score['value'], unit)} {interval(score['low'], score['high'], unit)}"


def title(name: str) -> str:
    """A score's or baseline's name for a sentence: `AUC`, `log loss`, `accuracy`."""
    words = name.replace("_", " ").split(" ")
    return " ".join(SHORT.get(word.lower(), word) for word in words)
