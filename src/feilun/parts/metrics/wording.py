"""How scores are written for people: 0.9143 as 91.4 %, 51987.3 as 51,987, an interval in brackets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

SHORT = {"r2": "R²", "map": "mAP", "chrf": "chrF", "ndcg": "nDCG", "iou": "IoU"} | {
    name: name.upper() for name in ("auc", "rmse", "mae", "mse", "bleu", "fid", "kid", "mrr", "f1", "mape", "mcc")
}
NAMES = {"answered_at_90": "answered if 90 % sure", "right_at_90": "right if 90 % sure", "brier": "Brier score"} | {
    "top3_accuracy": "among the first three",
    "hit_at_10": "among the first ten",
    "precision_at_10": "right among the first ten",
    "recall_at_1": "own text first",
    "recall_at_5": "own text among the first five",
    "recall_at_10": "own text among the first ten",
}


def shown(value: float | None, unit: str = "", *, sign: bool = False, beside: float = 0.0) -> str:
    """A number with about three digits that matter. sign: + as well as -.

    unit "%": a share, shown in percent; "points": a difference of two shares, in percentage points.
    beside: the largest number it stands beside; what is nothing next to that is written as 0.000.
    """
    if value is None or not math.isfinite(value):
        return "not known"
    plus = "+" if sign else ""
    if unit in ("%", "points"):
        text = f"{100 * value:{plus}.1f} {unit}"
        return text.lstrip("+-") if float(text.removesuffix(unit)) == 0 else text
    size = abs(value)
    if 0 < size < 0.001 <= beside:
        return f"{round(size, 3):.3f} {unit}".strip()
    if size >= 1000:
        text = f"{value:{plus},.0f}"
    elif size >= 100 or value == int(value):
        text = f"{value:{plus}.4g}"
    else:
        text = f"{value:{plus}.3f}" if size >= 0.001 else f"{value:{plus}.2e}"
    return f"{text} {unit}".strip()


def interval(low: float | None, high: float | None, unit: str = "", *, sign: bool = False) -> str:
    """Such as `[0.823, 0.868]`; in percent without repeating the sign."""
    beside = max((abs(end) for end in (low, high) if end is not None and math.isfinite(end)), default=0.0)
    ends = [shown(end, unit, sign=sign, beside=beside).removesuffix(f" {unit}") for end in (low, high)]
    return f"[{ends[0]}, {ends[1]}]"


def full(score: Mapping[str, Any]) -> str:
    """Such as `0.846 [0.823, 0.868]`."""
    unit = str(score.get("unit", ""))
    known = [abs(score[key]) for key in ("low", "high") if score[key] is not None and math.isfinite(score[key])]
    value = shown(score["value"], unit, beside=max(known, default=0.0))
    return f"{value} {interval(score['low'], score['high'], unit)}"


def opening(words: str) -> str:
    """The words as a sentence begins: `Accuracy is`, but `chrF is` and `R² is`."""
    first = words.partition(" ")[0]
    return words[:1].upper() + words[1:] if first.islower() else words


def title(name: str) -> str:
    """A score's or baseline's name for a sentence: `AUC`, `log loss`, `accuracy`."""
    if name in NAMES:
        return NAMES[name]
    words = name.replace("_", " ").split(" ")
    return " ".join(SHORT.get(word.lower(), word) for word in words)
