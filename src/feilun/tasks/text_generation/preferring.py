"""Preference tuning: each row a question, the answer that was preferred, and the one that was not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.task import Json, Rows, Score
from feilun.parts.features import dialogue
from feilun.parts.metrics import likelihood
from feilun.parts.ops.ragged import Ragged

if TYPE_CHECKING:
    from torch import Tensor

REFERENCE = "reference"  # the player that stays as training began


def examples(arrays: Mapping[str, Any], context: int, beta: float) -> tuple[dict[str, Any], np.ndarray]:
    """Each row with an answer is one example: `text` and `rejected`, each answer behind the question.

    What is longer than the context loses the first tokens of its question, at most three quarters of the context, then
    the last ones of its answer.
    """
    made: dict[str, list[np.ndarray]] = {"text": [], "text_learnt": [], "rejected": [], "rejected_learnt": []}
    rows = []
    for row in range(len(arrays["text"])):
        answers = {"text": arrays["answer"][row], "rejected": arrays["rejected"][row]}
        if not any(map(len, answers.values())):
            continue
        rows.append(row)
        for side, answer in answers.items():
            tokens, learnt = _joined(arrays["text"][row], answer, context)
            made[side].append(tokens)
            made[f"{side}_learnt"].append(learnt)
    if not rows:
        return {}, np.zeros(0, np.int64)
    sides = {name: Ragged.of(parts) for name, parts in made.items()}
    return {**sides, "beta": np.full(len(rows), beta, np.float32)}, np.array(rows, np.int64)


def loss(networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str, of_token: Any) -> Tensor:
    """See `preference.loss`."""
    from feilun.parts.models import preference

    return preference.loss(networks[player], networks[REFERENCE], batch, of_token)


def scores(answers: Sequence[Json]) -> dict[str, Score]:
    """Of pairs, whether what was preferred gained more likelihood than what was not; the same gain is half right. Rows
    with one answer alone, whose gain is None, say nothing of that."""
    won = 0.5 + 0.5 * np.sign(np.array([np.nan if one["gain"] is None else one["gain"] for one in answers], float))
    pairs = np.isfinite(won)

    def share(rows: np.ndarray) -> float:
        known = won[rows][pairs[rows]]
        return float(known.mean()) if len(known) else float("nan")

    plain = Score(rows=won, better="higher", unit="%")
    return {"preferred": plain if pairs.all() else Score(statistic=share, better="higher", unit="%")}


def baseline(rows: Rows, columns: tuple[str, str], order: int) -> Callable[[Rows], list[float | None]]:
    """Gains by n-grams: those of the preferred answers against those of the others; None of one alone."""
    nats = [likelihood.n_grams([str(one or "") for one in rows[column]], order) for column in columns]

    def gain(good: Any, bad: Any) -> float | None:
        return None if good is None or bad is None else _gain(nats, str(good)) - _gain(nats, str(bad))

    def gains(given: Rows) -> list[float | None]:
        return [gain(good, bad) for good, bad in zip(*(given[column] for column in columns), strict=True)]

    return gains


def _gain(nats: Sequence[Callable[[str], float]], text: str) -> float:
    """How much likelier a letter of the text is by the n-grams of the preferred answers."""
    return (nats[1](text) - nats[0](text)) / max(1, len(text))


def _joined(question: np.ndarray, answer: np.ndarray, context: int) -> tuple[np.ndarray, np.ndarray]:
    """(tokens, which are learnt) of at most context + 1 tokens."""
    question, answer = dialogue.plain(question), dialogue.plain(answer)
    if not len(answer):
        return question[:1], np.zeros(1, np.int32)
    room = max(context + 1 - len(answer), dialogue.asked_least(context))
    asked = question if len(question) <= room else np.concatenate([question[:1], question[len(question) - room + 1 :]])
    tokens = np.concatenate([asked, answer])[: context + 1]
    return tokens, (np.arange(len(tokens)) >= len(asked)).astype(np.int32)
