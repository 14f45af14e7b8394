"""Three mistakes that make a language model look better than it is, planted one by one: each is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from feilun.core import discover
from feilun.parts.models import decoder

SYMBOLS, ROWS, LONGEST = 11, 4, 9
LENGTHS = torch.tensor([9, 5, 7, 3])
ANSWERS = torch.tensor([6, 3, 4, 2])  # where each row's answer begins
PLANTED = {
    "padding is learnt": ("counts = stems.present(prefix, length)", "counts = torch.ones_like(prefix)"),
    "each token foretells itself": ("text[:, :-1], text[:, 1:]", "text[:, 1:], text[:, 1:]"),
    "each token foretells the one after the next": (
        "prefix, wanted = text[:, :-1], text[:, 1:]",
        "prefix, wanted = text[:, :-1], text.roll(-2, 1)[:, :-1]",
    ),
    "the question is learnt": ('counts * batch["learnt"][:, 1:] if "learnt" in batch else counts', "counts"),
    "the places that are learnt are not shifted": ('batch["learnt"][:, 1:]', 'batch["learnt"][:, :-1]'),
}


def batch() -> dict[str, Tensor]:
    """Rows that count up from another number each; the answer is what is behind its beginning."""
    places = torch.arange(LONGEST)
    text = (places + torch.arange(ROWS).unsqueeze(1)) % (SYMBOLS - 1) + 1
    there = places < LENGTHS.unsqueeze(1)
    learnt = (places >= ANSWERS.unsqueeze(1)) & there
    return {"text": text * there, "text_length": LENGTHS, "learnt": learnt.long()}


def counting(*, wrong_in: Callable[[Tensor], Tensor] | None = None) -> Callable[..., dict[str, Tensor]]:
    """A network that knows how to count: sure of the next number, and as sure of a wrong one where told to."""

    def network(tokens: Tensor, documents: Tensor | None = None, places: Tensor | None = None) -> dict[str, Tensor]:
        following = tokens % (SYMBOLS - 1) + 1
        if wrong_in is not None:
            following = torch.where(wrong_in(tokens), torch.zeros_like(following), following)
        return {"logits": 40.0 * functional.one_hot(following, SYMBOLS).float()}

    return network


def loss_of(module: Any, network: Any, given: Mapping[str, Tensor]) -> Tensor:
    found: Tensor = module.loss(
        network, given, lambda said, wanted: functional.cross_entropy(said, wanted, reduction="none")
    )
    return found


def check(module: Any) -> None:
    """Of an objective: a network that can count has nothing to learn of answers, whatever it says elsewhere."""
    given = batch()
    alone = {"text": given["text"][:1], "text_length": LENGTHS[:1], "learnt": given["learnt"][:1]}
    assert loss_of(module, counting(), given).max() < 1e-6
    asked = {int(token) for token in given["text"][0, : int(ANSWERS[0]) - 1]}
    blind = counting(wrong_in=lambda tokens: torch.isin(tokens, torch.tensor(sorted(asked))))
    assert loss_of(module, blind, alone).max() < 1e-6
    deaf = counting(wrong_in=lambda tokens: tokens == int(given["text"][0, int(ANSWERS[0]) - 1]))
    assert loss_of(module, deaf, alone).item() == pytest.approx(40 / 3, rel=1e-3)  # one of three tokens of the answer
    padded = {**given, "learnt": torch.where(given["text"] == 0, 1, given["learnt"])}
    assert torch.equal(loss_of(module, counting(), padded), loss_of(module, counting(), given))


def test_nothing_is_wrong_with_ours() -> None:
    check(decoder)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_found(name: str, tmp_path: Path) -> None:
    old, new = PLANTED[name]
    source = Path(decoder.__file__).read_text(encoding="utf-8")
    assert source.count(old) == 1
    (tmp_path / "planted.py").write_text(source.replace(old, new), encoding="utf-8")
    with pytest.raises(AssertionError):
        check(discover.python_file(tmp_path / "planted.py"))
