"""What the OpenAPI page says of request bodies; the bodies themselves are checked in limits.py and correcting.py."""

from __future__ import annotations

from typing import Any


def body(properties: dict[str, Any], required: list[str], example: dict[str, Any]) -> dict[str, Any]:
    """A JSON object with these and no other properties."""
    schema = {"type": "object", "additionalProperties": False, "properties": properties, "required": required}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


_ROW = {"type": "object", "description": "one value for every column of /v1/schema; null where it is not known"}
PREDICT = body(
    {
        "rows": {"type": "array", "items": _ROW, "description": "the rows to answer"},
        "row": {**_ROW, "description": "a single row, instead of rows"},
        "options": {"type": "object", "description": "options of the answer; see /v1/schema"},
    },
    [],
    {"rows": [{"column": "value"}]},
)
FEEDBACK = body(
    {
        "id": {"type": "string", "description": "the id that came with the answer"},
        "answer": {"description": "what would have been right, in the form of the task's answers or its label"},
        "thumb": {"enum": ["up", "down"], "description": "instead of an answer: whether it was good; the last counts"},
    },
    ["id"],
    {"id": "00000001-0123456789abcdef01234567", "answer": "the right one"},
)
