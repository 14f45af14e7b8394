"""Addresses of the server: which rule one falls under, and where errors have OpenAI's shape."""

from __future__ import annotations

MODELS = "/v1/models"
MODEL = "/v1/models/{model:path}"
OPENAI = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/embeddings", MODELS, MODEL})


def of(path: str) -> str:
    """The address as routes and rules name it."""
    return MODEL if path.startswith(f"{MODELS}/") and len(path) > len(MODELS) + 1 else path
