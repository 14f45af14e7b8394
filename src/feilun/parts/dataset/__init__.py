"""The data stage's folder: rows, splits, features and memory-mapped arrays, written and read."""
