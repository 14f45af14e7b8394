"""From a request to pieces of texts: by the engine over our own bundle."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from feilun.parts.ops.continuing import Wish
from feilun.parts.ops.next_token import OutOfBoundsError, seeded
from feilun.stages.deployment.serving.language import shapes
from feilun.stages.deployment.serving.replies import Refused

if TYPE_CHECKING:
    from feilun.core.task import Row
    from feilun.stages.deployment.serving.language.asking import Asked
    from feilun.stages.deployment.serving.language.engine import Engine, Piece


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """A request that may be written. rows: of each text.  pieces: (whose it is) -> as they come.

    cut: {text: {read: last tokens of its prompt, of: how many there are}} where not all were read, as far as is known.
    """

    rows: Sequence[Row]
    pieces: Callable[[str], AsyncIterator[Piece]]
    usage: Callable[[int], dict[str, int]]
    cut: Mapping[int, dict[str, int]] = field(default_factory=dict)


class Writer(Protocol):
    """What writes: the engine, or another server."""

    def ready(self, asked: Asked) -> Ready:
        """Called in a worker thread. Raises FeilunError for what cannot be asked."""

    @property
    def counts(self) -> dict[str, int]:
        """{writing, waiting}: texts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Own:
    """The bundle's own graphs."""

    engine: Engine

    @property
    def counts(self) -> dict[str, int]:
        return self.engine.counts

    def ready(self, asked: Asked) -> Ready:
        pen, context = self.engine.pen, self.engine.pen.sizes.context
        rows = [pen.row(prompt) for prompt in asked.prompts]
        prompts = [pen.prompt(row) for row in rows]
        wishes = [self._wish(asked, prompt[-context:], choice) for prompt in prompts for choice in range(asked.n)]
        read = sum(min(len(prompt), context) for prompt in prompts)
        lengths = [len(prompt) for prompt in prompts for _ in range(asked.n)]
        return Ready(
            rows=[row for row in rows for _ in range(asked.n)],
            pieces=lambda key: self.engine.pieces(key, wishes, asked.stops),
            usage=lambda written: shapes.usage(read, written),
            cut={text: {"read": context, "of": count} for text, count in enumerate(lengths) if count > context},
        )

    def _wish(self, asked: Asked, prompt: list[int], choice: int) -> Wish:
        """The first choice draws what /v1/predict draws with the same seed."""
        seed = (*seeded(asked.seed), *prompt, *([choice] if choice else []))
        plain = Wish(prompt=prompt, longest=asked.longest, drawing=asked.drawing, seed=seed, told=asked.told)
        if asked.schema is None:
            return plain
        try:
            holding = self.engine.pen.hold(asked.schema, asked.longest)
        except OutOfBoundsError as error:
            raise Refused(400, str(error), where=f"response_format.{error.name}", expected=error.expected) from None
        return replace(plain, allowed=holding.allowed, whole=holding.whole)
