"""What is told of columns of text that cannot be read as a recipe asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from feilun.core.errors import DataError, RecipeError


def nowhere(column: str) -> RecipeError:
    """Where it must be known in which place of a text each token stands."""
    return RecipeError(
        f"tokens of {column} is grams, which stand nowhere. Take words, bpe or characters.",
        where=f"inputs.{column}.tokens",
        expected="words, bpe, characters or file",
        got="grams",
        fix="tokens: words",
    )


def no_text(column: str, value: object) -> DataError:
    """Where a cell holds something else."""
    is_list = isinstance(value, list | tuple | dict)
    return DataError(
        f"Column {column!r} holds text; {value!r:.60} is not text."
        + (" For dialogues, lists of messages, set kind: dialogue." if is_list else ""),
        where=column,
        expected="text or null",
        got=f"{value!r:.60}",
        fix=f"inputs: {{{column}: dialogue}}" if is_list else "give a string",
    )


def check_floors(column: str, floors: Mapping[str, tuple[int, int]]) -> None:
    """{option: (its value, the least there may be)}. Raises RecipeError."""
    for name, (value, floor) in floors.items():
        if value < floor:
            raise RecipeError(
                f"{name} of {column} is {value}; it needs {floor} or more.",
                where=f"inputs.{column}.{name}",
                expected=f"{floor} or more",
                got=str(value),
                fix=f"{name}: {floor}, or leave it out",
            )


def check_prefix(column: str, prefix: str | None, reserved: Sequence[int] | None) -> None:
    """Raises RecipeError for a prefix where the tokens are not those of a published encoder-decoder."""
    if prefix and not reserved:
        raise RecipeError(
            f"prefix of {column} goes with published weights that were taught with it, such as T5's, in the task "
            "translation. Write it into the column.",
            where=f"inputs.{column}.prefix",
            expected="model: {weights: FOLDER} of a T5",
            got=repr(prefix)[:100],
            fix="leave prefix out",
        )


def check_some(column: str, texts: Sequence[str]) -> None:
    """Raises DataError if no row has text to learn from."""
    if not any(texts):
        raise DataError(
            f"Column {column!r} has no text in its {len(texts):,} training rows. Fill it, or drop it.",
            where=column,
            expected="at least one text",
            got="none",
            fix=f"data.drop: [{column}]",
        )
