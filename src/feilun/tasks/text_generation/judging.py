"""What a text should have been, how well it was foretold, and what users' corrections make of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.errors import DataError
from feilun.core.task import Json, Row, Rows, Score
from feilun.parts.features.turns import turns_of
from feilun.parts.metrics import likelihood
from feilun.tasks.text_generation import preferring
from feilun.tasks.text_generation.columns import columns_of, preference_of, role_of

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe

LONGEST = 100_000  # letters of a correction: a single one must not take the whole lap


def truth(row: Row, recipe: Recipe) -> Json:
    """The text that was to be foretold."""
    asked, target = columns_of(recipe)
    return _foretold(row[target or asked[0]], asked[0], recipe)


def correct(row: Row, feedback: Json, recipe: Recipe) -> Row:
    """Feedback is what should have been written, or `{"text": it}`. Raises DataError for anything else."""
    said = feedback.get("text") if isinstance(feedback, dict) else feedback
    if not isinstance(said, str) or not said.strip():
        raise DataError(
            f"The correction is {feedback!r}; expected the text that should have been written, such as "
            "{'text': 'Yes.'}.",
            where="correction",
            expected="a text",
            got=repr(feedback)[:100],
            fix="send the whole text",
        )
    if len(said) > LONGEST:
        raise DataError(
            f"The correction has {len(said):,} letters; at most {LONGEST:,} are learnt from one.",
            where="correction",
            expected=f"at most {LONGEST:,} letters",
            got=f"{len(said):,} letters",
            fix="send the answer alone",
        )
    asked, target = columns_of(recipe)
    if target is not None:
        return {**row, target: said}
    before = row.get(asked[0])
    if role_of(recipe) == "text":
        return {**row, asked[0]: str(before or "") + said}
    turns = [{"role": role, "content": content} for role, content in turns_of(asked[0], before)]
    return {**row, asked[0]: [*turns, {"role": "assistant", "content": said}]}


def compare(row: Row, given: Json, said: Json, recipe: Recipe) -> Row:
    """A correction is preferred to the answer that was given; `{"thumb": "up"}` makes that answer a liked one, "down"
    one that is not, which only a recipe with `target.rejected` learns from. Raises DataError."""
    rejected, answer = preference_of(recipe).rejected, str(given.get("text", ""))
    thumb = said.get("thumb") if isinstance(said, dict) else None
    if thumb == "down" and not rejected:
        raise DataError(
            "A thumb down names no better answer, and this recipe learns from good ones alone. Give a correction, or "
            "train with target.rejected.",
            where="thumb",
            expected="a correction",
            got="down",
            fix="send the answer that would have been right",
        )
    if thumb == "down":
        return {**row, **dict.fromkeys(recipe.target.columns if recipe.target else ()), rejected: answer}
    made = correct(row, said if thumb is None else answer, recipe)
    if not rejected:
        return made
    return {**made, rejected: answer if answer != made[columns_of(recipe)[1] or ""] else None}


def scores(answers: Sequence[Json], truths: Sequence[Json], recipe: Recipe) -> dict[str, Score]:
    """Bits a letter over all, of each text, and perplexity."""
    nats, tokens = likelihood.columns(answers)
    letters = np.array([len(one) for one in truths], float)
    each = nats / np.maximum(1, letters) / np.log(2)
    found = {
        "bits_per_letter": Score(statistic=likelihood.bits(nats, letters), better="lower"),
        "text_bits": Score(rows=each, better="lower"),
    }
    found |= {"perplexity": Score(statistic=likelihood.perplexity(nats, tokens), better="lower")}
    return preferring.scores(answers) | found if preference_of(recipe).rejected else found


def baselines(rows: Rows, recipe: Recipe) -> dict[str, Callable[[Rows], list[Json]]]:
    """N-grams of up to five letters, and how often each letter comes; their tokens are letters."""
    asked, target = columns_of(recipe)
    column = target or asked[0]
    texts, rejected = [_foretold(one, column, recipe) for one in rows[column]], preference_of(recipe).rejected

    def told(order: int) -> Callable[[Rows], list[Json]]:
        nats = likelihood.n_grams(texts, order)
        gains = preferring.baseline(rows, (column, rejected), order) if rejected else None

        def answers(given: Rows) -> list[Json]:
            asked = [_foretold(one, column, recipe) for one in given[column]]
            made: list[Json] = [{"nats": round(nats(one), 4), "tokens": len(one)} for one in asked]
            if gains is None:
                return made
            told = [None if gain is None else round(gain, 6) for gain in gains(given)]
            return [{**one, "gain": gain} for one, gain in zip(made, told, strict=True)]

        return answers

    return {"five_letters": told(likelihood.ORDER), "letter_counts": told(0)}


def _foretold(value: Any, column: str, recipe: Recipe) -> str:
    """Of a cell what counts: of a dialogue what the assistant said."""
    if role_of(recipe) != "chat":
        return str(value or "")
    return "".join(said for role, said in turns_of(column, value) if role == "assistant")
