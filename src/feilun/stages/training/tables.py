"""Which rows of a table of vectors mean the same in two trainings: tokens have the numbers they were fitted with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.parts.engine.transfer import Vectors
from feilun.parts.features import published_pieces

ENCODER = re.compile(r"^(?P<player>[^/]*/)encoders\.(?P<place>\d+)\.(?P<rest>.*)$")


def same_encoders(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[int, int]:
    """{place of an encoder here: there}: of the input with the same name, else of the next one of its kind.

    mine: {name: Feature}; theirs: {name: its JSON}.
    """
    here = [(name, feature.kind) for name, feature in _inputs(mine)]
    there = [(name, str(facts["kind"])) for name, facts in _inputs(theirs)]
    pairs = {place: there.index(one) for place, one in enumerate(here) if one in there}
    for place, (_, kind) in enumerate(here):
        free = [other for other, (_, same) in enumerate(there) if same == kind and other not in pairs.values()]
        if place not in pairs and free:
            pairs[place] = free[0]
    return pairs


def matched(
    networks: Mapping[str, nn.Module], mine: Mapping[str, Any], theirs: Mapping[str, Any]
) -> dict[str, Vectors]:
    """{layer: rows that mean the same} of every table whose rows mean other values there.

    A table belongs to the text or category that has as many values; in a network of encoders to its encoder's input.
    """
    found: dict[str, Vectors] = {}
    for player, network in networks.items():
        for place, module in network.named_modules():
            if not isinstance(module, nn.Embedding | nn.EmbeddingBag):
                continue
            rows = [
                (here, there)
                for here, there in _meanings(f"{player}/{place}", mine, theirs)
                if len(here) == module.num_embeddings
            ]
            if any(here != there for here, there in rows):
                found[f"{player}/{place}"] = _same(*rows[0]) if len(rows) == 1 else _NONE
    return found


def fewer_places(networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]) -> dict[str, Vectors]:
    """{layer: the first rows} of learnt positions, of which there are more than this network sees at once."""
    found = {}
    for player, network in networks.items():
        own: Any = getattr(network, "places", None)
        names = (f"{player}/places.weight", "places.weight")
        other = next((tensors[name] for name in names if name in tensors), None)
        if isinstance(own, nn.Embedding) and other is not None and len(other) > own.num_embeddings:
            first = np.arange(own.num_embeddings)
            found[f"{player}/places"] = Vectors(mine=first, theirs=first)
    return found


def renumbered(feature: Any, published: int) -> dict[str, Vectors]:
    """{layer: rows in our order} of a published encoder-decoder, whose tokens have our numbers here.

    feature: the text that is written.  published: rows there are.  Raises RecipeError where tokens outnumber them.
    """
    order = np.array(published_pieces.order(feature.reserved, feature.vocabulary_size))
    if order.max() >= published:
        raise RecipeError(
            f"The tokens of these weights are {order.max() + 1:,}, their table has {published:,} rows. Fetch the "
            "tokenizer that goes with the weights.",
            where="model.weights",
            expected=f"at most {published:,} tokens",
            got=f"{order.max() + 1:,}",
            fix="download all files of the weights again",
        )
    rows = Vectors(mine=np.arange(len(order)), theirs=order)
    return {f"main/{layer}": rows for layer in ("target_vectors", "head", "shift")}


_NONE = Vectors(mine=np.zeros(0, np.int64), theirs=np.zeros(0, np.int64))  # two features fit: nobody knows which


def _meanings(
    layer: str, mine: Mapping[str, Any], theirs: Mapping[str, Any]
) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """(what the rows stand for here, and there) for each column that this table may belong to."""
    last = layer.rpartition(".")[2]
    found = []
    for feature, other in _owners(layer, mine, theirs):
        pairs = list(zip(_values(feature), _values(discover.feature(**other)), strict=False))
        found += [pairs[int(last)]] if last.isdigit() and int(last) < len(pairs) else pairs
    return found


def _owners(layer: str, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
    """(feature here, its JSON there): of the encoder's input, of the input that has the table's name, or all."""
    encoder = ENCODER.match(layer)
    if encoder is not None:
        place, encoders = int(encoder["place"]), same_encoders(mine, theirs)
        return [(_inputs(mine)[place][1], _inputs(theirs)[encoders[place]][1])] if place in encoders else []
    named = layer.partition("/")[2]
    both = {name: (feature, theirs[name]) for name, feature in mine.items() if name in theirs}
    return [both[named]] if named in both else list(both.values())


def _inputs(features: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """In the order of the encoders."""
    return [(name, feature) for name, feature in features.items() if name != "target"]


def _values(feature: Any) -> list[tuple[Any, ...]]:
    """For each table a feature may have: what its rows stand for."""
    if feature.kind in ("text", "reading"):
        return [tuple(feature.pieces)]
    if feature.kind == "category":
        return [(None, *values) for values in feature.vocabularies]
    return []


def _same(here: tuple[Any, ...], there: tuple[Any, ...]) -> Vectors:
    known = {word: number for number, word in enumerate(there)}
    pairs = [(number, known[word]) for number, word in enumerate(here) if word in known]
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return Vectors(mine=both[:, 0], theirs=both[:, 1])
