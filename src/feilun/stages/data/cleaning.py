"""The cleaning table: what was left out, moved, joined, marked or counted missing, how many, why, and how to change it.

One line is `{what, column, rows, done, why, key}`: `key` is the one recipe line that changes the decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from feilun.stages.data.cells.absent import Word

Line = dict[str, Any]
GAPS = {  # kind -> what becomes of a missing value
    "number": "0, and a mark that it was missing",
    "category": "a value of its own",
    "time": "0, and a mark that it was missing",
    "text": "an empty text",
}


def line(what: str, rows: int, done: str, why: str, *, column: str = "", key: str = "") -> Line:
    """One line of the table."""
    return {"what": what, "column": column, "rows": int(rows), "done": done, "why": why, "key": key}


def of_missing(
    before: pa.Table, after: pa.Table, kinds: Mapping[str, str], targets: tuple[str, ...], words: Mapping[str, Word]
) -> list[Line]:
    """Gaps of every input, and values that became gaps because they are not of their column's kind.

    words: {column: the one word that counts as missing in it, where it may be a value}.
    """
    lines = []
    for name, kind in kinds.items():
        if name in targets or name not in after.column_names:
            continue
        gaps = after.column(name).null_count
        lost = gaps - before.column(name).null_count if name in before.column_names else 0
        if lost > 0:
            what = {"number": "words among numbers", "time": "unreadable dates"}.get(kind, "unreadable values")
            key = f'inputs: {{{name}: category, "*": found}}'
            lines.append(line(what, lost, "counted missing", f"the column's kind is {kind}", column=name, key=key))
        if gaps:
            share = f"{gaps / max(1, after.num_rows):.1%} of the rows".replace("%", " %")
            key = f"data.drop: [{name}]"
            if name in words:
                share += f"; {words[name].rows:,} say {words[name].text!r}, which may be a value"
                key = words[name].key
            lines.append(line("missing values", gaps, GAPS.get(kind, "kept empty"), share, column=name, key=key))
    return lines


def of_targets(without: int, targets: tuple[str, ...], words: Mapping[str, Word]) -> list[Line]:
    """A line about rows that have nothing to learn from, and about a word for missing that may be a class."""
    if not without:
        return []
    found = [(name, words[name]) for name in targets if name in words]
    why = "; ".join(f"{word.rows:,} say {word.text!r}: is that a class?" for _, word in found) or "nothing to learn"
    key = found[0][1].key if found else ""
    return [line("rows without a target", without, "left out", why, column=", ".join(targets), key=key)]


def said_of_targets(targets: tuple[str, ...], words: Mapping[str, Word]) -> list[str]:
    """The same in words."""
    found = [(name, words[name]) for name in targets if name in words]
    return [
        f"{name} is {word.text!r} in {word.rows:,} rows, which counts as missing. If that is a class, write {word.key}."
        for name, word in found
    ]


def of_sides(facts: Mapping[str, int], by: str, *, looked: bool) -> list[Line]:
    """Lines about rows that were moved or left out when they were dealt. looked: for near-duplicates."""
    equal = f"they equal rows that are judged{', nearly, or share a long text or a picture' if looked else ''}"
    apart = f"their {'times' if by == 'time' else 'groups'} differ, and those come first"
    whys = {
        "left_out_equal_to_given": (
            "training rows equal to judged rows",
            "left out",
            equal,
            "data.near: ignore" if looked else "",
        ),
        "left_out_group_of_given": (
            "training rows of judged groups",
            "left out",
            "a group stands on one side only",
            "data.split.by: hash",
        ),
        "left_out_later_than_test": (
            "rows after this fold's test",
            "left out",
            "what comes later is not known yet",
            "data.split.by: hash",
        ),
        "left_out_without_time": (
            "rows without a time",
            "left out",
            "nobody knows on which side they belong",
            "data.split.by: hash",
        ),
        "left_out_by_part": ("training rows beyond the part", "left out", "asked for", "data.split.part: 1"),
        "left_out_by_each": ("training rows beyond so many", "left out", "asked for", "data.split.each: null"),
        "moved_for_rare_classes": (
            "rows of rare classes",
            "moved to training",
            "no training row had their class",
            "add rows",
        ),
        "too_few_to_deal_by_hash": ("few rows", "dealt in turn", "rows that come later may move others", "add rows"),
        "apart_across_groups": ("equal rows", "on several sides", apart, "data.split.by: hash"),
        "shared_on_several_sides": (
            "shared texts or pictures",
            "on several sides",
            "groups, times and given files come first, and what most rows share describes what they have in common",
            "data.split.by: hash",
        ),
    }
    return [
        line(what, facts[name], done, why, key=key)
        for name, (what, done, why, key) in whys.items()
        if facts.get(name, 0)
    ]


def said(facts: Mapping[str, int]) -> list[str]:
    """What happened to whole rows, in words."""
    sentences = {
        "without_target": "{:,} rows without a target were left out.",
        "dropped_duplicates": "{:,} rows equal an earlier row and were dropped.",
        "dropped_near": "{:,} rows nearly equal an earlier row and were dropped.",
        "left_out_equal_to_given": "{:,} training rows equal given test or validation rows and were left out.",
        "left_out_group_of_given": "{:,} training rows share a group with given test or validation rows and were "
        "left out.",
        "left_out_later_than_test": "{:,} rows come after this fold's test and were left out.",
        "left_out_without_time": "{:,} rows without a time were left out.",
        "left_out_by_part": "{:,} training rows were left out: data.split.part uses a part of them.",
        "left_out_by_each": "{:,} training rows were left out: data.split.each uses so many of each class.",
        "left_out_outliers": "{:,} training rows with outliers were dropped.",
        "moved_for_rare_classes": "{:,} rows of rare classes were moved to training.",
    }
    notes = [sentence.format(facts[name]) for name, sentence in sentences.items() if facts.get(name, 0)]
    if facts.get("too_few_to_deal_by_hash"):
        notes.append("So few rows that they were dealt in turn: rows that come later may move others.")
    return notes
