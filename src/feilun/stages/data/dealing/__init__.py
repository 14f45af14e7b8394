"""Which rows train, validate, decide and test."""
