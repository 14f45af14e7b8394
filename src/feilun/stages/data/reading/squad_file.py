"""SQuAD: articles of paragraphs of questions in one JSON file, as SQuAD 1.1 and 2.0, CMRC 2018 and DRCD have them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.parts.delimited import encoding
from feilun.stages.data.reading import raw

COLUMNS = ("id", "title", "context", "question", "answers")
ANSWERS = pa.list_(pa.struct([("text", pa.string()), ("answer_start", pa.int64())]))
HEAD_BYTES = 4096  # of a file, in which its form shows
FORM = '{"data": [{"paragraphs": [{"context": ..., "qas": [{"id": ..., "question": ..., "answers": [...]}]}]}]}'


def is_squad(head: bytes) -> bool:
    """Whether a JSON file begins like one."""
    return b'"data"' in head and b'"paragraphs"' in head


def read(path: Path, data: Data, most: raw.Most) -> raw.Raw:
    """Columns id, title, context, question and answers, [{text, answer_start}], empty where `is_impossible` says so.

    Raises DataError for a file of another form.
    """
    with raw.opened(path):
        content = encoding.text_of(path, data.encoding)
    try:
        rows = list(_rows(json.loads(content)))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path} is not in SQuAD's form ({type(error).__name__}: {str(error)[:80]}). Expected {FORM}.",
            where=str(path),
            expected=FORM,
            got=str(error)[:80],
            fix="give rows as JSON lines: question, context, answers",
        ) from error
    if not rows:
        raise DataError(f"{path} has no questions. Add some.", where=str(path), fix="add questions")
    shown = rows[: most.rows]
    columns = {name: pa.array([row[place] for row in shown], pa.string()) for place, name in enumerate(COLUMNS[:-1])}
    table = pa.table({**columns, "answers": pa.array([row[-1] for row in shown], ANSWERS)})
    return raw.of(table, str(path), rows=len(rows), target="answers")


def _rows(content: Any) -> Iterator[tuple[str, str, str, str, list[dict[str, Any]]]]:
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                given = [] if asked.get("is_impossible") else [_answer(one) for one in asked.get("answers") or ()]
                title = str(article.get("title") or article.get("id") or "")
                yield str(asked["id"]), title, str(paragraph["context"]), str(asked["question"]), given


def _answer(one: Mapping[str, Any]) -> dict[str, Any]:
    start = one.get("answer_start")
    return {"text": str(one["text"]), "answer_start": None if start is None else int(start)}
