"""The network drawn from its weights file: blocks with shapes and parameter counts, from inputs to output."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from feilun.stages.evaluation.bilingual import Phrase, listed, tell, term, verbatim
from feilun.stages.evaluation.phrases import cut

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe

LONGEST_HEADER = 4_000_000  # bytes
NOT_LEARNT = ("running_mean", "running_var", "num_batches_tracked")
MOST = 14  # blocks drawn; the rest are summed up
WIDTH, TALL, STEP = 340, 46, 64
FIRST = ("encoder", "stem", "embed", "vectors", "features")
LAST = ("head", "output", "logits")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Some layers of the same kind in one place. shape: of the largest weights.  names: of its parameters."""

    path: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    parameters: int
    times: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """One box of the drawing. share: of the largest block; 0 for what comes in and what goes out."""

    name: Phrase
    facts: Phrase
    under: Phrase | None = None
    share: float = 0.0

    @property
    def kind(self) -> str:
        """The class of its box."""
        return "block" if self.share else "end"


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """{parameter: shape} from the head of a safetensors file; {} if it is none."""
    with path.open("rb") as file:
        start = file.read(8)
        size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 0 < size <= LONGEST_HEADER:
            return {}
        try:
            found = json.loads(file.read(size))
        except ValueError:
            return {}
    return {
        name: tuple(int(side) for side in about["shape"])
        for name, about in found.items()
        if name != "__metadata__" and isinstance(about, dict) and "shape" in about
    }


def blocks(found: Mapping[str, Sequence[int]]) -> list[Block]:
    """One block per layer in the order data flow, as far as names tell.

    Layers alike that follow each other are one block, and so is a layer with the normalisation after it.
    """
    layers: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in found.items():
        if not name.endswith(NOT_LEARNT):
            path, _, own = name.rpartition(".")
            layers.setdefault(path or name, {})[own] = tuple(shape)
    made: list[Block] = []
    for path in sorted(layers, key=_order):
        sizes = layers[path]
        largest = max(sizes.values(), key=lambda size: (len(size), math.prod(size)))
        block = Block(path=path, names=tuple(sizes), shape=largest, parameters=sum(map(math.prod, sizes.values())))
        last = made[-1] if made else None
        same = last is not None and _numberless(last.path) == _numberless(path)
        if last is not None and same and (_alike(last, block) or (len(largest) == 1 < len(last.shape))):
            times = last.times + (1 if len(largest) == len(last.shape) else 0)
            made[-1] = replace(last, parameters=last.parameters + block.parameters, times=times)
        else:
            made.append(block)
    return made


def drawing(found: Mapping[str, Sequence[int]], recipe: Recipe) -> Markup:
    """Inputs on top, then every block, then what comes out; "" without weights."""
    made = blocks(found)
    if not made:
        return Markup("")
    most = max(block.parameters for block in made) or 1
    kept = sorted(sorted(made, key=lambda block: -block.parameters)[:MOST], key=made.index)
    rest = len(made) - len(kept)
    first, facts = _inputs(recipe)
    lines = [_Line(name=first, facts=facts), *(_block_line(block, most) for block in kept)]
    if rest:
        count = sum(block.parameters for block in made) - sum(block.parameters for block in kept)
        small = tell("and {count} smaller blocks", count=rest)
        lines.append(_Line(name=small, facts=verbatim(f"{count:,}"), share=count / most))
    targets = ", ".join(recipe.target.columns) if recipe.target else ""
    lines.append(_Line(name=tell("answer"), facts=verbatim(cut(targets, 32))))
    parts = [part for row, line in enumerate(lines) for part in _row(row, len(lines), line)]
    height = STEP * len(lines) - (STEP - TALL) + 4
    tip = '<marker id="tip-network" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    defs = f'<defs>{tip}<path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>'
    label = f'role="img" aria-label="{len(made)} blocks"'
    return Markup(f'<svg class="network" viewBox="0 0 {WIDTH} {height}" {label}>{defs}{"".join(parts)}</svg>')


