"""What one room may ask of another: small protocols, so that no brick imports another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np

    from feilun.core.task import Json, Rows


class Feature(Protocol):
    """A fitted or unfitted encoder of one or several columns: a frozen dataclass whose fields are JSON.

    Each file in parts/features names its class `FEATURE`; `FEATURE(**json)` must rebuild it from `to_json()`.
    """

    kind: ClassVar[str]  # the file's name

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""

    @property
    def fitted(self) -> bool:
        """Whether it has learnt from training rows."""

    def fit(self, rows: Rows) -> Feature:
        """A fitted copy. Raises DataError if nothing can be learnt from these rows."""

    def encode(self, rows: Rows) -> Any:
        """ndarray (N, ...) or parts.ops.ragged.Ragged; uint8 means a picture. Raises DataError on a bad value."""

    def to_json(self) -> dict[str, Any]:
        """Options and fitted state."""


class Runner(Protocol):
    """Runs one named graph: torch or onnxruntime behind the same call. wanted: outputs; none named: all of them."""

    def __call__(self, graph: str, /, *wanted: str, **arrays: np.ndarray) -> dict[str, np.ndarray]: ...


class Say(Protocol):
    """How a stage tells a person what happens. The command line and a notebook draw it differently."""

    def line(self, text: str) -> None:
        """A line that stays."""

    def progress(self, stage: str, **fields: Any) -> None:
        """The one line that is overwritten: epoch, of, loss, score, rows_per_s, left_s, ..."""


class Ledger(Protocol):
    """Where promotions and their reasons are recorded; the store behind it."""

    def champion(self, name: str) -> int | None: ...

    def record(self, action: str, name: str, version: int, reason: str, evidence: Json) -> None: ...
