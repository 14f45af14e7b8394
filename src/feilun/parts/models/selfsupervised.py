"""Learning before the answers: hidden parts are found again, two views of a picture, or rows of one label paired."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.core.errors import RecipeError
from feilun.parts.models import initial, views
from feilun.parts.ops.contrast import contrastive, found

HIDDEN, TRUTH, VIEW = "/hidden", "/truth", "/view"  # what `changed` adds to a batch, behind the name of an input
SHARE = 0.15  # of tokens and steps that are to be found: Devlin et al. 2019
REPLACED, RANDOM = (
    0.8,
    0.9,
)  # of these, by the token that stands for hidden, or zeros; up to here by another; the rest stays
PATCHES, COVERED = 8, 0.5  # patches along each side of a picture, and the share of them that is hidden
LABEL, APART = "target", 0.1  # what rows have in common, and the temperature at which they are told apart
PROJECTION, TEMPERATURE = 128, 0.5  # Chen et al. 2020, 128 numbers; 0.5 is theirs for small pictures (appendix B.9)


class Masked(nn.Module):
    """The encoders of a network with a small answer each. forward(**batch) -> {"losses": (B,)}.

    Tokens: cross-entropy, the answer is tied to the table of vectors. Steps: squared error. Pictures: squared error
    of the mean colour of each hidden patch, from the encoder's one vector (Pathak et al. 2016, in coarse).
    """

    def __init__(self, network: Any, features: Mapping[str, Any]) -> None:
        super().__init__()
        self.inputs = tuple(
            name for name, one in zip(network.inputs, network.encoders, strict=True) if _masks(one, features[name])
        )
        self.kinds = {name: features[name].kind for name in self.inputs}
        self.encoders = nn.ModuleList(_encoder(network, name) for name in self.inputs)
        self.answers = nn.ModuleList(
            _answer(one, features[name]) for name, one in zip(self.inputs, self.encoders, strict=True)
        )

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """The mean over inputs of each row's loss."""
        losses = [
            LOSSES[self.kinds[name]](encoder, answer, name, batch)
            for name, encoder, answer in zip(self.inputs, self.encoders, self.answers, strict=True)
        ]
        return {"losses": torch.stack(losses).mean(0)}


class Contrastive(nn.Module):
    """The encoders of pictures with a projection each (SimCLR, Chen et al. 2020).

    forward(**batch) -> {"losses": (B,)}.
    """

    def __init__(self, network: Any, features: Mapping[str, Any]) -> None:
        super().__init__()
        self.inputs = tuple(name for name in network.inputs if features[name].kind == "image")
        self.encoders = nn.ModuleList(_encoder(network, name) for name in self.inputs)
        self.answers = nn.ModuleList(_projection(int(one.width)) for one in self.encoders)  # type: ignore[arg-type]

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """The mean over inputs of each row's loss."""
        losses = []
        for name, encoder, answer in zip(self.inputs, self.encoders, self.answers, strict=True):
            both = torch.cat([batch[name], batch[f"{name}{VIEW}"]])
            one, other = answer(encoder(both)).chunk(2)
            losses.append(contrastive(one, other, temperature=TEMPERATURE))
        return {"losses": torch.stack(losses).mean(0)}


class Together(nn.Module):
    """All encoders of a network, joined: rows of one label find each other among the batch (Khosla et al. 2020).

    For a few labels on a text encoder: SetFit (Tunstall et al. 2022).  forward(**batch, target) -> {"losses": (B,)}.
    """

    def __init__(self, network: Any, features: Mapping[str, Any]) -> None:
        super().__init__()
        self.inputs = tuple(network.inputs)
        self.encoders = nn.ModuleList(network.encoders)

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """A row without another of its label in the batch teaches nothing."""
        every = zip(self.inputs, self.encoders, strict=True)
        parts = [encoder(batch[name], batch.get(f"{name}_length")) for name, encoder in every]
        unit = functional.normalize(torch.cat(parts, dim=1), dim=1)
        alike = batch[LABEL].unsqueeze(1) == batch[LABEL].unsqueeze(0)
        myself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
        return {"losses": found(unit @ unit.T / APART, alike & ~myself, ~alike)}


def network(method: str, whole: nn.Module, features: Mapping[str, Any]) -> nn.Module:
    """The network that learns; it shares its encoders with `whole`. Raises RecipeError where there is nothing to do."""
    known: dict[str, Any] = {"masked": Masked, "contrastive": Contrastive, "labels": Together}
    reads = {
        "masked": "tokens or steps in order, or pictures: transformer, gru, lstm, rnn, cnn",
        "contrastive": "pictures: cnn",
        "labels": "any input",
    }
    made: nn.Module | None = known[method](whole, features) if hasattr(whole, "encoders") else None
    if made is None or not made.inputs:
        raise RecipeError(
            f"train.pretrain.method {method} needs a network with an encoder of {reads[method]}; this one has none.",
            where="train.pretrain",
            expected=reads[method],
            got=type(whole).__name__ if made is None else ", ".join(str(one.kind) for one in features.values()),
            fix="choose such a model, or leave out train.pretrain",
        )
    return made


