"""Which rows are equal or nearly equal."""
