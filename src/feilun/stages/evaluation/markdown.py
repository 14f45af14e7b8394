"""Text of a person's, such as a column's or a class's name, as Markdown that shows it and does nothing else."""

from __future__ import annotations

import re

HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
MARKS = re.compile(r"[\\`*\[\]|~$#]|(?<![^\W_])_|_(?![^\W_])")  # an underscore within a word means nothing
START = re.compile(r"^([-+=:]|\d+[.)])")  # of a list, a heading, a table's rule
BARE = re.compile(r"(?i)\b(https?|ftp|mailto|www)([:.])")  # an address becomes a link by itself


def escaped(text: str) -> str:
    """The text on one line, for a paragraph, a list or a cell (CommonMark, and what GitHub adds to it)."""
    line = " ".join(str(text).split())
    line = MARKS.sub(r"\\\g<0>", re.sub("[&<>]", lambda found: HTML[found[0]], line))
    line = START.sub(lambda found: f"{found[1][:-1]}\\{found[1][-1]}", line)
    return BARE.sub(lambda found: f"{found[1]}{'&#58;' if found[2] == ':' else '&#46;'}", line)
