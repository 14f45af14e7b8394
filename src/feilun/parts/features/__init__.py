"""One file per kind of column: fit, encode, JSON state. Neither torch nor datasets."""
