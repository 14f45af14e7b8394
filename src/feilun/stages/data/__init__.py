"""From a source to rows, splits and encoded arrays."""
