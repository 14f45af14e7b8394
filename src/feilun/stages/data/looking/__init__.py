"""What the columns are: kinds, targets, leaks, windows."""
