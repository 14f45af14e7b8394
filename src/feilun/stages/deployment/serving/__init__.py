"""Answers over HTTP: FastAPI and uvicorn over a bundle, without torch."""
