"""From cells as they came to values of a kind."""
