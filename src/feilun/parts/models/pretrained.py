"""Pretrained: a published text encoder of the BERT family from a Hugging Face folder, its states averaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from feilun.core.errors import InputError, RecipeError, not_one_of
from feilun.parts.models import stems
from feilun.parts.models.published_families import ENCODERS

HIDDEN = -1e9  # added to the attention of padding
EXTRA = "pip install 'feilun[pretrained]'"
CLASSES = dict(zip(ENCODERS, ("Bert", "Roberta", "XLMRoberta", "DistilBert"), strict=True))  # of transformers
POOLINGS = ("mean", "first")


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """Options of the family. Where it starts from is `model.weights`."""

    config: Mapping[str, Any] = field(default_factory=dict)  # config.json of the folder; filled in
    pooling: str = "mean"  # mean of all states, as sentence encoders have it, or the first token's (first)
    dropout: float = 0.1  # share of the answer's input left out while training
    attention_dropout: float = 0.0  # share of the attention left out while training; above 0 attention is not fused


MODEL = Pretrained
KINDS = ("text",)


class Encoder(nn.Module):
    """Tokens int64 (B, T) and lengths -> (B, width). `network` holds the weights under their published names."""

    def __init__(self, options: Pretrained) -> None:
        super().__init__()
        config = options.config
        self.network = _body(config, options.attention_dropout)
        self.first = options.pooling == "first"
        self.width = self.states_width = int(config.get("hidden_size") or config["dim"])
        # RoBERTa counts places from behind the number of its padding on
        self.first_place = int(config["pad_token_id"]) + 1 if "roberta" in config["model_type"] else 0
        self.kinds = 0 if config["model_type"] == "distilbert" else int(config.get("type_vocab_size", 2))
        self.dropout = nn.Dropout(options.dropout)

    @property
    def vectors(self) -> nn.Module:
        """The table of token vectors."""
        found: nn.Module = self.network.embeddings.word_embeddings  # type: ignore[union-attr, assignment]
        return found

    def forward(self, tokens: Tensor, length: Tensor) -> Tensor:
        """Padding changes no answer."""
        states = self.states(tokens, length)
        if self.first:
            made: Tensor = self.dropout(states[:, 0])
            return made
        mask = stems.present(tokens, length).unsqueeze(-1)
        mean: Tensor = self.dropout((states * mask).sum(1) / mask.sum(1).clamp(min=1))
        return mean

    def states(self, tokens: Tensor, length: Tensor, kinds: Tensor | None = None) -> Tensor:
        """(B, T, states_width). Positions and mask are given whole, so that nothing is frozen in an export.

        kinds: int64 (B, T): 0 for tokens of the first text, 1 for those of a second one.
        """
        places = torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0).expand(tokens.shape)
        hidden = ((1 - stems.present(tokens, length)) * HIDDEN).unsqueeze(1).unsqueeze(1)
        told = kinds if kinds is not None and self.kinds > 1 else torch.zeros_like(tokens)
        types = {"token_type_ids": told} if self.kinds else {}
        made: Tensor = self.network(
            input_ids=tokens,
            attention_mask=hidden.expand(-1, 1, tokens.shape[1], -1),
            position_ids=places + self.first_place,
            **types,
        ).last_hidden_state
        return made


def encoder(options: Pretrained, feature: Any) -> nn.Module:
    """Raises RecipeError for another family than those of BERT, InputError without transformers."""
    if options.pooling not in POOLINGS:
        raise not_one_of("model.pooling", options.pooling, POOLINGS)
    kind = options.config.get("model_type")
    if kind not in ENCODERS:
        known = ", ".join(ENCODERS)
        raise RecipeError(
            f"model pretrained reads folders whose config.json says a model_type of {known}; this one says {kind!r}. "
            "Name such a folder as model.weights.",
            where="model.weights",
            expected=known,
            got=str(kind),
            fix="model: {weights: FOLDER}, with config.json, tokenizer.json and model.safetensors",
        )
    if feature.vocabulary_size > int(options.config["vocab_size"]):
        raise RecipeError(
            f"Column {feature.columns[0]} has {feature.vocabulary_size:,} tokens, the weights know "
            f"{options.config['vocab_size']:,}. Leave out tokens, so that the weights' own tokenizer is taken.",
            where=f"inputs.{feature.columns[0]}.tokens",
            expected="tokenizer.json of the weights",
            got=str(feature.tokens),
            fix=f"leave out inputs.{feature.columns[0]}.tokens",
        )
    return Encoder(options)


def _body(config: Mapping[str, Any], attention_dropout: float) -> nn.Module:
    """Without its pooler, weights drawn anew. Attention is PyTorch's fused one, for which nothing may be left out."""
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise InputError(
            f"model pretrained needs the package {error.name}, which is not here. Type {EXTRA}.",
            where="model.name",
            fix=EXTRA,
        ) from error
    name = CLASSES[config["model_type"]]
    left_out = "attention_dropout" if name == "DistilBert" else "attention_probs_dropout_prob"
    changed = {"attn_implementation": "sdpa", left_out: attention_dropout}
    plain = getattr(transformers, f"{name}Config")(**{**config, **changed})
    pooled = {} if name == "DistilBert" else {"add_pooling_layer": False}
    network: nn.Module = getattr(transformers, f"{name}Model")(plain, **pooled)
    return network
