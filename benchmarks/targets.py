"""What is asked of every recipe: at least so much, or not below a baseline by more than half an interval, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STRONGEST = "strongest"  # whichever baseline is best in that run


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Rules for one score of one recipe; both must hold where both are given."""

    score: str
    reach: float | None = None  # at least; for errors, at most
    beside: str | None = None  # a baseline's name, or STRONGEST: not worse than it by more than half our interval


TARGETS: dict[str, Target] = {
    "digits": Target(score="accuracy", reach=0.98),
    "mnist": Target(score="accuracy", reach=0.99),
    "chnsenticorp": Target(score="accuracy", reach=0.88),
    "chnsenticorp-auto": Target(score="accuracy", beside=STRONGEST),
    "ag-news-auto": Target(score="accuracy", beside=STRONGEST),
    "ag-news-minilm": Target(score="accuracy", reach=0.90),
    "ag-news-16": Target(score="accuracy", reach=0.80),
    "news-search": Target(score="precision_at_10", beside=STRONGEST),
    "news-search-untrained": Target(score="precision_at_10", beside=STRONGEST),
    "sms-spam": Target(score="f1_positive", reach=0.92, beside=STRONGEST),
    "linear-svm": Target(score="f1_positive", beside=STRONGEST),
    "sms-spam-auto": Target(score="f1_positive", reach=0.92, beside=STRONGEST),
    "cats-and-dogs": Target(score="accuracy", reach=0.80),
    "adult-income": Target(score="auc", reach=0.925),
    "california-housing": Target(score="rmse", reach=47_000.0),
    "credit-default": Target(score="auc", reach=0.780),
    "bank-marketing": Target(score="auc", reach=0.81),
    "occupancy": Target(score="accuracy", reach=0.97),
    "heart-disease": Target(score="accuracy", beside="logistic_regression"),
    "student-grades": Target(score="rmse", beside="ridge_regression"),
    "squad": Target(score="answer_f1", reach=0.56),
    "customer-service": Target(score="recall_at_5", reach=0.9),
    "shakespeare": Target(score="bits_per_letter", reach=2.308),  # 1.60 nats
    "wnut": Target(score="span_f1", reach=0.30),
    "wnut-lstm": Target(score="span_f1", beside=STRONGEST),
    "multi30k": Target(score="bleu", reach=0.22),
    "alpaca": Target(score="bits_per_letter", beside=STRONGEST),
    "chat": Target(score="bits_per_letter", beside=STRONGEST),
    "preference": Target(score="preferred", reach=0.5),
    "starter-mnist": Target(score="accuracy", reach=0.98),
    "starter-cats-dogs": Target(score="accuracy", reach=0.70),
    "starter-two-convolutions": Target(score="accuracy", reach=0.96),
    "starter-lstm": Target(score="r2", reach=0.90),
    "starter-dense": Target(score="rmse", reach=70_000.0),
}


def rules(
    target: Target | None, score: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Each rule with its limit and whether it was met: `{rule, baseline, limit, met}`.

    ours: {value, low, high, better} of the score; theirs: {baseline: the same}. Nothing was asked of other scores.
    """
    if target is None or target.score != score:
        return []
    lower = ours["better"] == "lower"

    def rule(words: str, baseline: str, limit: float) -> dict[str, Any]:
        reached = ours["value"] <= limit if lower else ours["value"] >= limit
        return {"rule": words, "baseline": baseline, "limit": limit, "met": bool(reached)}

    found = []
    if target.reach is not None:
        found.append(rule("at most" if lower else "at least", "", target.reach))
    if target.beside is not None:
        name = strongest(theirs, lower=lower) if target.beside == STRONGEST else target.beside
        slack = (ours["high"] - ours["low"]) / 2
        limit = theirs[name]["value"] + (slack if lower else -slack)
        found.append(rule("not worse than the baseline by more than half the interval", name, limit))
    return found


def strongest(theirs: Mapping[str, Any], *, lower: bool) -> str:
    """The baseline with the best value."""
    return (min if lower else max)(theirs, key=lambda name: float(theirs[name]["value"]))
