"""Which columns ask, which answer, and what part the first plays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feilun.core.errors import RecipeError

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe


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
