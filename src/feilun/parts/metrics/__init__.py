"""One file per kind of score, with intervals."""
