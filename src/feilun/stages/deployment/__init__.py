"""From graphs to a bundle, and from a bundle to answers over HTTP."""
