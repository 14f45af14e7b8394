"""Notes a prediction in the log, so that feedback finds it by its id."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feilun.core.task import Json, Row
    from feilun.parts.bundle.loading import Bundle
    from feilun.parts.store import PredictionLog


def note(
    log: PredictionLog,
    bundle: Bundle,
    id: str,
    row: Row,
    answer: Json,
    facts: Mapping[str, Any],
    row_bytes: int | None = None,
) -> None:
    """Never waits for the disk. row_bytes: about the row's size as JSON, measured where left out."""
    who = {"id": id, "at": round(time.time(), 3), "name": bundle.name, "version": bundle.version}
    size = len(json.dumps(row)) if row_bytes is None else row_bytes
    log.append({**who, "row": row, "answer": answer, **facts}, size + len(json.dumps(answer)) + 256)
