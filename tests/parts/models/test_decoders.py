"""Decoders: what a place may see, that remembering changes nothing, and that padding changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from feilun.core.errors import RecipeError
from feilun.parts.engine.randomness import initialised
from feilun.parts.models import decoder, encoder_decoder
from feilun.parts.ops import step_graph

SHAPES = (
    {},
    {"groups": 2, "positions": "learned"},
    {"norm": "layer", "activation": "gelu", "tied": False},
)


def small(**options: Any) -> decoder.Network:
    with initialised(0):
        made = decoder.build(decoder.MODEL(width=32, depth=2, heads=4, **options), symbols=20, longest=64)
    for weight in made.parameters():
        weight.data.mul_(3)  # so that every part is felt
    return made.eval()


def tokens(rows: int, places: int, seed: int = 1) -> Tensor:
    return torch.randint(1, 20, (rows, places), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("options", SHAPES)
def test_a_place_sees_itself_and_what_came_before(options: dict[str, object]) -> None:
    network, text = small(**options), tokens(2, 9)
    changed = text.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 20
    with torch.no_grad():
        one, two = (network(part)["logits"] for part in (text, changed))
    assert torch.allclose(one[:, :5], two[:, :5], atol=1e-5)
    assert ((one[:, 5:] - two[:, 5:]).abs().amax(2) > 1e-4).all()


@pytest.mark.parametrize("options", SHAPES)
def test_writing_step_by_step_says_what_the_whole_says(options: dict[str, object]) -> None:
    """Rows of different lengths, first several tokens at once, then one by one, in one cache with room to spare."""
    network = small(**options)
    step, text, lengths = decoder.Step(network), tokens(2, 12), torch.tensor([4, 7])
    sizes, layers = network.sizes, len(network.layers)
    cache = torch.full((layers, 2, 2, sizes.groups, 20, sizes.head), 7.0)  # what is not there yet must not matter
    past, count = torch.zeros(2, dtype=torch.int64), lengths
    with torch.no_grad():
        whole = network(text)["logits"]
        while int((past + count).max()) <= 12:
            new = torch.zeros(2, int(count.max()), dtype=torch.int64)
            for row in range(2):
                new[row, : count[row]] = text[row, past[row] : past[row] + count[row]]
            made = step(new, count, past, new[:, :0], **step_graph.held(cache))
            past = past + count
            for row, end in enumerate(past.tolist()):
                cache[:, :, row, :, end - count[row] : end] = made["fresh"][:, :, row, :, : count[row]]
                assert torch.allclose(made["logits"][row], whole[row, end - 1], atol=1e-4)
            count = torch.ones(2, dtype=torch.int64)
    assert past.tolist() == [9, 12]


def test_texts_in_one_row_do_not_see_each_other() -> None:
    network, one, two = small(), tokens(1, 5), tokens(1, 4, seed=2)
    documents = torch.tensor([[0] * 5 + [1] * 4])
    with torch.no_grad():
        packed = network(torch.cat([one, two], 1), documents)["logits"]
        alone = network(two)["logits"]
        leaking = network(torch.cat([one, two], 1))["logits"]
    assert torch.allclose(packed[:, 5:], alone, atol=1e-4)  # rotary positions are relative
    assert not torch.allclose(leaking[:, 5:], alone, atol=1e-2)


def test_only_what_is_to_be_learnt_counts_and_padding_never_does() -> None:
    network, text = small(), tokens(2, 8)
    batch = {"text": text, "text_length": torch.tensor([8, 5])}

    def of_token(logits: Tensor, wanted: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(logits, wanted, reduction="none")

    with torch.no_grad():
        plain = decoder.loss(network, batch, of_token)
        padded = {**batch, "text": torch.where(torch.arange(8) < batch["text_length"][:, None], text, 0)}
        assert torch.allclose(decoder.loss(network, padded, of_token), plain, atol=1e-5)
        each = of_token(network(text[:, :-1])["logits"][0], text[0, 1:])
        assert torch.allclose(plain[0], each.mean(), atol=1e-5)
        learnt = torch.zeros(2, 8)
        learnt[:, 3:5] = 1
        assert torch.allclose(
            decoder.loss(network, {**batch, "learnt": learnt}, of_token)[0], each[2:4].mean(), atol=1e-5
        )


@pytest.mark.parametrize("options", SHAPES)
def test_short_texts_side_by_side_have_the_losses_that_they_have_alone(options: dict[str, object]) -> None:
    network, seen = small(**options), list[tuple[int, ...]]()
    text, length = tokens(7, 12), torch.tensor([12, 3, 2, 5, 4, 6, 2])
    text = torch.where(torch.arange(12) < length[:, None], text, 0)
    learnt = torch.randint(0, 2, (7, 12), generator=torch.Generator().manual_seed(0))

    def of_token(logits: Tensor, wanted: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(logits, wanted, reduction="none")

    def watched(**batch: Tensor) -> dict[str, Tensor]:
        seen.append(tuple(batch["tokens"].shape))
        made: dict[str, Tensor] = network(**batch)
        return made

    batch = {"text": text, "text_length": length, "learnt": learnt}
    together = decoder.loss(watched, batch, of_token)
    assert seen == [(3, 11)], "27 tokens in rows of 11"
    alone = [
        decoder.loss(network, {name: part[row : row + 1] for name, part in batch.items()}, of_token) for row in range(7)
    ]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)
    gradients = []
    for loss in (together.sum(), torch.cat(alone).sum()):
        network.zero_grad()
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]))
    assert torch.allclose(*gradients, atol=1e-4)


def test_rows_without_lengths_are_full() -> None:
    network, text = small(), tokens(3, 8)

    def of_token(logits: Tensor, wanted: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(logits, wanted, reduction="none")

    with torch.no_grad():
        told = decoder.loss(network, {"text": text, "text_length": torch.full((3,), 8)}, of_token)
        assert torch.equal(decoder.loss(network, {"text": text}, of_token), told)


def test_a_gate_costs_no_more_numbers() -> None:
    counts = [sum(p.numel() for p in small(activation=one).parameters()) for one in ("gelu", "swiglu")]
    assert counts[1] == pytest.approx(counts[0], rel=0.03)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"groups": 3}, "groups"),
        ({"norm": "no"}, "norm"),
        ({"size": "huge"}, "size"),
        ({"positions": "sinus"}, "posit"),
    ],
)
def test_options_that_do_not_fit_are_told(options: dict[str, object], where: str) -> None:
    with pytest.raises(RecipeError, match=where):
        small(**options)


def test_an_encoder_decoder_remembers_and_ignores_padding() -> None:
    with initialised(0):
        network = encoder_decoder.Network(encoder_decoder.MODEL(width=32, depth=2, heads=4), 20, 20).eval()
    for weight in network.parameters():
        weight.data.mul_(3)
    source, length, prefix = tokens(2, 6), torch.tensor([6, 3]), tokens(2, 5, seed=3)
    longer = torch.cat([source, torch.full((2, 3), 9)], 1)
    with torch.no_grad():
        whole = network(source, length, prefix)["logits"]
        assert torch.allclose(network(longer, length, prefix)["logits"], whole, atol=1e-4)
        given = encoder_decoder.Encoder(network)(source, length)
        for place in range(5):
            made = encoder_decoder.Step(network)(prefix[:, place], given["state"], given["memory"], length)
            assert torch.allclose(made["logits"], whole[:, place], atol=1e-4)
            given["state"] = made["next_state"]
        other = network(torch.where(source == source[0, 0], 1, source), length, prefix)["logits"]
    assert not torch.allclose(other[0], whole[0], atol=1e-3)
