"""The data stage's folder: rows, splits, features and memory-mapped arrays, written and read."""

from feilun.parts.dataset.table import SPLITS, Table, load_rows, read_features, save_rows, write

__all__ = ["SPLITS", "Table", "load_rows", "read_features", "save_rows", "write"]
