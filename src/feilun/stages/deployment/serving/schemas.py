"""What the OpenAPI page says of request bodies; the bodies themselves are checked in limits.py and correcting.py."""

from __future__ import annotations

from typing import Any


def _body(properties: dict[str, Any], required: list[str], example: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "additionalProperties": False, "properties": properties, "required": required}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


_ROW = {"type": "object", "description": "one value for every column of /v1/schema; null where it is not known"}
PREDICT = _body(
    {
        "rows": {"type": "array", "items": _ROW, "description": "the rows to answer"},
        "row": {**_ROW, "description": "a single row, instead of rows"},
        "options": {"type": "object", "description": "options of the answer; see /v1/schema"},
    },
    [],
    {"rows": [{"column": "value"}]},
)
FEEDBACK = _body(
    {
        "id": {"type": "string", "description": "the id that came with the answer"},
        "answer": {"description": "what would have been right, in the form of the task's answers or its label"},
    },
    ["id", "answer"],
    {"id": "00000001-0123456789abcdef01234567", "answer": "the right one"},
)
