"""What looks like a mistake in categories and dates: a rare spelling of a frequent value, rare values, placeholders."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from feilun.stages.data.cleaning import Line, line

MOST_VALUES = 2_000  # different values that are compared with each other
MOST_LETTERS = 40
RARE_ROWS = 5  # in fewer rows a network learns little about a value
RARE_SHARE = 0.02  # a slip is at most this often written, next to the right word
LEAST_LETTERS = 4  # one letter changes shorter words into others
SHOWN = 3
WORDS = {
    "unknown",
    "none",
    "null",
    "missing",
    "n.a.",
    "not available",
    "unspecified",
    "-",
    "--",
    ".",
    "?",
    "tbd",
    "#n/a",
}
WORDS |= {"nil", "not known", "no data", "undefined", "无", "未知", "不详", "缺失", "空", "暂无"}
DATES = ("1900-01-01", "1970-01-01", "1899-12-30", "1899-12-31", "0001-01-01", "9999-12-31", "2099-12-31", "1753-01-01")


def find(name: str, column: pa.ChunkedArray, missing: Sequence[str]) -> list[Line]:
    """Suspects among the words of one column. missing: data.missing."""
    counts = _counts(column)
    if not counts:
        return []
    if len(counts) == 1 and column.null_count == 0:
        why = f"every training row has {next(iter(counts))!r}: nothing can be learnt from it"
        return [line("constant", len(column), "kept", why, column=name, key=f"data.drop: [{name}]")]
    return [*_placeholders(name, counts, missing), *_slips(name, counts), *_rare(name, counts)]


def labels(name: str, column: pa.ChunkedArray) -> list[Line]:
    """A target's labels that differ from a more frequent one in case, width or spaces alone, and the key that joins."""
    slips = _alike(_counts(column))
    if not slips:
        return []
    counts = _counts(column)
    rows = sum(counts[value] for value in slips)
    key = f"target: {{column: {json.dumps(name, ensure_ascii=False)}, spellings: join}}"
    return [line("label spellings", rows, "classes of their own", _shown(slips), column=name, key=key)]


def joined(name: str, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, list[Line]]:
    """The target with each label as most rows write it, and what was changed."""
    counts = _counts(column)
    slips = _alike(counts)
    if not slips:
        return column, []
    coded = column.combine_chunks().dictionary_encode()
    words = pa.array([slips.get(value, value) for value in coded.dictionary.to_pylist()], pa.string())
    key = f"target: {{column: {json.dumps(name, ensure_ascii=False)}, spellings: apart}}"
    rows = sum(counts[value] for value in slips)
    told = line("label spellings", rows, "joined", _shown(slips), column=name, key=key)
    return pa.chunked_array([words.take(coded.indices)]), [told]


def placeholders(name: str, column: pa.ChunkedArray, missing: Sequence[str]) -> list[Line]:
    """Days that pile up and that programs write for "not known". column: ISO text."""
    days = pc.utf8_slice_codeunits(column.cast(pa.string()), 0, 10)
    found = pc.value_counts(days.filter(pc.is_in(days, value_set=pa.array(DATES)))).to_pylist()
    return [
        line(
            "placeholder",
            entry["counts"],
            "kept",
            f"{entry['values']} is what programs write for a missing date",
            column=name,
            key=missing_too(missing, [entry["values"]]),
        )
        for entry in found
        if entry["counts"] >= 3
    ]


def missing_too(missing: Sequence[str], more: Sequence[str]) -> str:
    """The recipe line by which these values count as missing as well."""
    return f"data.missing: {json.dumps([*missing, *more], ensure_ascii=False)}"


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    if not pa.types.is_string(column.type):
        return {}
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(column.drop_null()).to_pylist()}


def _placeholders(name: str, counts: Mapping[str, int], missing: Sequence[str]) -> Iterator[Line]:
    found = [value for value in counts if value.lower() in WORDS]
    if found:
        words = ", ".join(repr(value) for value in found[:SHOWN])
        key = missing_too(missing, found)
        rows = sum(counts[value] for value in found)
        yield line("placeholder", rows, "kept", f"{words}: a word for missing, kept as a value", column=name, key=key)


def _slips(name: str, counts: Mapping[str, int]) -> Iterator[Line]:
    """Values that differ from a more frequent one in case, space or width, or are rare and one edit away."""
    if len(counts) > MOST_VALUES:
        return
    words = [value for value in counts if sum(letter.isalpha() for letter in value) >= LEAST_LETTERS // 2]
    ordered = sorted(words, key=lambda value: (-counts[value], value))
    slips: list[tuple[str, str]] = []
    plain: dict[str, str] = {}
    near: dict[str, str] = {}  # a value without one letter -> the most frequent such value
    for value in ordered:
        key = _plain(value)
        other = plain.setdefault(key, value)
        if other == value and LEAST_LETTERS <= len(key) <= MOST_LETTERS:
            other = _one_edit(key, value, near, counts)
        if other != value:
            slips.append((value, other))
    if slips:
        rows = sum(counts[value] for value, _ in slips)
        yield line("typo suspects", rows, "kept", _shown(dict(slips)), column=name, key="correct the rows")


def _alike(counts: Mapping[str, int]) -> dict[str, str]:
    """{value: the most frequent one that differs in case, width or spaces alone}. A- is not A, nor -1 the same as 1."""
    plain = {value: " ".join(unicodedata.normalize("NFKC", value).casefold().split()) for value in counts}
    first: dict[str, str] = {}
    for value in sorted(counts, key=lambda value: (-counts[value], value)):
        first.setdefault(plain[value], value)
    return {value: first[plain[value]] for value in counts if first[plain[value]] != value}


def _shown(slips: Mapping[str, str]) -> str:
    shown = ", ".join(f"{value!r} for {other!r}" for value, other in list(slips.items())[:SHOWN])
    return shown + (f" and {len(slips) - SHOWN} more" if len(slips) > SHOWN else "")


def _one_edit(key: str, value: str, near: dict[str, str], counts: Mapping[str, int]) -> str:
    """A far more frequent value one letter away (inserted, deleted, replaced, swapped), or the value itself.

    Deletion neighbourhoods: Garbe, SymSpell 2012.
    """
    shorter = {key, *(key[:place] + key[place + 1 :] for place in range(len(key)))}
    found = [near[form] for form in shorter if form in near]
    for form in shorter:
        near.setdefault(form, value)
    for other in found:
        rare = counts[value] <= max(1, RARE_SHARE * counts[other]) and counts[other] >= RARE_ROWS
        if rare and re.sub(r"\d", "", key) != re.sub(r"\d", "", _plain(other)):  # room 12 is not room 13
            return other
    return value


def _rare(name: str, counts: Mapping[str, int]) -> Iterator[Line]:
    rare = [value for value, count in counts.items() if count < RARE_ROWS]
    if rare and sum(counts.values()) >= 100:
        rows = sum(counts[value] for value in rare)
        shown = ", ".join(repr(value) for value in sorted(rare)[:SHOWN])
        why = f"{len(rare):,} of {len(counts):,} values stand in fewer than {RARE_ROWS} training rows, such as {shown}"
        key = f'inputs: {{{name}: {{kind: category, at_least: {RARE_ROWS}}}, "*": found}}'
        yield line("rare categories", rows, "kept", why, column=name, key=key)


def _plain(value: str) -> str:
    """Without case, width, spaces and punctuation between letters."""
    return re.sub(r"[\s_\-.'’]+", "", unicodedata.normalize("NFKC", value)).casefold()