def changed(
    method: str, features: Mapping[str, Any]
) -> Callable[[dict[str, Tensor], torch.Generator], dict[str, Tensor]]:
    """What is done to whole batches before they are learnt. features: those of the inputs that learn."""

    def change(batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        made = dict(batch)
        for name, feature in features.items():
            if method == "contrastive":
                made[name], made[f"{name}{VIEW}"] = (views.draw(batch[name], generator) for _ in range(2))
            else:
                made |= CHANGES[feature.kind](name, feature, batch, generator)
        return made

    return change


def objective(networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str) -> Tensor:
    """Each row's loss (B,)."""
    losses: Tensor = networks[player](**batch)["losses"]
    return losses


def _masks(encoder: Any, feature: Any) -> bool:
    if feature.kind == "image":
        return True
    return feature.kind in ("text", "sequence") and hasattr(encoder, "states")


def _encoder(network: Any, name: str) -> nn.Module:
    found: nn.Module = network.encoders[network.inputs.index(name)]
    return found


def _answer(encoder: Any, feature: Any) -> nn.Module:
    if feature.kind == "image":
        return _linear(int(encoder.width), feature.shape[0] * PATCHES**2)
    if feature.kind == "sequence":
        return _linear(encoder.states_width, feature.channels)
    return _Tied(encoder.states_width, *encoder.vectors.weight.shape)


class _Tied(nn.Module):
    """States (n, width) -> logits of all tokens, through the table of vectors."""

    def __init__(self, width: int, vocabulary: int, size: int) -> None:
        super().__init__()
        self.change = _linear(width, size)
        self.norm = nn.LayerNorm(size)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, states: Tensor, table: Tensor) -> Tensor:
        """table: (vocabulary, size)."""
        made: Tensor = self.norm(functional.gelu(self.change(states))) @ table.T + self.bias
        return made


def _linear(width: int, outputs: int) -> nn.Linear:
    made = nn.Linear(width, outputs)
    initial.start(made, "linear")
    return made


def _projection(width: int) -> nn.Module:
    return nn.Sequential(_linear(width, width), nn.ReLU(), _linear(width, PROJECTION))


def _chosen(name: str, batch: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """bool (B, T): what is to be found, of every row at least one that is there."""
    length = batch[f"{name}_length"]
    drawn = torch.rand(batch[name].shape[:2], generator=generator)
    there = torch.arange(drawn.shape[1]).unsqueeze(0) < length.unsqueeze(1)
    least = drawn.masked_fill(~there, 2.0).argmin(1, keepdim=True)
    return ((drawn < SHARE) & there).scatter(1, least, True)


def _hide_tokens(name: str, feature: Any, batch: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    tokens, chosen = batch[name], _chosen(name, batch, generator)
    how = torch.rand(tokens.shape, generator=generator)
    others = tokens.flatten()[torch.randint(tokens.numel(), tokens.shape, generator=generator)]
    seen = torch.where(chosen & (how < RANDOM), others, tokens)
    seen = torch.where(chosen & (how < REPLACED), torch.full_like(tokens, feature.mask_number), seen)
    return {name: seen, f"{name}{HIDDEN}": chosen, f"{name}{TRUTH}": tokens}


def _hide_steps(name: str, feature: Any, batch: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    steps, chosen = batch[name], _chosen(name, batch, generator)
    seen = steps.masked_fill(chosen.unsqueeze(-1), 0.0)
    return {name: seen, f"{name}{HIDDEN}": chosen, f"{name}{TRUTH}": steps}


def _hide_patches(
    name: str, feature: Any, batch: Mapping[str, Tensor], generator: torch.Generator
) -> dict[str, Tensor]:
    pictures = batch[name]
    size = pictures.shape[-2:]
    hidden = torch.rand((len(pictures), 1, PATCHES, PATCHES), generator=generator) < COVERED
    cover = functional.interpolate(hidden.float(), size=size, mode="nearest")
    mean = pictures.mean((2, 3), keepdim=True)
    truth = functional.adaptive_avg_pool2d(pictures, PATCHES)
    return {
        name: pictures * (1 - cover) + mean * cover,
        f"{name}{HIDDEN}": hidden.flatten(1),
        f"{name}{TRUTH}": truth,
    }


def _loss_of_tokens(encoder: Any, answer: Any, name: str, batch: Mapping[str, Tensor]) -> Tensor:
    hidden = batch[f"{name}{HIDDEN}"]
    states = encoder.states(batch[name], batch[f"{name}_length"])[hidden]
    logits = answer(states, encoder.vectors.weight)
    return _by_row(functional.cross_entropy(logits, batch[f"{name}{TRUTH}"][hidden], reduction="none"), hidden)


def _loss_of_steps(encoder: Any, answer: Any, name: str, batch: Mapping[str, Tensor]) -> Tensor:
    hidden = batch[f"{name}{HIDDEN}"]
    made = answer(encoder.states(batch[name], batch[f"{name}_length"])[hidden])
    return _by_row((made - batch[f"{name}{TRUTH}"][hidden]).square().mean(1), hidden)


def _loss_of_patches(encoder: Any, answer: Any, name: str, batch: Mapping[str, Tensor]) -> Tensor:
    hidden, truth = batch[f"{name}{HIDDEN}"].unsqueeze(1), batch[f"{name}{TRUTH}"].flatten(2)
    made = answer(encoder(batch[name])).reshape(truth.shape)
    losses = (made - truth).square() * hidden
    made_of_rows: Tensor = losses.mean(1).sum(1) / hidden.sum((1, 2)).clamp(min=1)
    return made_of_rows


def _by_row(losses: Tensor, hidden: Tensor) -> Tensor:
    """(n,) losses of the hidden places, to the mean of each row (B,)."""
    whole = torch.zeros(hidden.shape, dtype=losses.dtype, device=losses.device)
    whole = whole.masked_scatter(hidden, losses)
    return whole.sum(1) / hidden.sum(1).clamp(min=1)


LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "text": _loss_of_tokens,
    "sequence": _loss_of_steps,
    "image": _loss_of_patches,
}
CHANGES: Mapping[str, Callable[..., dict[str, Tensor]]] = {
    "text": _hide_tokens,
    "sequence": _hide_steps,
    "image": _hide_patches,
}
