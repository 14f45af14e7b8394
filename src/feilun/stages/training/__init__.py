"""From encoded arrays to weights."""