def _row(row: int, rows: int, line: _Line) -> list[str]:
    y = row * STEP + 2
    parts = [f'<rect x="2" y="{y}" width="{WIDTH - 4}" height="{TALL}" rx="6" class="{line.kind}"/>']
    if line.share:  # the square root, so that small blocks are seen too
        wide = (WIDTH - 4) * math.sqrt(line.share)
        parts.append(f'<rect x="2" y="{y + TALL - 5}" width="{wide:.1f}" height="5" class="weight"/>')
    parts.append(line.name.drawn(f'x="14" y="{y + 20}" class="name"'))
    parts.append(line.facts.drawn(f'x="{WIDTH - 14}" y="{y + 20}" text-anchor="end" class="fact"'))
    if line.under:
        parts.append(line.under.drawn(f'x="14" y="{y + 37}" class="fact"'))
    if row + 1 < rows:
        parts.append(
            f'<line x1="{WIDTH / 2}" x2="{WIDTH / 2}" y1="{y + TALL + 1}" y2="{y + STEP - 1}" class="arrow" '
            'marker-end="url(#tip-network)"/>'
        )
    return parts


def _block_line(block: Block, most: int) -> _Line:
    player, _, path = block.path.rpartition("/")
    place = path if player in ("", "main") else f"{player}: {path}"
    return _Line(
        name=_kind(block),
        facts=verbatim(f"{block.parameters:,}"),
        under=verbatim(place if len(place) <= 44 else f"…{place[-43:]}"),
        share=block.parameters / most,
    )


def _kind(block: Block) -> Phrase:
    """What it is, by the names and shapes of its weights: `convolution 3 × 3, 1 → 16`."""
    shape, name = block.shape, block.path.rpartition("/")[2]
    times = f" × {block.times}" if block.times > 1 else ""
    if any(one.startswith("weight_ih") for one in block.names):
        one = tell("recurrent, {inner} → {outer} gates", inner=shape[-1], outer=shape[0])
    elif any(one.startswith("in_proj") for one in block.names):
        one = tell("attention, {inner} wide", inner=shape[-1])
    elif len(shape) == 2 and any(word in name for word in ("vectors", "embed")):
        if block.times > 1:
            return tell("{count} tables of vectors", count=block.times)
        one = tell("vectors, {count} of {inner}", count=f"{shape[0]:,}", inner=shape[1])
    elif len(shape) == 4:
        one = tell("convolution {a} × {b}, {inner} → {outer}", a=shape[2], b=shape[3], inner=shape[1], outer=shape[0])
    elif len(shape) == 2:
        one = tell("dense, {inner} → {outer}", inner=f"{shape[1]:,}", outer=f"{shape[0]:,}")
    else:
        one = tell("weights {shape}", shape=" × ".join(str(side) for side in shape) or "1")
    return Phrase(one.en + times, one.zh + times)


def _inputs(recipe: Recipe) -> tuple[Phrase, Phrase]:
    names = list(recipe.inputs)
    kinds: dict[str, int] = {}
    for item in recipe.inputs.values():
        kinds[item.kind] = kinds.get(item.kind, 0) + 1
    if len(names) == 1:
        return verbatim(cut(names[0], 24)), term(recipe.inputs[names[0]].kind)
    said = [tell("{count} × {kind}", count=count, kind=term(kind)) for kind, count in list(kinds.items())[:3]]
    both = listed(said)
    return tell("{count} columns", count=len(names)), both


def _numberless(path: str) -> str:
    return re.sub(r"\d+", "#", path)


def _order(path: str) -> tuple[str, int, list[tuple[int, int, str]]]:
    """Players apart; what reads inputs first, what gives the answer last, numbers as numbers."""
    player, _, rest = path.partition("/")
    place = 0 if rest.startswith(FIRST) else 2 if rest.startswith(LAST) else 1
    pieces = [(0, int(p), "") if p.isdigit() else (1, _inner(p), p) for p in rest.split(".")]
    return player, place, pieces


def _inner(piece: str) -> int:
    return 0 if piece.startswith(("vectors", "embed")) else 2 if piece.startswith(LAST) else 1


def _alike(one: Block, other: Block) -> bool:
    """The same kind of weights, or tables of vectors, whose sizes differ by column."""
    tables = "vectors" in one.path and len(one.shape) == len(other.shape) == 2
    return one.shape == other.shape or tables
