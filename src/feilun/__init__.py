"""Feilun: train a deep model on your own data, put it in production, and let its users make it better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe as Recipe
    from feilun.lifecycle import improve as improve
    from feilun.lifecycle import load as load
    from feilun.lifecycle import run as run

__version__ = "0.1.0"
__all__ = ["Recipe", "__version__", "improve", "load", "run"]


def __getattr__(name: str) -> Any:
    if name == "Recipe":
        from feilun.core.recipe import Recipe

        return Recipe
    if name in ("run", "load", "improve"):
        from feilun import lifecycle

        return getattr(lifecycle, name)
    raise AttributeError(f"module 'feilun' has no attribute {name!r}")
