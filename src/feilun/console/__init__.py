"""The web pages over the same life cycle."""
