"""Which columns ask, which answer and how, and what part the first plays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from feilun.core.errors import RecipeError, not_one_of

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Preference:
    """Options of the target that make preferences of it."""

    rejected: str = ""  # the column of answers that were liked less
    beta: float = 0.1  # how soon a gain in likelihood is enough; with less the network goes further from where it began


def columns_of(recipe: Recipe) -> tuple[tuple[str, ...], str | None]:
    """(columns that ask, the column that answers). Raises RecipeError for other inputs."""
    kinds = {name: item.kind for name, item in recipe.inputs.items()}
    target = recipe.target.columns if recipe.target else ()
    alone = list(kinds.values()) in (["text"], ["dialogue"]) and not target
    if not alone and (set(kinds.values()) != {"text"} or len(target) != 1):
        raise RecipeError(
            "Text generation takes one column of kind text to go on with, one of kind dialogue, or columns of text "
            f"that ask and one target that answers; inputs is {kinds}, target {list(target)}.",
            where="inputs",
            expected="texts",
            got=str(kinds),
            fix="inputs: {text: text}, or inputs: {messages: dialogue}, or inputs: {question: text}, target: answer",
        )
    return tuple(kinds), target[0] if target else None


def role_of(recipe: Recipe) -> str:
    """Of the column "text": chat, text or question."""
    asked, target = columns_of(recipe)
    if target is not None:
        return "question"
    return "chat" if recipe.inputs[asked[0]].kind == "dialogue" else "text"


def preference_of(recipe: Recipe) -> Preference:
    """What the target says of preferences; rejected is "" where it says nothing. Raises RecipeError."""
    given = recipe.target.options if recipe.target else {}
    for name in given:
        if name not in Preference.__dataclass_fields__:
            raise not_one_of("target", name, Preference.__dataclass_fields__)
    found = Preference(**given)
    columns = (*recipe.inputs, *(recipe.target.columns if recipe.target else ()))
    if not isinstance(found.rejected, str) or found.rejected in columns:
        raise _wrong("rejected", "a column of its own, such as rejected", found.rejected)
    if isinstance(found.beta, bool) or not isinstance(found.beta, int | float) or not 0 < found.beta <= 100:
        raise _wrong("beta", "a number above 0, such as 0.1", found.beta)
    return found


def _wrong(name: str, expected: str, got: object) -> RecipeError:
    return RecipeError(
        f"target.{name} is {got!r}; expected {expected}.",
        where=f"target.{name}",
        expected=expected,
        got=repr(got),
        fix="target: {columns: [chosen], rejected: rejected}",
    )
